"""A question with two answers."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.content import plain


class ConfirmScreen(ModalScreen[bool]):
    """Asks whether to do something. Gives True for yes; Escape means no."""

    HELP_TEXT = "Answer with y or n, or choose with the arrows and Enter."
    BINDINGS = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes"),
        Binding("n,escape", "answer(False)", "No", id="confirm.no"),
    ]

    def __init__(self, title: str, question: Content, yes: str, no: str) -> None:
        super().__init__()
        self._title, self._question, self._yes, self._no = title, question, yes, no

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = plain(self._title)
            yield Static(self._question, id="question")
            choices = OptionList(
                Option(plain(f"n  {self._no}"), id="no"), Option(plain(f"y  {self._yes}"), id="yes"),
                classes="choices",
            )  # fmt: skip
            yield choices

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id == "yes")

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)
