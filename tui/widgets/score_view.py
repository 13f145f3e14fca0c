"""What the model writes, judged by text that people wrote."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tui.content import lines, plain

if TYPE_CHECKING:
    from models.analysis.analyze import RunAnalysis


class ScoreView(Vertical):
    """The scores of what the model wrote at one mode."""

    def __init__(self) -> None:
        super().__init__()
        self.found: RunAnalysis | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="scores"):
            yield Static(id="score-words")

    def say(self, words: str) -> None:
        """Show words in place of a result."""
        self.query_one("#score-words", Static).update(plain(words, "$foreground-muted"))

    def show(self, found: "RunAnalysis") -> None:
        """Show what was found."""
        self.found = found
        rows = []
        for mode, written in found.by_mode.items():
            rows.append(plain(f"{len(written.text):,} characters written at mode {mode}", "bold"))
            if written.analysis.quality is not None:
                rows += [plain(f"{one.value:4.0f}  {one.name}") for one in written.analysis.quality.scores]
        self.query_one("#score-words", Static).update(lines(rows))
