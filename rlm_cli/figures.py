"""Numbers as people read them."""

import math
import time

from models.wording import counted


def count(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


def short_count(number: float) -> str:
    """1234567 as 1.2M: three figures at most; a dash for what is not finite."""
    if not math.isfinite(number):
        return "-"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.0f}{letter}" if scaled >= 100 else f"{scaled:.1f}{letter}"
    return f"{number:.0f}"


def size(number: int) -> str:
    """Bytes, as 1.5 MB."""
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number} B"


def duration(seconds: float) -> str:
    """Seconds, as 0:07, 12:34 or 1:02:03."""
    if not math.isfinite(seconds):
        return "unknown time"
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def ago(then: float, now: float | None = None) -> str:
    """A moment in seconds since the epoch, as 5 minutes ago."""
    passed = max(0.0, (time.time() if now is None else now) - then)
    for scale, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= scale:
            return f"{counted(int(passed // scale), unit)} ago"
    return "just now"


def loss(value: float | None) -> str:
    """Nats per token, to four figures; a dash where there is none yet."""
    return "-" if value is None or value != value else f"{value:.4f}"


def solving(exact: float, cells: float, steps: float) -> str:
    """How well puzzles are solved: shares of whole grids and of blank cells, and mean steps."""
    return f"{100 * exact:.1f} % of the grids, {100 * cells:.1f} % of the cells, {steps:.2f} steps"
