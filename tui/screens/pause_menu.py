"""The three-way menu of Ctrl-C, as in the shell."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from models.runs.control_requests import Request
from tui.content import plain

_CHOICES = (
    ("pause", "1  p  pause and save"),
    ("stop", "2  s  stop with the best weights"),
    ("go_on", "3  c  continue"),
)


class PauseMenu(ModalScreen[Request | None]):
    """Asks what a training should do. Gives the request, or None to go on."""

    HELP_TEXT = "A paused training goes on later exactly where it was. A stopped one is finished."
    BINDINGS = [
        Binding("1,p", "choose('pause')", "Pause", id="menu.pause"),
        Binding("2,s", "choose('stop')", "Stop", id="menu.stop"),
        Binding("3,c,escape", "choose('go_on')", "Continue", id="menu.continue"),
        # As in the shell, a second Ctrl-C pauses at once.
        Binding("ctrl+c", "choose('pause')", "Pause", id="menu.again", show=False),
    ]

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run_name = run

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = plain(f"{self.run_name} is training")
            yield OptionList(*(Option(plain(text), id=name) for name, text in _CHOICES), classes="choices")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.action_choose(event.option.id or "go_on")

    def action_choose(self, name: str) -> None:
        match name:
            case "pause":
                self.dismiss("pause")
            case "stop":
                self.dismiss("stop")
            case _:
                self.dismiss(None)
