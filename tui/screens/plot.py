"""The loss curves of one run, or of several together."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from data.errors import RlmError
from models.charts.chart import Chart
from models.runs.loss_chart import chart_of_runs
from models.runs.loss_curves import LossCurves
from models.runs.run import Run
from tui.chart_view import Dials
from tui.content import joined
from tui.messages import CurvesRead
from tui.screens.rlm_screen import RlmScreen
from tui.widgets.curve_chart import CHART_BINDINGS, CurveChart
from tui.widgets.key_line import KeyLine

_SHOWN_KEYS = ("chart.log", "chart.axis", "chart.smooth", "chart.cursor", "chart.whole")


class PlotChart(CurveChart, inherit_bindings=False):
    """The chart with more of its keys in the bottom line, which has room for them here."""

    BINDINGS = [replace(one, show=one.id in _SHOWN_KEYS) for one in CHART_BINDINGS]


class PlotScreen(RlmScreen):
    """Draws the training loss as a line and the validation loss as marks, as `rlm plot` does."""

    HELP_TEXT = (
        "The line is the training loss, the marks are the validation loss. Losses of runs with different "
        "tokenizers cannot be compared."
    )
    BINDINGS = [
        Binding("escape,q", "close", "Back", id="plot.close"),
    ]

    def __init__(self, runs: Mapping[str, Path]) -> None:
        super().__init__()
        self.runs = runs
        self.curves: dict[str, LossCurves] = {}

    def compose(self) -> ComposeResult:
        yield Static(joined(("loss", "bold $primary"), f"   {', '.join(self.runs)}"), classes="title")
        yield PlotChart()
        yield KeyLine()

    def on_mount(self) -> None:
        self.query_one(CurveChart).words = "Reading …"
        self._read()

    @work(thread=True)
    def _read(self) -> None:
        curves, problems = {}, []
        for name, path in self.runs.items():
            try:
                curves[name] = LossCurves.of(Run(path).history())
            except RlmError as error:
                problems.append(error.message)
        self.post_message(CurvesRead(curves, "\n".join(problems)))

    def on_curves_read(self, message: CurvesRead) -> None:
        self.curves = {name: curves for name, curves in message.curves.items() if curves.training}
        missing = [name for name in message.curves if name not in self.curves]
        without = f"No step yet: {', '.join(missing)}." if missing else ""
        words = "\n".join(part for part in (message.problem, without) if part)
        self.query_one(CurveChart).words = words
        if words and self.curves:
            self.rlm.say(words, severity="warning")
        self.query_one(CurveChart).draw(self._chart)

    def _chart(self, dials: Dials) -> Chart | None:
        if not self.curves:
            return None
        return chart_of_runs(self.curves, axis=dials.axis, log=dials.log, share=dials.smoothing)

    def on_curve_chart_said(self, message: CurveChart.Said) -> None:
        self.rlm.say(message.words)

    def action_close(self) -> None:
        self.dismiss()
