"""One line about a work: a bar and what it is at, or what can be started."""

from textual.widgets import Static

from tui.content import joined

_BAR = 20  # cells, at most


class WorkLine(Static):
    """Shows progress while something is measured, and words at other times."""

    def progress(self, stage: str, share: float | None) -> None:
        """Show what the work is at. `share` is from 0 to 1; None where it is not known."""
        words = f"{stage} …" if share is None else f"{share:.0%} {stage}"
        parts: list[tuple[str, str] | str] = []
        if share is not None:
            width = max(4, min(_BAR, self.size.width - len(words) - 14))
            full = round(share * width)
            parts = [("━" * full, "$success"), ("─" * (width - full), "$panel"), " "]
        self.update(joined(*parts, words, ("   Esc stops it", "$foreground-muted")))

    def say(self, *parts: tuple[str, str] | str) -> None:
        """Show words."""
        self.update(joined(*parts))
