"""A puzzle that is being solved, in words and curves. Needs neither torch nor textual."""

from collections.abc import Callable

from data.wording import counted
from tui.puzzle_solve import PuzzleSolve
from tui.run_words import Row
from tui.sparkline import BLOCKS

_UNKNOWN = "·"


def figures(solve: PuzzleSolve, *, is_thinking: bool, short: bool = False) -> list[Row]:
    """Names and values of the step that is looked at, and then of the whole solve."""
    beyond = "" if short else f", {solve.trained_steps} in training"
    rows = [("step", f"{solve.at} of {solve.limit}{beyond}")]
    if solve.at:
        kind = solve.kind
        if solve.solution is not None:
            right = f"{solve.right_at(solve.at)} of {solve.asked}"
            rows.append(("right", right + ("" if short else f" {kind.cell_word}s")))
        rows.append(("sure", f"{100 * (solve.confidence or 0.0):.0f} %"))
        filled, changed = (kind.filled, solve.filled), ("changed", int(solve.changed.sum()))
        counts = [filled if solve.at == 1 else changed]
        if kind.has_conflicts:
            counts.append(("conflict", int(solve.in_conflict.sum())))
        rows += [(name, str(count) if short else counted(count, kind.cell_word)) for name, count in counts]
    else:
        rows += [(name, str(count)) for name, count in solve.kind.counts(solve.puzzle)]
    if solve.solution is not None or solve.kind.has_rules:
        rows.append(("solved", _when(solve.solved_at, solve, is_thinking, short=short)))
    rows.append(("stops", _when(solve.sure_at, solve, is_thinking, short=short)))
    return rows


def curves(solve: PuzzleSolve, width: int) -> tuple[int, str, str]:
    """The number of the first step shown, the share of right cells, and the confidence: a character for each
    step, in at most `width` of them around the step that is looked at."""
    first = max(1, min(solve.at - width // 2, solve.limit - width + 1))
    last = min(solve.limit, first + width - 1)
    asked, taken = solve.asked, solve.taken

    def curve(value: Callable[[int], float]) -> str:
        return "".join(
            BLOCKS[round(value(step) * (len(BLOCKS) - 1))] if step <= len(taken) else _UNKNOWN
            for step in range(first, last + 1)
        )

    return (
        first,
        curve(lambda step: solve.right_at(step) / asked if asked else 1.0),
        curve(lambda step: taken[step - 1].confidence),
    )


def _when(step: int | None, solve: PuzzleSolve, is_thinking: bool, *, short: bool) -> str:
    if step is not None:
        return f"at step {step}"
    if is_thinking:
        return "thinking …"
    return "no" if short else f"not in {counted(len(solve.taken), 'step')}"
