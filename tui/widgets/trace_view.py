"""A text inside the model: every pass, every token, other depths, and the parts of the recursion."""

from dataclasses import replace
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Label, Static

from data.wording import counted
from models.analysis.trace_charts import pass_charts
from models.analysis.trace_tables import ablation_table, pass_table, setting_table, tokens_by_passes
from models.charts.chart import Chart
from models.charts.terminal_chart import COLORS
from tui.answer_tokens import Coloring
from tui.content import joined, lines, plain
from tui.widgets.chat_status import legend_parts
from tui.widgets.curve_chart import CurveChart, theme_style
from tui.widgets.plain_input import PlainInput
from tui.widgets.table_text import TableText
from tui.widgets.token_text import passes_style, token_text

if TYPE_CHECKING:
    from models.analysis.trace import TextTrace

_LEAST_COST = 0.0005
"""Nats per token that are shown as more than nothing."""


class TraceView(Vertical):
    """The text to trace, and what was found of it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: TextTrace | None = None
        self.coloring: Coloring = "probability"
        self._charts: list[Chart] = []
        self._chart = 0

    def compose(self) -> ComposeResult:
        with Horizontal(id="prompt"):
            yield Label("text")
            yield PlainInput(id="text", placeholder="a text to trace", compact=True)
        with VerticalScroll(id="traced"):
            yield Static(id="trace-words")
            with Horizontal(id="pass-both"):
                yield TableText("passes")
                yield CurveChart()
            yield Static(id="tokens")
            yield TableText("settings")
            yield TableText("ablations")

    def on_mount(self) -> None:
        self.query_one(CurveChart).can_focus = False  # its keys are those of curves over a training
        for name in ("#trace-words", "#pass-both", "#tokens"):
            self.query_one(name).display = False

    @property
    def text(self) -> str:
        return self.query_one("#text", PlainInput).value

    def suggest(self, text: str) -> None:
        """Fill in a text, where nobody has written one."""
        if not self.text:
            self.query_one("#text", PlainInput).value = text

    def say(self, words: str, style: str = "$foreground-muted") -> None:
        """Show words above the result, or none."""
        self.query_one("#trace-words", Static).update(plain(words, style))
        self.query_one("#trace-words").display = bool(words)

    def show(self, found: "TextTrace") -> None:
        """Show what was found."""
        if self.found is None or self.found.routed != found.routed:
            self.coloring = "passes" if found.routed else "probability"
        self.found = found
        cut = f"The first {found.cut_tokens:,} tokens do not fit the context and are left out."
        self.say(cut if found.cut_tokens else "", "$warning")
        self._charts = [
            replace(chart, y=replace(chart.y, label=name))
            for name, chart in pass_charts(found.passes).items()
        ]
        self.query_one("#pass-both").display = self.query_one("#tokens").display = True
        self.query_one("#passes", TableText).show(
            pass_table(found), f"Passes at depth {found.depth}, in the order they run", self._pass_style
        )
        self.query_one("#settings", TableText).show(
            setting_table(found), "The same text at other depths", self._setting_style
        )
        self.query_one("#ablations", TableText).show(
            ablation_table(found),
            f"What each part is worth at depth {found.depth}, in nats per token",
            self._ablation_style,
        )
        self._draw_chart()
        self._draw_tokens()

    def next_chart(self) -> None:
        """Draw another figure of the passes."""
        self._chart += 1
        self._draw_chart()

    def change_coloring(self) -> None:
        """Colour the tokens by the other figure."""
        self.coloring = "probability" if self.coloring == "passes" else "passes"
        self._draw_tokens()

    def _draw_chart(self) -> None:
        chart = self._charts[self._chart % len(self._charts)] if self._charts else None
        self.query_one(CurveChart).draw(lambda dials: chart)
        self.query_one(CurveChart).display = chart is not None

    def _draw_tokens(self) -> None:
        if self.found is not None:
            self.query_one("#tokens", Static).update(
                _tokens(self.found, self.coloring, has_colors=not self.app.no_color)
            )

    def _pass_style(self, row: int, column: str) -> str:
        """A level has the colour of its curve in the chart."""
        assert self.found is not None
        levels = list(dict.fromkeys(one.level for one in self.found.passes))
        number = levels.index(self.found.passes[row].level)
        return theme_style(COLORS[number % len(COLORS)]) if column == "level" and len(levels) > 1 else ""

    def _setting_style(self, row: int, column: str) -> str:
        assert self.found is not None
        one = self.found.settings[row]
        if one.depth == self.found.depth:
            return "bold"
        return "" if one.trained else "$warning" if column == "mode" else ""

    def _ablation_style(self, row: int, column: str) -> str:
        assert self.found is not None
        cost = self.found.ablations[row].cost
        if column != "costs" or abs(cost) < _LEAST_COST:
            return ""
        return "$success" if cost > 0 else "$error"


def _tokens(found: "TextTrace", coloring: Coloring, *, has_colors: bool) -> Content:
    """The text in colours, what they mean, and how many tokens took how many passes."""
    what = "passes of each token" if coloring == "passes" else "probability of each token"
    rows = [
        plain(f"The text, by the {what}", "bold"),
        token_text(found.tokens, coloring, has_colors=has_colors),
        joined(*legend_parts(coloring, has_colors=has_colors)),
    ]
    by_passes = tokens_by_passes(found)
    if len(by_passes) == 1:
        return lines([*rows, plain(f"Every token takes {counted(found.tokens[0].passes, 'pass')}.")])
    for passes, count in by_passes.items():
        style = passes_style(passes, has_colors=has_colors) if coloring == "passes" else ""
        rows.append(plain(f"{counted(passes, 'pass')}: {count} of {len(found.tokens)} tokens", style))
    return lines(rows)
