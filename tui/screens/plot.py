"""The loss curves of one run, or of several together."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Footer, Static

from data.errors import RlmError
from models.runs.loss_chart import chart_of_runs
from models.runs.loss_curves import CurveAxis, LossCurves
from models.runs.run import Run
from tui.content import joined
from tui.messages import CurvesRead
from tui.widgets.curve_chart import CurveChart

if TYPE_CHECKING:
    from tui.app import RlmApp

_AXES: tuple[CurveAxis, ...] = ("step", "tokens", "time")


class PlotScreen(Screen[None]):
    """Draws the training loss as a line and the validation loss as marks, as `rlm plot` does."""

    HELP_TEXT = (
        "The line is the training loss, the marks are the validation loss. Losses of runs with different "
        "tokenizers cannot be compared."
    )
    BINDINGS = [
        Binding("x", "next_axis", "Axis", id="plot.axis", tooltip="By step, tokens or time"),
        Binding("l", "change_log", "Log", id="plot.log", tooltip="Logarithmic or linear axes"),
        Binding("s", "change_smooth", "Smooth", id="plot.smooth", tooltip="Smooth the training loss"),
        Binding("escape,q", "close", "Back", id="plot.close"),
    ]  # fmt: skip

    def __init__(self, runs: Mapping[str, Path]) -> None:
        super().__init__()
        self.runs = runs
        self.curves: dict[str, LossCurves] = {}
        self.axis: CurveAxis = "step"
        self.log_axes = False
        self.is_smooth = True

    def compose(self) -> ComposeResult:
        yield Static(joined(("loss", "bold $primary"), f"   {', '.join(self.runs)}"), classes="title")
        yield CurveChart()
        yield Footer(compact=True)

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
            cast("RlmApp", self.app).say(words, severity="warning")
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        chart = self.query_one(CurveChart)
        if self.curves:
            chart.chart = chart_of_runs(
                self.curves, axis=self.axis, log=self.log_axes, smooth=None if self.is_smooth else 0.0,
                columns=2 * self.size.width,
            )  # fmt: skip

    def action_next_axis(self) -> None:
        self.axis = _AXES[(_AXES.index(self.axis) + 1) % len(_AXES)]
        self._draw()

    def action_change_log(self) -> None:
        self.log_axes = not self.log_axes
        self._draw()

    def action_change_smooth(self) -> None:
        self.is_smooth = not self.is_smooth
        self._draw()

    def action_close(self) -> None:
        self.dismiss()
