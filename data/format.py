"""Numbers, sizes and times as text for people."""

import math
import time
from collections.abc import Mapping

from data.wording import counted

_LONGEST = 1e12
"""Seconds of a duration."""
_LARGEST_LOSS = 1e6


def format_count(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


def format_short_count(number: float) -> str:
    """1234567 as 1.2M, with at most three digits. A dash if it is not finite."""
    if not math.isfinite(number):
        return "-"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.0f}{letter}" if scaled >= 100 else f"{scaled:.1f}{letter}"
    return f"{number:.0f}"


def format_duration(seconds: float) -> str:
    """Seconds, as 0:07, 12:34 or 1:02:03."""
    if not math.isfinite(seconds) or seconds > _LONGEST:
        return "unknown time"
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def format_clock(moment: float, now: float | None = None) -> str:
    """A time in seconds since the epoch, as 14:32 in local time; with the day if it is not today. A dash
    where no calendar has it."""
    at, today = _local(moment), _local(time.time() if now is None else now)
    if at is None or today is None:
        return "-"
    is_today = (at.tm_year, at.tm_yday) == (today.tm_year, today.tm_yday)
    return time.strftime("%H:%M" if is_today else "%a %H:%M", at)


def format_clock_seconds(moment: float) -> str:
    """A time in seconds since the epoch, as 14:32:07 in local time. Dashes where no calendar has it."""
    at = _local(moment)
    return "--:--:--" if at is None else time.strftime("%H:%M:%S", at)


def _local(moment: float) -> time.struct_time | None:
    try:
        return time.localtime(moment)
    except (ValueError, OverflowError, OSError):
        return None


def format_age(then: float, now: float | None = None) -> str:
    """A time in seconds since the epoch, as 5 minutes ago. A dash for 0, where it is not known."""
    if then <= 0:
        return "-"
    elapsed = max(0.0, (time.time() if now is None else now) - then)
    for scale, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if elapsed >= scale:
            return f"{counted(int(elapsed // scale), unit)} ago"
    return "just now"


def format_loss(value: float | None) -> str:
    """Nats per token with four decimals, and three digits of a very large one. A dash if there is none."""
    if value is None or value != value:
        return "-"
    return f"{value:.4f}" if abs(value) < _LARGEST_LOSS else f"{value:.2e}"


def format_accuracy(accuracy: Mapping[str, float]) -> str:
    """Shares of right answers, from 0 to 1, by difficulty: "4: 100 %  8: 71.5 %"."""
    return "  ".join(f"{difficulty}: {100 * share:.3g} %" for difficulty, share in accuracy.items())


def format_puzzle_scores(exact: float, cells: float, steps: float, grids: str = "grids") -> str:
    """Shares of solved `grids`, as they are called, and of right cells, from 0 to 1, and the mean number of
    steps."""
    return f"{100 * exact:.1f} % of the {grids}, {100 * cells:.1f} % of the cells, {steps:.2f} steps"
