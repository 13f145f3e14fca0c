"""Measures the losses of evaluation.json again.

All of the held-out text is read where the time allows. Else batches from all over it are read, and the
allowed difference grows by their standard errors.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.loader import IGNORED
from data.problems.problem import ProblemTask
from data.progress import result_of
from data.puzzles import PuzzleSet
from data.tokenizer import Tokenizer
from data.wording import percent
from models.analysis.soundness.result import CheckResult
from models.architectures.puzzle_model import PuzzleModel
from models.depth import MODES, Depth
from models.device import computes_bfloat16
from models.evaluation.loss import batch_losses, evaluation_windows, rows_per_batch
from models.evaluation.parts import HeldOutPart, limit_of_reading, most_of, tokens_read
from models.evaluation.problems import problem_sets, score_problems
from models.evaluation.puzzles import part_of, score
from models.recursive_lm import RecursiveLM
from models.runs.evaluation import Evaluation, PuzzleEvaluation
from models.training.problems.task import FEWEST, FINAL, FINAL_SEED

TOLERANCE = 1e-3
"""Nats that two measurements in float32 differ by at most, on whatever machine."""
TOLERANCE_OF_HALF = 2e-2
"""The same where one of them is in bfloat16 or float16."""
STANDARD_ERRORS = 4
"""A sample may be this many standard errors away from the whole."""
_PARTS, _FEWEST_PARTS = 32, 8
"""The number of parts that the held-out data are read in, and the number that is read in any case."""
_PUZZLES = 16


@dataclass(frozen=True, slots=True)
class Measured:
    """A mean loss over `read` of `total` tokens or puzzles, and its standard error."""

    loss: float
    error: float
    read: int
    total: int

    def against(self, recorded: float, tolerance: float, mode: str | None = None) -> CheckResult:
        """This loss against the `recorded` one, of the same `total`."""
        limit = tolerance + STANDARD_ERRORS * self.error
        difference = abs(self.loss - recorded)
        part = f", {percent(self.read / self.total)} read" if self.read < self.total else ""
        return CheckResult(
            check="loss",
            mode=mode,
            verdict="sound" if difference <= limit else "not sound",
            found=f"recorded {recorded:.4f}, measured {self.loss:.4f} (± {limit:.2g}{part})",
            value=difference,
            limit=limit,
            advice="" if difference <= limit else "The weights, the text or evaluation.json were changed.",
        )


def check_losses(
    model: RecursiveLM, evaluation: Evaluation, parts: Sequence[HeldOutPart], time_limit_s: float
) -> Iterator[CheckResult]:
    """The recorded loss at each mode against that on the held-out `parts`, one result for each mode.

    Together they take about `time_limit_s` seconds.
    """
    number_format, tolerance = _format_and_tolerance(model, evaluation.number_format)
    recorded = dict(evaluation.validation_loss_by_mode) or {"normal": evaluation.validation_loss}
    ends, began = len(recorded), time.monotonic()
    for number, (mode, loss) in enumerate(recorded.items(), start=1):
        if mode not in MODES:
            continue
        deadline = began + time_limit_s * number / ends
        found = measure(model, parts, MODES[mode], number_format, evaluation.tokens_read, deadline)
        yield found.against(loss, tolerance, mode)


def check_problem_losses(
    model: RecursiveLM, evaluation: Evaluation, task: ProblemTask, tokenizer: Tokenizer
) -> Iterator[CheckResult]:
    """The recorded loss at each mode against that on the same held-out problems, one result for each mode."""
    number_format, tolerance = _format_and_tolerance(model, evaluation.number_format)
    problems = problem_sets(task, min(evaluation.problems_each or FEWEST, FINAL), FINAL_SEED)
    for mode, loss in evaluation.validation_loss_by_mode.items():
        if mode in MODES:
            scoring = score_problems(model, tokenizer, problems, task.most, MODES[mode], number_format)
            scores = result_of(scoring)
            yield Measured(scores.loss, 0.0, scores.read, scores.read).against(loss, tolerance, mode)


def check_puzzle_loss(
    model: PuzzleModel, evaluation: PuzzleEvaluation, puzzles: PuzzleSet, time_limit_s: float
) -> CheckResult:
    """The recorded loss against that on `puzzles`, those that it was measured on."""
    number_format, tolerance = _format_and_tolerance(model, evaluation.number_format)
    deadline, total = time.monotonic() + time_limit_s, len(puzzles)
    losses, cells, read = list[float](), list[int](), 0
    while read < total and (len(losses) < _FEWEST_PARTS or time.monotonic() < deadline):
        part = part_of(puzzles, read, _PUZZLES)
        losses.append(result_of(score(model, part, evaluation.max_steps, number_format)).loss)
        cells.append(int(part.kind.asked(part.puzzles).sum()))
        read += len(part)
    loss, error = _mean(losses, cells, read / total)
    return Measured(loss, error, read, total).against(evaluation.validation_loss, tolerance)


def measure(
    model: RecursiveLM,
    parts: Sequence[HeldOutPart],
    depth: Depth,
    number_format: str,
    tokens_read: int | None,
    deadline: float,
) -> Measured:
    """The mean loss of `parts` in their shares over the windows that an evaluation of them read.

    Over every n-th batch of these where all would take longer than until `deadline`, on the clock of
    time.monotonic().

    `tokens_read` is the number of tokens that the evaluation read; None where it read all.
    """
    max_tokens = limit_of_reading(parts, model.config.context_length, tokens_read)
    found = []
    for number, part in enumerate(parts):
        now = time.monotonic()
        until = now + (deadline - now) / (len(parts) - number)
        found.append(_measure_part(model, part, depth, number_format, most_of(part, max_tokens), until))
    return Measured(
        loss=sum(part.share * one.loss for part, one in zip(parts, found, strict=True)),
        error=math.hypot(*(part.share * one.error for part, one in zip(parts, found, strict=True))),
        read=sum(one.read for one in found),
        total=sum(one.total for one in found),
    )


def _measure_part(
    model: RecursiveLM,
    part: HeldOutPart,
    depth: Depth,
    number_format: str,
    max_tokens: int | None,
    deadline: float,
) -> Measured:
    length, within = model.config.context_length, part.within_documents
    n_windows = evaluation_windows(part.tokens, length, 1, max_tokens)[0]
    rows = max(1, min(rows_per_batch(model), n_windows // _PARTS))
    batches = math.ceil(n_windows / rows)
    _, windows = evaluation_windows(part.tokens, length, rows, max_tokens, within_documents=within)

    def total_loss(inputs: np.ndarray, targets: np.ndarray) -> float:
        found = batch_losses(model, inputs, targets, [depth], number_format, within_documents=within)
        return found[0][0]

    stride, losses, counts = 1, list[float](), list[int]()
    for number, (inputs, targets) in enumerate(windows):
        if number % stride:
            continue
        count = int((targets != IGNORED).sum())
        losses.append(total_loss(inputs, targets) / max(1, count))  # nothing may be asked for in a batch
        counts.append(count)
        if number == 0:  # the first call of a process is slow, so a second one is timed
            began = time.monotonic()
            total_loss(inputs, targets)
            fitting = max(_FEWEST_PARTS, (deadline - began) / max(1e-9, time.monotonic() - began))
            stride = max(1, math.ceil(batches / fitting))
    share, total = len(losses) / batches, tokens_read([part], length, max_tokens)
    return Measured(*_mean(losses, counts, share), round(share * total), total)


def _mean(losses: list[float], counts: list[int], share: float) -> tuple[float, float]:
    """The mean of the `losses` of parts with these `counts`, and its standard error as an estimate of the
    mean over everything. `share` is how much of everything was read, 0 to 1."""
    mean = float(np.average(losses, weights=counts))
    spread = float(np.std(losses, ddof=1)) if len(losses) > 1 else 0.0
    return mean, spread / math.sqrt(len(losses)) * math.sqrt(max(0.0, 1 - share))


def _format_and_tolerance(model: RecursiveLM, recorded: str | None) -> tuple[str, float]:
    """The number format to measure in, that of the record if this device has it, and the tolerance."""
    if recorded in (None, "float32"):
        return "float32", TOLERANCE
    device = next(model.parameters()).device
    is_here = device.type == "cuda" if recorded == "float16" else computes_bfloat16(device)
    return str(recorded) if is_here else "float32", TOLERANCE_OF_HALF
