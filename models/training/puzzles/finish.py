"""The end of a puzzle training: the kept weights judged on all puzzles held out, and how far thinking
longer carries."""

import copy
import math
import time
from collections import Counter
from collections.abc import Generator
from typing import TypeVar

from data.sudoku_solver import search_nodes
from models.architectures.puzzle_model import PuzzleModel
from models.evaluation.puzzles import exact_by_step, judged_of, rank_correlation, score, some_of
from models.runs.checkpoint import load_weights
from models.runs.events import EvaluationAdvanced, Event, RunFinished
from models.training.compilation import eager
from models.training.corpora import note_losses
from models.training.open import Opened
from models.training.puzzles.time_budget import CURVE, EVALUATED, LONGER, PuzzlePace

LOSS_SHARE = 1e-3
"""What the loss weighs against the share of grids that are not right, where the best weights are chosen."""

MOST_NODES = 20_000
"""At which the plain solver stops measuring how hard a puzzle is, and counts it as that hard: so the
measuring takes seconds, however hard the puzzles are. Of hard 9×9 puzzles, a fifth get there."""

Outcome = TypeVar("Outcome")


def finish_puzzles(opened: Opened, reason: str, elapsed_s: float) -> Generator[Event, None, None]:
    """Judge the kept weights, write datasets.json and evaluation.json, and end with RunFinished.

    As with text, evaluation.json is what says that the run is judged.
    """
    session, counters = opened.session, opened.session.counters
    assert opened.puzzles is not None and isinstance(opened.pace, PuzzlePace)
    began, held_out = time.monotonic(), opened.puzzles.puzzles
    puzzles = judged_of(held_out, EVALUATED)
    weights, _ = load_weights(opened.run.weights_path)
    model = copy.deepcopy(session.model)
    assert isinstance(model, PuzzleModel)
    model.load_state_dict(weights)
    number_format, most = session.measured.number_format, 2 * model.config.supervision_steps
    # Thinking long about a few shows as much as about many, and has to be done in the time left.
    fitting = opened.pace.judging_s() / (LONGER * model.config.supervision_steps * opened.pace.thought_s())
    some = some_of(puzzles, min(CURVE, max(20, int(fitting))))
    with eager(session.measured.compiled):
        scores = yield from _told(score(model, puzzles, most, number_format), counters.step)
        steps = steps_to(LONGER * model.config.supervision_steps)
        by_step = yield from _told(exact_by_step(model, some, steps, number_format), counters.step)
    difficulty = [search_nodes(puzzle, MOST_NODES) for puzzle in some.puzzles]
    correlation = rank_correlation(scores.exit_steps[: len(difficulty)], difficulty)
    evaluation = {
        "step": counters.best_step,
        "after_steps": counters.step,
        "validation_loss": scores.loss,
        "exact_accuracy": scores.exact_accuracy,
        "cell_accuracy": scores.cell_accuracy,
        "mean_exit_step": scores.mean_exit_step,
        "puzzles": len(puzzles),
        "chosen_by_others": len(puzzles) < len(held_out),
        "max_steps": most,
        "exit_steps": {str(step): count for step, count in sorted(Counter(scores.exit_steps).items())},
        "exit_and_difficulty": None if math.isnan(correlation) else correlation,
        "exact_accuracy_by_steps": {str(step): share for step, share in by_step.items()},
        "puzzles_by_steps": len(some),
        "number_format": number_format,
    }
    note_losses(opened, opened.train_tokens, {opened.config["data"]["content_hash"]: scores.loss})
    opened.run.write_json("evaluation.json", evaluation)
    yield RunFinished(
        run=opened.run.name,
        reason=reason,
        step=counters.step,
        best_step=counters.best_step,
        validation_loss=scores.loss,
        validation_loss_by_mode={},
        perplexity=math.exp(min(scores.loss, 700.0)),
        bits_per_byte=bits_per_cell(scores.loss),
        parameters=session.model.parameter_counts()[0],
        tokens_seen=counters.tokens_seen,
        tokens_per_second=counters.tokens_seen / max(1e-9, counters.elapsed_s),
        elapsed_s=elapsed_s + time.monotonic() - began,
        path=str(opened.run.path),
        exact_accuracy=scores.exact_accuracy,
        cell_accuracy=scores.cell_accuracy,
        mean_exit_step=scores.mean_exit_step,
    )


def steps_to(most: int) -> list[int]:
    """1, 2, 4, … and `most`."""
    return [*(2**power for power in range(most.bit_length()) if 2**power < most), most]


def bits_per_cell(loss: float) -> float:
    """Nats per blank cell as bits; a cell of a puzzle file is one byte."""
    return loss / math.log(2)


def _told(
    work: Generator[tuple[int, int], None, Outcome], step: int
) -> Generator[EvaluationAdvanced, None, Outcome]:
    while True:
        try:
            done, total = next(work)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        yield EvaluationAdvanced(step=step, done=done, total=total)
