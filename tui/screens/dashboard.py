"""One run, live: its curves, figures, samples and log. The keys for its training are in `run_control`."""

import threading
from pathlib import Path
from typing import Literal, cast, get_args

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import get_current_worker

from data.errors import RlmError
from data.format import format_count
from models.charts.chart import Chart
from tui.chart_view import Dials
from tui.content import joined, plain
from tui.machine_figures import Machine, MachineReader
from tui.messages import MachineRead, RunAdvanced, RunLost
from tui.run_charts import ChartName, chart_of_view
from tui.run_feed import RunFeed
from tui.run_words import figures, losses_by_mode, passes_histogram, progress_words, share
from tui.screens.run_control import RunControlScreen
from tui.widgets.curve_chart import CurveChart
from tui.widgets.key_line import KeyLine
from tui.widgets.run_figures import RunFigures
from tui.widgets.run_table import STATE_COLORS
from tui.widgets.run_texts import LogList, SampleList, sample_content
from tui.widgets.two_columns import TwoColumns
from tui.widgets.view_tabs import ViewTabs

ViewName = Literal[ChartName, "samples", "log", "figures"]
CHARTS: tuple[ChartName, ...] = get_args(ChartName)
VIEWS: tuple[ViewName, ...] = (*CHARTS, "samples", "log", "figures")
_POLL_S = 1.0
_MACHINE_S = 2.0
_NO_SAMPLES = "A model that solves puzzles writes no samples."


