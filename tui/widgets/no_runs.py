"""What stands in the place of the runs where there are none: the way to a first one, and texts nearby."""

from collections.abc import Sequence

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import OptionList, Static

from tui.content import lines, plain
from tui.text_files import PathEntry, nearby_texts
from tui.widgets.text_picker import path_option

_HIGH = 18
"""Rows of a terminal that has room for the command of the shell too."""


class NoRuns(Vertical):
    """Offers the texts nearby. `Chosen` tells which one."""

    class Chosen(Message):
        """A text was chosen to train a model on."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    class Listed(Message):
        """The texts nearby were found."""

        def __init__(self, entries: Sequence[PathEntry]) -> None:
            super().__init__()
            self.entries = entries

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._entries: Sequence[PathEntry] = ()
        self._written: tuple[str, str | None, str] = ("", None, "")
        """What `write` was given last."""
        self.display = False

    def compose(self) -> ComposeResult:
        yield Static(id="words")
        yield OptionList(id="nearby")

    def show(self, is_shown: bool) -> None:
        """Show or hide it. What is nearby is looked for each time it appears."""
        if is_shown and not self.display:
            self._look()
        self.display = is_shown

    def write(self, folder: str, problem: str | None, command: str) -> None:
        """Say that there is no run in `folder`, or why it cannot be read. `command` is that of the shell."""
        self._written = folder, problem, command
        words = [plain(f"There is no run in {folder} yet.")]
        if self._entries:
            words.append(plain("Enter trains a model on one of the texts nearby, n on any other one."))
        else:
            words.append(plain("n trains a model on a text of yours."))
        if self.app.size.height >= _HIGH:
            words.append(plain(f"A run that is started elsewhere appears too:  {command}"))
        self.query_one("#words", Static).update(plain(problem, "$error") if problem else lines(words))

    @work(thread=True, exclusive=True, group="nearby")
    def _look(self) -> None:
        self.post_message(self.Listed(nearby_texts()))

    def on_no_runs_listed(self, message: Listed) -> None:
        message.stop()
        self._entries = message.entries
        nearby = self.query_one("#nearby", OptionList)
        nearby.clear_options()
        nearby.add_options([path_option(entry) for entry in self._entries])
        nearby.display = bool(self._entries)
        self.write(*self._written)
        if self._entries:
            nearby.highlighted = 0
            if self.display and self.screen.is_current:
                nearby.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(self._entries[event.option_index].path))
