"""Asks for the words that a sample continues."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from models.runs.control_requests import LONGEST_PROMPT
from tui.content import plain
from tui.widgets.plain_input import PlainInput


class SamplePromptScreen(ModalScreen[str | None]):
    """Gives the prompt; an empty one is that of the other samples, and None means no sample."""

    HELP_TEXT = (
        "The training writes a sample that continues these words. Without any, it takes those of its samples."
    )
    BINDINGS = [Binding("escape", "leave", "No sample", id="prompt.leave")]

    def __init__(self, run: str) -> None:
        super().__init__()
        self._run_name = run

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = plain(f"A sample of {self._run_name}")
            dialog.border_subtitle = plain("Enter writes it, Esc leaves")
            yield Static(plain("Words that the model continues. Empty: the usual ones."))
            yield PlainInput(max_length=LONGEST_PROMPT, compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_leave(self) -> None:
        self.dismiss(None)
