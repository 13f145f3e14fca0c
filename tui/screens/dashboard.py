"""One run, live: its curves, figures, samples and log, and the keys that ask its training for something."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.worker import get_current_worker

from data.errors import RlmError
from data.format import format_count
from models.runs.control_requests import Request, request
from models.runs.loss_curves import CurveAxis
from models.runs.run import Run
from tui.content import joined, lines, plain
from tui.launcher import resume_arguments
from tui.messages import RunAdvanced, RunLost
from tui.run_charts import ChartName, chart_of_view
from tui.run_feed import RunFeed, RunView
from tui.run_list import RESUMABLE
from tui.run_words import figures, losses_by_mode, progress_words, share
from tui.screens.chat import ChatScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.pause_menu import PauseMenu
from tui.widgets.curve_chart import CurveChart
from tui.widgets.run_figures import RunFigures
from tui.widgets.run_table import STATE_COLORS
from tui.widgets.run_texts import LogList, SampleList, sample_content
from tui.widgets.view_tabs import ViewTabs

if TYPE_CHECKING:
    from tui.app import RlmApp

ViewName = Literal[ChartName, "samples", "log"]
VIEWS: tuple[ViewName, ...] = (*get_args(ChartName), "samples", "log")
_POLL_S = 1.0
_AXES: tuple[CurveAxis, ...] = ("step", "tokens", "time")
_MEANINGS: dict[Request, str] = {
    "pause": "pause and save",
    "stop": "finish with the best weights so far",
    "save": "save a checkpoint",
    "sample": "write a sample",
}


class DashboardScreen(Screen[None]):
    """Follows the log of one run in a thread."""

    HELP_TEXT = (
        "This follows the log of the run. A training is a process of its own: it goes on when you leave. The "
        "modes are the training loss of the steps that drew each number of cycles."
    )
    BINDINGS = [
        Binding("p", "ask('pause')", "Pause", id="run.pause", tooltip="Save and end; r goes on later"),
        Binding("s", "stop", "Stop", id="run.stop", tooltip="Finish with the best weights, after a question"),
        Binding("w", "ask('save')", "Save", id="run.save", tooltip="Save a checkpoint now"),
        Binding("g", "ask('sample')", "Sample", id="run.sample", tooltip="Let the model write a sample now"),
        Binding("c", "chat", "Chat", id="run.chat", tooltip="Talk to the best weights so far"),
        Binding("r", "resume", "Resume", id="run.resume", tooltip="Go on with a run that was interrupted"),
        Binding("l", "change_log", "Log", id="run.log", tooltip="A logarithmic or linear axis of the values"),
        Binding("x", "next_axis", "Axis", id="run.axis", tooltip="By step, tokens or time", show=False),
        Binding("right,tab", "next_view(1)", "View", id="run.view", tooltip="The next view", show=False),
        Binding("left,shift+tab", "next_view(-1)", "View before", id="run.view_before", show=False,
                tooltip="The view before"),
        *(Binding(str(n), f"view('{name}')", name.capitalize(), id=f"run.{name}", show=False,
                  tooltip=f"Show the {name}")
          for n, name in enumerate(VIEWS, start=1)),
        Binding("ctrl+c", "interrupt", "Interrupt", id="run.interrupt", show=False,
                tooltip="Pause, stop or go on"),
        Binding("escape,q", "close", "Back", id="run.close", tooltip="To the runs; the training goes on"),
    ]  # fmt: skip

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.view = RunView(folder.name, "created")
        self.shown: ViewName = "loss"
        self.axis: CurveAxis = "step"
        self.log_axis = False
        self.problem: str | None = None
        self._leave = threading.Event()

    @property
    def rlm(self) -> "RlmApp":
        return cast("RlmApp", self.app)

    def compose(self) -> ComposeResult:
        yield Static(id="title", classes="title")
        yield Static(id="progress")
        yield ViewTabs([name.capitalize() for name in VIEWS])
        with Horizontal():
            with Vertical(id="main"):
                yield CurveChart()
                yield SampleList()
                yield LogList()
                yield RunFigures("below", in_column=False)
            with Vertical(id="aside"):
                yield RunFigures("beside", in_column=True)
                yield Static(id="newest")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.query_one(CurveChart).words = "Reading …"
        self.action_view("loss")
        self.set_interval(1.0, self._write_progress)
        self._follow()

    def on_unmount(self) -> None:
        self._leave.set()

    @work(thread=True, group="follow")
    def _follow(self) -> None:
        """Follow the log until the screen is left. What is new is told at most once a second."""
        worker, feed = get_current_worker(), None
        while not (worker.is_cancelled or self._leave.is_set()):
            try:
                feed = feed or RunFeed(self.folder)
                if (view := feed.poll()) is not None:
                    self.post_message(RunAdvanced(view))
            except RlmError as error:
                self.post_message(RunLost(error.message))
                return
            self._leave.wait(_POLL_S)

    def on_run_advanced(self, message: RunAdvanced) -> None:
        before, self.view = self.view, message.view
        self._draw()
        if before.is_busy and not self.view.is_busy and self.view.failure is not None:
            failure = self.view.failure
            words = "\n".join(part for part in (failure.message, failure.hint) if part)
            self.rlm.say(words, severity="error")
        if before.state != self.view.state:
            self.refresh_bindings()

    def on_run_lost(self, message: RunLost) -> None:
        self.problem = message.reason
        self.rlm.say(message.reason, severity="error")
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw_chart()

    def _draw(self) -> None:
        view = self.view
        self._write_progress()
        rows = tuple(figures(view))
        self.query_one("#below", RunFigures).rows = rows
        modes = [(f"at {mode}", loss) for mode, loss in losses_by_mode(view)]
        self.query_one("#beside", RunFigures).rows = (*rows, *modes)
        newest = sample_content(view.samples[-1]) if view.samples else plain("")
        self.query_one("#newest", Static).update(newest)
        self._draw_view()

    def _draw_view(self) -> None:
        """Draw the view that is shown, and only that."""
        if self.shown == "samples":
            self.query_one(SampleList).show(self.view.samples)
        elif self.shown == "log":
            self.query_one(LogList).show(self.view.log, self.rlm.words)
        else:
            self._draw_chart()

    def _draw_chart(self) -> None:
        name, chart = self.shown, self.query_one(CurveChart)
        if name == "samples" or name == "log":
            return
        chart.words = self.problem or "No step yet."
        if self.view.steps:
            chart.chart = chart_of_view(
                self.view, name, axis=self.axis, log=self.log_axis, columns=2 * max(1, chart.size.width)
            )
        else:
            chart.chart = None

    def _write_progress(self) -> None:
        view = self.view
        color = STATE_COLORS.get(view.state)
        what = ""
        if view.started is not None:
            what = f"   {view.started.architecture}, {format_count(view.started.parameters)} parameters"
        state = (f"  {view.state}", f"${color}" if color else "")
        self.query_one("#title", Static).update(joined((view.name, "bold $primary"), state, what))
        done, words = share(view), progress_words(view, short=self.size.width < 60)
        width = max(4, min(30, self.size.width - len(words) - 12))
        full = round(done * width)
        bar = (("━" * full, "$success" if view.is_busy else "$primary"), ("━" * (width - full), "$panel"))
        self.query_one("#progress", Static).update(joined(*bar, f" {done:4.0%}  {words}"))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("ask", "stop"):
            return self.view.is_busy
        if action == "resume":
            return self.view.state in RESUMABLE
        if action in ("change_log", "next_axis"):
            return True if self.shown not in ("samples", "log") else None
        return True

    def action_view(self, name: ViewName) -> None:
        """Show another view."""
        self.shown = name
        is_chart = name not in ("samples", "log")
        self.query_one(CurveChart).display = is_chart
        self.query_one(SampleList).display = name == "samples"
        self.query_one(LogList).display = name == "log"
        self.query_one(ViewTabs).activate(name.capitalize())
        if not is_chart:
            self.query_one(SampleList if name == "samples" else LogList).focus()
        self._draw_view()
        self.refresh_bindings()

    def on_view_tabs_chosen(self, message: ViewTabs.Chosen) -> None:
        self.action_view(cast(ViewName, message.name.lower()))

    def action_next_view(self, direction: int) -> None:
        self.action_view(VIEWS[(VIEWS.index(self.shown) + direction) % len(VIEWS)])

    def action_change_log(self) -> None:
        self.log_axis = not self.log_axis
        self._draw_chart()

    def action_next_axis(self) -> None:
        self.axis = _AXES[(_AXES.index(self.axis) + 1) % len(_AXES)]
        self._draw_chart()

    def action_ask(self, kind: Request) -> None:
        """Ask the training for something. The log tells when it is done."""
        try:
            request(Run(self.folder.resolve()), kind)
        except RlmError as error:
            self.rlm.say_error(error)
            return
        self.rlm.say(f"Asked {self.view.name} to {_MEANINGS[kind]}.")

    def action_stop(self) -> None:
        question = lines([
            plain("The training ends, and the run keeps the best weights so far."),
            plain("To go on later, pause it instead."),
        ])  # fmt: skip
        self.app.push_screen(
            ConfirmScreen(f"Stop {self.view.name}?", question, "Stop it", "Let it train"),
            lambda yes: self.action_ask("stop") if yes else None,
        )

    def action_interrupt(self) -> None:
        if self.view.is_busy:
            self.app.push_screen(
                PauseMenu(self.view.name), lambda kind: self.action_ask(kind) if kind is not None else None
            )
        else:
            self.rlm.say(f"{self.view.name} is not training. Ctrl-Q leaves the application.")

    def action_chat(self) -> None:
        self.app.push_screen(ChatScreen(self.folder))

    def action_resume(self) -> None:
        self.rlm.start_training(self.view.name, resume_arguments(self.folder))

    def action_close(self) -> None:
        self.dismiss()
