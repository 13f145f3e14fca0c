"""A progress bar of one line that fits the terminal, however narrow it is."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from data.safe_text import safe_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_REDRAW_INTERVAL_S = 0.15
_BAR_WIDTH = 6  # cells, at least
_MARGIN = 5  # cells that stay free for the "^C" that a terminal shows twice: a wrapped line would remain


class ProgressBar:
    """Draws `stage ━━━━━━ 40% details` in the last line of a terminal. Other output goes above it."""

    def __init__(self, console: "Console") -> None:
        from rich.live import Live

        self._console = console
        self._line: Any = ""
        self._drawn_at = 0.0
        # Events redraw the bar. A thread for this would slow the training down.
        self._live = Live(
            get_renderable=lambda: self._line,
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
        )

    def start(self) -> None:
        """Begin to draw."""
        self._live.start()

    def stop(self) -> None:
        """Remove the bar from the screen."""
        with suppress(OSError):  # the terminal may have hung up
            self._live.stop()

    def draw(self, stage: str, done: int, total: int, details: Sequence[tuple[int, str]] = ()) -> None:
        """Draw the bar, unless it was drawn just now. `total` is 0 if it is not known.

        `details` are texts with their importance; where the terminal is too narrow for all, those of the
        lowest importance are left out.
        """
        now = time.monotonic()
        if now - self._drawn_at < _REDRAW_INTERVAL_S and done < total:
            return
        self._drawn_at = now
        self._line = bar_line(safe_text(stage), done, total, details, self._console)
        self._live.refresh()


def bar_line(
    stage: str, done: int, total: int, details: Sequence[tuple[int, str]], console: "Console"
) -> "Text":
    """The line, at most as wide as the console less a margin."""
    from rich.text import Text

    percent = f" {100 * done / total:3.0f}%" if total else ""
    room = max(_BAR_WIDTH, console.width - _MARGIN - len(stage) - 1 - len(percent))
    shown = list(details)
    while shown and len(_joined(shown)) > room - _BAR_WIDTH:
        shown.remove(min(shown))
    line = Text(f"{stage} ", no_wrap=True, overflow="crop", end="")
    if total:
        width = room - len(_joined(shown))
        filled = round(width * min(1.0, done / total))
        full, empty = ("━", "━") if console.encoding.startswith("utf") else ("#", "-")
        line.append(full * filled, style="bar.complete")
        line.append(empty * (width - filled), style="bar.back")
    line.append(percent)
    line.append(_joined(shown))
    line.truncate(max(1, console.width - _MARGIN))
    return line


def _joined(details: Sequence[tuple[int, str]]) -> str:
    return "".join(f"  {text}" for _, text in details)
