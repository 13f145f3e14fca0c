"""A run's figures in words, for the dashboard. Needs neither torch nor textual."""

import math
import time
from collections.abc import Iterator

from data.format import format_clock, format_count, format_duration, format_loss, format_short_count
from data.wording import counted, percent
from models.runs.events import PreparationAdvanced
from tui.run_feed import Progress, RunView

Row = tuple[str, str]
_BAR = 24
"""Cells of the longest bar of a histogram."""


def figures(view: RunView) -> list[Row]:
    """Names and values, the most important first. What is not known is left out."""
    rows: list[Row] = []
    if (loss := view.smoothed_loss) is not None:
        rows.append(("train", format_loss(loss)))
    if view.evaluations:
        last = view.evaluations[-1]
        rows.append(("validation", format_loss(last.validation_loss)))
        if last.exact_accuracy is not None:
            rows.append(("solved", f"{100 * last.exact_accuracy:.1f} %"))
        for difficulty, right in (last.accuracy or {}).items():
            rows.append((f"right at {difficulty}", f"{100 * right:.1f} %"))
    if view.best is not None:
        loss, step_of_best = view.best.validation_loss, view.best.step
        if view.finished is not None:  # the best weights were measured once more, as `rlm ls` has it
            loss, step_of_best = view.finished.validation_loss, view.finished.best_step
        rows.append(("best", f"{format_loss(loss)} at {format_count(step_of_best)}"))
    if (step := view.last_step) is not None:
        rows.append(("rate", f"{step.learning_rate:.2e}"))
        rows.append(("gradient", f"{step.gradient_norm:.3f}"))
        rows.append(("tokens/s", format_short_count(step.tokens_per_second)))
        if view.started is not None and step.slowest_process is not None:
            rows.append(("processes", f"{view.started.processes}, number {step.slowest_process} slowest"))
        rows.append(("seen", f"{format_short_count(step.tokens_seen)} tokens"))
        elapsed_s = step.elapsed_s if view.finished is None else view.finished.elapsed_s
        rows.append(("trained", format_duration(elapsed_s)))
        if step.passes_per_token is not None:
            rows.append(("passes", f"{step.passes_per_token:.2f} per token"))
    rows += _happenings(view)
    return rows


def _happenings(view: RunView) -> Iterator[Row]:
    """The newest checkpoint, and how often each thing happened that a chart marks."""
    if view.checkpoint is not None:
        yield "saved", f"step {format_count(view.checkpoint.step)} ({view.checkpoint.reason})"
    for kind, count in view.counts.items():
        last = next(one for one in reversed(view.happenings) if one.kind == kind)
        times = counted(count, "step" if kind == "left out" else "time")
        yield kind, f"{times}, last at {format_count(last.step)}"


def passes_histogram(view: RunView) -> list[Row]:
    """The share of the tokens by the passes that they took, once the training has ended."""
    counts = view.evaluation.passes_histogram if view.evaluation is not None else {}
    total = max(1, sum(counts.values()))
    return [
        (f"{passes} {'pass' if passes == '1' else 'passes'}", _bar(count / total))
        for passes, count in counts.items()
    ]


def _bar(share: float) -> str:
    return f"{'█' * round(_BAR * share)} {percent(share)}".lstrip()


def losses_by_mode(view: RunView) -> list[Row]:
    """The measured validation loss at each mode, once the training has ended."""
    if view.finished is None:
        return []
    return [(mode, format_loss(loss)) for mode, loss in view.finished.validation_loss_by_mode.items()]


def progress_words(view: RunView, now: float | None = None, *, short: bool = False) -> str:
    """How far the training is, and when it will end. `short`: only one of both."""
    now = time.time() if now is None else now
    total = f" of {format_count(view.total_steps)}" if view.total_steps else ""
    words = f"step {format_count(view.step)}{total}"
    ends = view.ends_at
    if view.progress is not None or view.state == "preparing":
        stage = _stage(view.progress)
        return f"{words}, {stage}" if view.step and not short else stage
    if ends is None or not math.isfinite(ends):
        return words
    if short:
        return f"{format_duration(max(0.0, ends - now))} left"
    return f"{words}  {format_duration(max(0.0, ends - now))} left, until {format_clock(ends, now)}"


def _stage(progress: Progress | None) -> str:
    """What a training is at between two steps, and how much of that is done."""
    if progress is None:
        return "preparing"
    name = progress.stage if isinstance(progress, PreparationAdvanced) else "evaluating"
    return f"{name} {progress.done / progress.total:.0%}" if progress.total else name


def share(view: RunView) -> float:
    """How much of the training is done, from 0 to 1."""
    return min(1.0, view.step / view.total_steps) if view.total_steps else 0.0
