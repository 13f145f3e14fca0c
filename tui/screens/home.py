"""The first screen: the runs, and what can be done with each."""

import contextlib
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import DataTable, Static

from data.errors import RlmError
from data.format import format_age, format_count, format_loss
from data.puzzle_words import PUZZLES_IN_WORDS
from data.wording import byte_size, counted
from models.runs.run_folder import find_folder, remove_run
from tui.content import joined, lines, plain
from tui.launcher import resume_arguments
from tui.messages import RunsRead
from tui.run_list import RESUMABLE, TEACHABLE, RunList, RunRow
from tui.screens.chat import ChatScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.dashboard import DashboardScreen
from tui.screens.expand import ExpandScreen
from tui.screens.inside import InsideScreen
from tui.screens.new_run import NewRunScreen
from tui.screens.plot import PlotScreen
from tui.screens.rlm_screen import RlmScreen
from tui.screens.teach import TeachScreen
from tui.widgets.key_line import KeyLine
from tui.widgets.no_runs import NoRuns
from tui.widgets.run_table import MOST_MARKED, STATE_COLORS, RunTable

_INTERVAL_S = 1.0


class HomeScreen(RlmScreen):
    """The runs of a folder, read again every second in a thread."""

    HELP_TEXT = (
        "These are the runs, the newest first. A training is shown live. It is a process of its own and goes "
        "on when you leave."
    )
    BINDINGS = [
        Binding("n", "new", "New", id="home.new", tooltip="Train a new model on a text"),
        Binding("r", "resume", "Resume", id="home.resume", tooltip="Go on with a run that was interrupted"),
        Binding("t", "teach", "Teach", id="home.teach", tooltip="Give the run another text, or more time"),
        Binding("c", "chat", "Chat", id="home.chat", tooltip="Talk to the model of the run"),
        Binding("i", "inside", "Inside", id="home.inside", tooltip="Look into the model of the run"),
        Binding("v", "solve", "Solve", id="home.solve", tooltip="See the run solve puzzles, step by step"),
        Binding("e", "expand", "Grow", id="home.expand", tooltip="Make a larger copy with the same output"),
        Binding("p", "plot", "Plot", id="home.plot", tooltip="Draw the losses of this or the marked runs"),
        Binding("space", "mark", "Mark", id="home.mark", show=False, tooltip="Mark up to four runs to plot"),
        Binding("d,delete", "delete", "Delete", id="home.delete", show=False,
                tooltip="Delete the run, after a question"),
    ]  # fmt: skip

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self.runs = RunList(runs_dir)
        self.problem: str | None = None
        self._reading = False
        self._keys_for: object = ()
        """What of the selected run the keys in the footer follow from."""

    @property
    def table(self) -> RunTable:
        return self.query_one(RunTable)

    def compose(self) -> ComposeResult:
        yield Static(joined(("rlm", "bold $primary"), "   Reading the runs …"), id="title", classes="title")
        yield RunTable(id="runs")
        yield NoRuns(id="empty")
        yield Static(id="about")
        yield KeyLine()

    def on_mount(self) -> None:
        self.table.display = False
        self.read_runs()
        self._timer = self.set_interval(_INTERVAL_S, self.read_runs)

    def on_screen_suspend(self) -> None:
        self._timer.pause()

    def on_screen_resume(self) -> None:
        if hasattr(self, "_timer"):
            self._timer.resume()
            self.read_runs()

    def read_runs(self) -> None:
        """Read the folder in a thread, unless that is under way."""
        if not self._reading:
            self._reading = True
            self._read()

    @work(thread=True, group="runs")
    def _read(self) -> None:
        try:
            message = RunsRead(self.runs.read())
        except RlmError as error:
            message = RunsRead((), error.message)
        finally:
            self._reading = False
        self.post_message(message)

    def on_runs_read(self, message: RunsRead) -> None:
        self.problem = message.problem
        table = self.table
        table.show(message.rows)
        had_focus, table.display = table.display, bool(message.rows)
        if table.display and not had_focus:
            table.focus()
        self.query_one(NoRuns).show(not message.rows)
        self._write_texts()
        self._refresh_keys()

    def _refresh_keys(self) -> None:
        """Show which keys do something now, if that may have changed: it draws the whole footer anew."""
        row = self.table.selected
        now = row and (row.state, row.summary.validation_loss is None, row.summary.solves_puzzles)
        if now != self._keys_for:
            self._keys_for = now
            self.refresh_bindings()

    def _write_texts(self) -> None:
        rows, folder = self.table.rows_shown, str(self.runs.folder)
        training = sum(row.is_busy for row in rows)
        more = f", {training} in training" if training else ""
        if starting := self.rlm.starting_besides([row.summary.name for row in rows if row.is_busy]):
            more += f", starting {', '.join(starting)} …"
        self.query_one("#title", Static).update(
            joined(("rlm", "bold $primary"), f"   {counted(len(rows), 'run')}{more}   in {folder}")
        )
        if not rows:
            self.query_one(NoRuns).write(folder, self.problem, self.rlm.words("{train FILE}"))
        selected = self.table.selected
        self.query_one("#about", Static).update(plain("") if selected is None else self._about(selected))

    def _about(self, row: RunRow) -> Content:
        """Some lines about one run."""
        summary = row.summary
        task = summary.puzzle_task
        kind = "problems" if summary.answers_problems else "text"
        kind = kind if task is None else PUZZLES_IN_WORDS.get(task, "puzzles")
        learns = summary.learns
        words = learns if learns and learns.startswith(kind) else f"{kind} {learns}"
        about = [summary.architecture, words if learns else None]
        if summary.parameters is not None:
            about.append(f"{format_count(summary.parameters)} parameters")
        about.append(byte_size(summary.bytes))
        total = f" of {format_count(summary.total_steps)}" if summary.total_steps else ""
        figures = (
            f"step {format_count(summary.step)}{total}, best loss {format_loss(summary.validation_loss)}"
        )
        color = STATE_COLORS.get(row.state)
        rows = [
            joined((summary.name, "bold"), "  ", (row.state, f"${color}" if color else "")),
            plain(", ".join(part for part in about if part)),
            plain(f"{figures}, changed {format_age(summary.modified)}"),
        ]
        if summary.problem:
            rows.append(plain(self.rlm.words(summary.problem), "$warning"))
        elif summary.failure is not None:
            words = " ".join(part for part in (summary.failure.message, summary.failure.hint) if part)
            rows.append(plain(self.rlm.words(words), "$warning"))
        elif row.state == "killed":
            rows.append(plain("Its last training was killed. r resumes from its checkpoint.", "$warning"))
        return lines(rows)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        self._write_texts()
        self._refresh_keys()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        row = self.table.selected
        if row is not None:
            self.app.push_screen(DashboardScreen(row.summary.path))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        row = self.table.selected if self.is_mounted else None
        solves = row is not None and row.summary.solves_puzzles
        if action == "teach":
            texts = row is not None and not solves and not row.summary.answers_problems
            return True if row is not None and row.state in TEACHABLE and texts else None
        if action == "resume":
            return True if row is not None and row.state in RESUMABLE else None
        if action in ("chat", "solve") and solves != (action == "solve"):
            return False  # in the footer, one takes the place of the other
        if action in ("chat", "inside", "solve"):
            return True if row is not None and row.summary.validation_loss is not None else None
        if action in ("plot", "mark"):
            return True if row is not None else None
        if action in ("delete", "expand"):
            if action == "expand" and row is not None and row.state == "damaged":
                return None
            return True if row is not None and not row.is_busy else None
        return True

    def action_new(self) -> None:
        self.app.push_screen(NewRunScreen(self.runs.folder))

    def on_no_runs_chosen(self, message: NoRuns.Chosen) -> None:
        self.app.push_screen(NewRunScreen(self.runs.folder, message.path))

    def action_teach(self) -> None:
        row = self.table.selected
        if row is not None:
            self.app.push_screen(TeachScreen(self.runs.folder, row.summary.path))

    def action_resume(self) -> None:
        row = self.table.selected
        if row is not None:
            self.rlm.start_training(row.summary.name, resume_arguments(row.summary.path))

    def action_chat(self) -> None:
        row = self.table.selected
        if row is not None:
            self.app.push_screen(ChatScreen(row.summary.path))

    def action_inside(self) -> None:
        row = self.table.selected
        if row is not None:
            self.app.push_screen(InsideScreen(row.summary.path))

    def action_solve(self) -> None:
        row = self.table.selected
        if row is not None:
            from tui.screens.puzzle import PuzzleScreen  # with numpy, which the list does not need

            self.app.push_screen(PuzzleScreen(row.summary.path))

    def action_expand(self) -> None:
        row = self.table.selected
        if row is not None:
            self.app.push_screen(ExpandScreen(row.summary.path))

    def action_plot(self) -> None:
        table = self.table
        rows = [row for row in table.rows_shown if str(row.summary.path) in table.marked]
        if not rows and table.selected is not None:
            rows = [table.selected]
        if rows:
            self.app.push_screen(PlotScreen({row.summary.name: row.summary.path for row in rows}))

    def action_mark(self) -> None:
        row = self.table.selected
        if row is not None and not self.table.mark(str(row.summary.path)):
            self.rlm.say(f"At most {MOST_MARKED} runs are plotted together.")

    def action_delete(self) -> None:
        row = self.table.selected
        if row is None:
            return
        summary = row.summary
        question = lines([
            plain(str(summary.path), "bold"),
            plain(f"{row.state}, {byte_size(summary.bytes)}, step {format_count(summary.step)}, "
                  f"best loss {format_loss(summary.validation_loss)}"),
            plain("Its weights, checkpoints, versions and conversations go for good."),
        ])  # fmt: skip

        def answered(yes: bool | None) -> None:
            if yes:
                self._delete(summary.path)

        self.app.push_screen(
            ConfirmScreen(f"Delete {summary.name}?", question, "Delete it", "Keep it"), answered
        )

    @work(thread=True, group="delete", description="delete")
    def _delete(self, path: Path) -> None:
        with contextlib.suppress(RuntimeError):  # the application was left meanwhile
            try:
                remove_run(find_folder(str(path), self.runs.folder))
            except RlmError as error:
                self.app.call_from_thread(self.rlm.say_error, error)
            else:
                self.app.call_from_thread(self.rlm.say, f"Deleted {path.name}.")
                self.app.call_from_thread(self.read_runs)
