"""A text inside the model: every pass, every token, other depths, and the parts of the recursion."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Label, Static

from data.wording import counted
from models.analysis.trace_tables import ablation_table, pass_table, setting_table, tokens_by_passes
from tui.content import joined, lines, plain
from tui.widgets.table_text import TableText

if TYPE_CHECKING:
    from models.analysis.trace import TextTrace

COLORS = ("$primary", "$success", "$accent", "$warning", "$error")
"""Of tokens, from the fewest passes to the most, or from the least surprise to the greatest."""


class TraceView(Vertical):
    """The text to trace, and what was found of it. Enter in the text starts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: TextTrace | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="prompt"):
            yield Label("text")
            yield Input(id="text", placeholder="a text to trace", compact=True)
        with VerticalScroll(id="traced"):
            yield Static(id="trace-words")
            yield TableText("passes")
            yield Static(id="tokens")
            yield TableText("settings")
            yield TableText("ablations")

    @property
    def text(self) -> str:
        return self.query_one("#text", Input).value

    def suggest(self, text: str) -> None:
        """Fill in a text, where nobody has written one."""
        if not self.text:
            self.query_one("#text", Input).value = text

    def say(self, words: str) -> None:
        """Show words in place of a result."""
        self.query_one("#trace-words", Static).update(plain(words, "$foreground-muted"))

    def show(self, found: "TextTrace") -> None:
        """Show what was found."""
        self.found = found
        cut = f"The first {found.cut_tokens:,} tokens do not fit the context and are left out.\n"
        self.query_one("#trace-words", Static).update(plain(cut if found.cut_tokens else "", "$warning"))
        self.query_one("#trace-words").display = bool(found.cut_tokens)
        self.query_one("#passes", TableText).show(
            pass_table(found), f"Passes at depth {found.depth}, in the order they run"
        )
        self.query_one("#tokens", Static).update(_tokens(found))
        self.query_one("#settings", TableText).show(setting_table(found), "The same text at other depths")
        self.query_one("#ablations", TableText).show(
            ablation_table(found), f"What each part is worth at depth {found.depth}, in nats per token"
        )


def _tokens(found: "TextTrace") -> Content:
    """The text, each token in the colour of its passes."""
    if not found.routed:
        return plain(f"\nEvery token takes {counted(found.tokens[0].passes, 'recursion')}.\n")
    by_passes = tokens_by_passes(found)
    low, high = min(by_passes), max(by_passes)

    def color(passes: float) -> str:
        return COLORS[round((passes - low) / (high - low) * (len(COLORS) - 1))]

    text = joined(*((token.text, color(token.passes)) for token in found.tokens))
    counts = [
        plain(f"  {passes:g} recursions: {count} of {len(found.tokens)} tokens", color(passes))
        for passes, count in by_passes.items()
    ]
    return lines([plain(""), plain("Recursions of each token", "bold"), text, *counts, plain("")])
