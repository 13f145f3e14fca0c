"""What a screen is for, and its keys."""

from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from tui.content import joined, lines, plain


class HelpScreen(ModalScreen[None]):
    """The help of the screen below it. A screen says what it is for in `HELP_TEXT`."""

    BINDINGS = [
        Binding("escape,q,enter,f1,question_mark", "close", "Close", id="help.close"),
    ]

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as dialog:
            dialog.border_title = plain("Help")
            dialog.border_subtitle = plain("Esc closes")
            yield Static(self._text())

    def _text(self) -> Content:
        about = getattr(self._about, "HELP_TEXT", "")
        keys: dict[str, tuple[list[str], str]] = {}
        for _, binding, _, tooltip in self._about.active_bindings.values():
            if binding.description and binding.id is not None:  # those of textual have none
                names, _ = keys.setdefault(binding.action, ([], tooltip or binding.description))
                names.append(self.app.get_key_display(binding))
        width = max((len(" ".join(names[:2])) for names, _ in keys.values()), default=0)
        rows = [
            joined((f"{' '.join(names[:2]):<{width}}  ", "$accent"), words) for names, words in keys.values()
        ]
        return lines([plain(about), plain(""), *rows] if about else rows)

    def action_close(self) -> None:
        self.dismiss()