class DashboardScreen(RunControlScreen):
    """Follows the log of one run in a thread, and the machine in another."""

    HELP_TEXT = (
        "This follows the log of the run. A training is a process of its own: it goes on when you leave. The "
        "modes are the training loss of the steps that drew each number of cycles."
    )
    BINDINGS = [
        Binding("f", "filter", "Filter", id="run.filter",
                tooltip="Samples of one prompt; in the log what happened, or only warnings"),
        Binding("right,tab", "next_view(1)", "View", id="run.view", tooltip="The next view", show=False),
        Binding("left,shift+tab", "next_view(-1)", "View before", id="run.view_before", show=False,
                tooltip="The view before"),
        *(Binding(str(n), f"view('{name}')", name.capitalize(), id=f"run.{name}", show=False,
                  tooltip=f"Show the {name}")
          for n, name in enumerate(VIEWS, start=1)),
        Binding("escape,q", "close", "Back", id="run.close", tooltip="To the runs; the training goes on"),
    ]  # fmt: skip

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.shown: ViewName = "loss"
        self.machine: Machine | None = None
        self.problem: str | None = None
        """Why the run cannot be followed now."""
        self._is_read = False
        self._leave = threading.Event()

    def compose(self) -> ComposeResult:
        yield Static(id="title", classes="title")
        yield Static(id="progress")
        yield ViewTabs([name.capitalize() for name in VIEWS])
        with Horizontal():
            with Vertical(id="main"):
                yield CurveChart()
                yield TwoColumns("histogram")
                yield Static(id="heading")
                yield SampleList()
                yield LogList()
                with VerticalScroll(id="figures"):
                    yield TwoColumns("all")
                yield RunFigures(id="below")
            with Vertical(id="aside"):
                yield TwoColumns("beside")
                yield Static(id="newest")
        yield KeyLine()

    def on_mount(self) -> None:
        self.query_one(CurveChart).words = "Reading …"
        self.action_view("loss")
        self.set_interval(1.0, self._write_progress)
        self._follow()
        self._watch_machine()

    def on_resize(self) -> None:
        self._write_progress()

    def on_unmount(self) -> None:
        self._leave.set()

    @work(thread=True, group="follow")
    def _follow(self) -> None:
        """Follow the log until the screen is left. What is new is told at most once a second."""
        worker, feed, is_lost = get_current_worker(), None, False
        while not (worker.is_cancelled or self._leave.is_set()):
            try:
                feed = feed or RunFeed(self.folder)
                if (view := feed.poll()) is not None:
                    is_lost = False
                    self.post_message(RunAdvanced(view))
            except RlmError as error:  # it may come back
                feed = None
                if not is_lost:
                    is_lost = True
                    self.post_message(RunLost(error.message))
            self._leave.wait(_POLL_S)

    @work(thread=True, group="machine")
    def _watch_machine(self) -> None:
        """Look how busy the machine is, while a process has the run."""
        worker, reader = get_current_worker(), MachineReader(self.folder)
        while not (worker.is_cancelled or self._leave.is_set()):
            view, machine = self.view, None
            if view.is_busy:
                machine = reader.read(view.started.device if view.started is not None else "")
            if machine is not None or self.machine is not None:
                self.post_message(MachineRead(machine))
            self._leave.wait(_MACHINE_S)

    def on_run_advanced(self, message: RunAdvanced) -> None:
        before, self.view = self.view, message.view
        is_first = not self._is_read
        self.problem, self._is_read = None, True
        self._draw()
        failure = self.view.failure
        if failure is not None and failure != before.failure and not is_first:
            words = "\n".join(part for part in (failure.message, failure.hint) if part)
            self.rlm.say(words, severity="error")
        if before.is_busy and self.view.state == "killed":
            last = f" Its last words: {self.view.log[-1].text}" if self.view.log else ""
            self.rlm.say(f"The process that trained {before.name} has died.{last}", severity="error")
        if (before.state, before.best is None) != (self.view.state, self.view.best is None):
            self.refresh_bindings()

    def on_run_lost(self, message: RunLost) -> None:
        self.problem, self._is_read = message.reason, True
        self.rlm.say(message.reason, severity="error")
        self._draw()

    def on_machine_read(self, message: MachineRead) -> None:
        self.machine = message.machine
        self._write_figures()

    def on_curve_chart_said(self, message: CurveChart.Said) -> None:
        self.rlm.say(message.words)

    def _draw(self) -> None:
        self._write_progress()
        self._write_figures()
        view = self.view
        newest = sample_content(view.samples[-1]) if view.samples else plain("")
        self.query_one("#newest", Static).update(newest)
        self._draw_view()

    def _write_figures(self) -> None:
        view = self.view
        machine = [] if self.machine is None or not view.is_busy else self.machine.rows()
        rows = (*figures(view), *machine)
        modes = [(f"at {mode}", loss) for mode, loss in losses_by_mode(view)]
        self.query_one("#below", RunFigures).rows = rows
        self.query_one("#beside", TwoColumns).rows = (*rows, *modes)
        self.query_one("#all", TwoColumns).rows = (*rows, *modes, *passes_histogram(view))

    def _draw_view(self) -> None:
        """Draw the view that is shown, and only that."""
        view, chart = self.view, self.query_one(CurveChart)
        histogram = passes_histogram(view) if self.shown == "passes" else []
        self.query_one("#histogram").display = bool(histogram)
        self.query_one("#histogram", TwoColumns).rows = tuple(histogram)
        if self.shown == "samples":
            samples = self.query_one(SampleList)
            samples.show(view.samples, _NO_SAMPLES) if view.solves_puzzles else samples.show(view.samples)
        elif self.shown == "log":
            self.query_one(LogList).show(view.log, self.rlm.words)
        elif self.shown in CHARTS:
            if view.steps and self.shown == "passes":
                chart.words = "The steps of this run do not say how many passes a token takes."
            elif self._is_read:
                chart.words = self.problem or self.rlm.words(view.problem or "No step yet.")
            chart.draw(self._chart)
        heading = self._text().heading if self.shown in ("samples", "log") else ""
        self.query_one("#heading").display = bool(heading)
        self.query_one("#heading", Static).update(plain(heading, "$foreground-muted"))

    def _chart(self, dials: Dials) -> Chart | None:
        return chart_of_view(self.view, self.shown, dials) if self.shown in CHARTS else None

    def _write_progress(self) -> None:
        view = self.view
        color = STATE_COLORS.get(view.state)
        what = ""
        if view.started is not None:
            what = f"   {view.started.architecture}, {format_count(view.started.parameters)} parameters"
        state = (f"  {view.state}", f"${color}" if color else "")
        if self.problem is not None:
            state, what = (f"  {self.problem}", "$error"), ""
        self.query_one("#title", Static).update(joined((view.name, "bold $primary"), state, what))
        done, words = share(view), progress_words(view, short=self.size.width < 60)
        width = max(4, min(30, self.size.width - len(words) - 12))
        full = round(done * width)
        bar = (("━" * full, "$success" if view.is_busy else "$primary"), ("━" * (width - full), "$panel"))
        self.query_one("#progress", Static).update(joined(*bar, f" {done:4.0%}  {words}"))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "filter":
            return self.shown in ("samples", "log")
        return super().check_action(action, parameters)

    def action_view(self, name: ViewName) -> None:
        """Show another view."""
        self.shown = name
        views: dict[str, Widget] = {
            "samples": self.query_one(SampleList),
            "log": self.query_one(LogList),
            "figures": self.query_one("#figures"),
        }
        shown = views.get(name, self.query_one(CurveChart))
        for one in (*views.values(), self.query_one(CurveChart)):
            one.display = one is shown
        for figures_beside in ("#below", "#beside"):
            self.query_one(figures_beside).set_class(name == "figures", "-hidden")
        self.query_one(ViewTabs).activate(name.capitalize())
        shown.focus()
        self._draw_view()
        self.refresh_bindings()

    def on_view_tabs_chosen(self, message: ViewTabs.Chosen) -> None:
        self.action_view(cast(ViewName, message.name.lower()))

    def action_next_view(self, direction: int) -> None:
        self.action_view(VIEWS[(VIEWS.index(self.shown) + direction) % len(VIEWS)])

    def action_filter(self) -> None:
        self._text().filter()
        self._draw_view()

    def _text(self) -> SampleList | LogList:
        return self.query_one(SampleList) if self.shown == "samples" else self.query_one(LogList)

    def action_close(self) -> None:
        self.dismiss()
