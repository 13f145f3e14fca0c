"""What a run is and how it was set up, in a panel."""

from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.message import Message

from data.errors import RlmError
from models.runs.run import Run
from models.runs.run_report import describe_run, setting_rows, summary_rows
from tui.content import plain
from tui.run_words import Row
from tui.screens.rlm_screen import RlmModal
from tui.widgets.two_columns import TwoColumns


class RunSettingsScreen(RlmModal[None]):
    """What `rlm show` says of a run, then the settings of its model and its training."""

    HELP_TEXT = "This is what rlm show says of the run, and the settings it was made and trained with."
    BINDINGS = [Binding("escape,q,o,enter", "close", "Close", id="settings.close")]

    class Described(Message):
        """The run was read. `problem` says why it could not be."""

        def __init__(
            self, summary: tuple[Row, ...], settings: tuple[Row, ...], problem: RlmError | None = None
        ) -> None:
            super().__init__()
            self.summary = summary
            self.settings = settings
            self.problem = problem

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as dialog:
            dialog.border_title = plain(self.folder.name)
            dialog.border_subtitle = plain("Esc closes")
            yield TwoColumns("summary")
            yield TwoColumns("settings")

    def on_mount(self) -> None:
        self.query_one("#summary", TwoColumns).rows = (("", "Reading …"),)
        self._read()

    @work(thread=True)
    def _read(self) -> None:
        try:
            report = describe_run(Run(self.folder.resolve()))
        except RlmError as error:
            self.post_message(self.Described((), (), error))
            return
        summary = tuple(summary_rows(report, self.rlm.words))
        self.post_message(self.Described(summary, tuple(setting_rows(report))))

    def on_run_settings_screen_described(self, message: Described) -> None:
        self.query_one("#summary", TwoColumns).rows = message.summary
        self.query_one("#settings", TwoColumns).rows = message.settings
        if message.problem is not None:
            self.rlm.say_error(message.problem)
            self.dismiss()

    def action_close(self) -> None:
        self.dismiss()
