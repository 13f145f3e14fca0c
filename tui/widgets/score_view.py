"""What the model writes, judged by text that people wrote."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from models.analysis.result_tables import copy_rows, likelihood_table, repetition_rows, scores, shares
from tui.content import lines, plain
from tui.widgets.measure_bars import MeasureBars
from tui.widgets.table_text import TableText

if TYPE_CHECKING:
    from models.analysis.analyze import RunAnalysis

_EXCERPT = 1500  # characters


class ScoreView(Vertical):
    """The scores of what the model wrote at one mode, and the likelihood of held-out text at every mode."""

    def __init__(self) -> None:
        super().__init__()
        self.found: RunAnalysis | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="scores"):
            yield Static(id="score-words")
            yield MeasureBars("score-bars", "$primary")
            yield MeasureBars("share-bars", "$warning")
            yield TableText("likelihood")
            yield Static(id="written")

    def say(self, words: str) -> None:
        """Show words in place of a result."""
        self.query_one("#score-words", Static).update(plain(words, "$foreground-muted"))

    def show(self, found: "RunAnalysis") -> None:
        """Show what was found."""
        self.found = found
        ((mode, written),) = found.by_mode.items()
        analysis, held_out = written.analysis, found.of_held_out
        title = f"{len(written.text):,} characters written at mode {mode}"
        heading = [plain(title, "bold")]
        if found.unscored is not None:
            heading.append(plain(f"There are no scores. {found.unscored.message}", "$warning"))
        self.query_one("#score-words", Static).update(lines(heading))
        quality = analysis.quality
        self.query_one("#score-bars", MeasureBars).show([] if quality is None else scores(quality))
        self.query_one("#share-bars", MeasureBars).show(
            shares(analysis, held_out), [*repetition_rows(analysis, held_out), *copy_rows(analysis)]
        )
        self.query_one("#likelihood", TableText).show(
            likelihood_table(found.likelihood), "How likely it finds held-out text"
        )
        excerpt = written.text[:_EXCERPT] + (" …" if len(written.text) > _EXCERPT else "")
        self.query_one("#written", Static).update(lines([plain("What it wrote", "bold"), plain(excerpt)]))
