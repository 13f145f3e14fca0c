"""What a screen is for, and its keys."""

from collections.abc import Iterator
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from tui.content import plain
from tui.run_words import Row
from tui.widgets.two_columns import TwoColumns


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
            if about := getattr(self._about, "HELP_TEXT", ""):
                yield Static(plain(f"{about}\n"))
            keys = TwoColumns("keys", "$accent")
            keys.rows = tuple(self._keys())
            yield keys

    def _keys(self) -> Iterator[Row]:
        """The keys of the screen, and what each does."""
        found: dict[str, tuple[list[str], str]] = {}
        for _, binding, _, tooltip in self._about.active_bindings.values():
            if binding.description and binding.id is not None:  # those of textual have none
                names, _ = found.setdefault(binding.action, ([], tooltip or binding.description))
                names.append(self.app.get_key_display(binding))
        for names, words in found.values():
            yield " ".join(names[:2]), words

    def action_close(self) -> None:
        self.dismiss()
