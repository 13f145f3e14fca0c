"""Learning puzzles: one optimizer step for each supervision step, and how many puzzles are solved."""

import math
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from data.puzzles import PuzzleSet
from data.tokenizer import Tokenizer
from models.architectures.puzzle_model import PuzzleModel
from models.config import TrainingConfig
from models.depth import Depth
from models.errors import CheckpointError
from models.evaluation.puzzles import exact_by_steps, first_of, rank_correlation, score, without_first
from models.layers.compilation import uncompiled
from models.recursive_lm import RecursiveLM
from models.runs.datasets import Dataset, with_losses
from models.runs.evaluation import PuzzleEvaluation
from models.runs.events import Event, RunFinished
from models.runs.puzzles import load_puzzles
from models.runs.run import Run
from models.runs.run_config import Calibration, RunConfig
from models.training.control import until_paused
from models.training.learner import Learner
from models.training.length import Length
from models.training.puzzles.calibrate import calibrate_puzzles
from models.training.puzzles.carry import Carry
from models.training.puzzles.sampler import PuzzleSampler
from models.training.puzzles.step import next_pieces, take_over
from models.training.reports import evaluation_finished, run_finished
from models.training.session import Session
from models.training.tasks import BatchLoss
from models.training.time_budget import FINAL_EVALUATION_SHARE, FORWARD_SHARE, TimeBudget

EVALUATED = 256
"""Puzzles that an evaluation on the way answers at most."""
LONGER = 4
"""Times the supervision steps of training, up to which the last evaluation counts exact answers by steps."""
CURVE = 200
"""Puzzles that this curve is made from at most."""
USUAL_STEPS = 3
"""Steps that a puzzle takes on average, roughly: easy ones leave after the first."""
LOSS_WEIGHT = 1e-3
"""The weight of the loss beside the share of grids that are wrong, in choosing the best weights."""


@dataclass(slots=True)
class PuzzleTask:
    """Puzzles to learn, puzzles held out, and the batch of puzzles under way."""

    sampler: PuzzleSampler
    held_out: PuzzleSet
    carry: Carry
    train_tokens: int
    """Cells of the puzzles to learn from, and, below, of those held out."""
    validation_tokens: int
    tokenizer: Tokenizer | None = None
    characters_per_token: float = 1.0
    datasets: list[Dataset] = field(default_factory=list)

    def calibrate(
        self, model: RecursiveLM, config: TrainingConfig, threads: int, length: Length
    ) -> Generator[Event, None, Calibration]:
        assert isinstance(model, PuzzleModel)
        device, width = next(model.parameters()).device, model.config.d_model
        carry = Carry.empty(config.batch_size, model.config.context_length, width, device)

        def backward(learner: Learner, calibration: Calibration) -> None:
            assert isinstance(learner.model, PuzzleModel)
            _, (piece,) = next_pieces(
                learner.model, calibration.number_format, carry, self.sampler, 0, [slice(None)]
            )
            found = piece.accumulate(learner, calibration.micro_batch)
            take_over(carry, [found], learner.model.config.supervision_steps)

        return (yield from calibrate_puzzles(model, config, threads, backward))

    def depth_at(self, session: Session, step: int) -> Depth:
        return session.model.trained_depth

    def backward(self, session: Session, depth: Depth) -> BatchLoss:
        """One supervision step with all puzzles under way. The passes are the steps that they have had on
        average."""
        model, carry = session.model, self.carry
        assert isinstance(model, PuzzleModel)
        drawn, pieces = next_pieces(
            model,
            session.calibration.number_format,
            carry,
            self.sampler,
            session.counters.position,
            session.team.rows(len(carry.taken)),
        )
        found = session.gradients(pieces)
        take_over(carry, found, model.config.supervision_steps)
        return BatchLoss(found[0].loss, float(carry.taken.float().mean()), drawn)

    def begin(self, session: Session) -> Generator[Event, None, bool]:
        yield from ()
        return True

    def evaluate(self, session: Session) -> Iterator[Event]:
        counters = session.counters
        with session.evaluating() as model, uncompiled(session.calibration.compiled):
            assert isinstance(model, PuzzleModel)
            max_steps, puzzles = 2 * model.config.supervision_steps, first_of(self.held_out, EVALUATED)
            number_format = session.calibration.number_format
            scoring = score(model, puzzles, max_steps, number_format, step=counters.step, spread=session.team)
            scores = yield from until_paused(scoring, session.control)
            if scores is None:
                return
            # Whole grids count; among equals, the loss of each cell.
            wrong = 1 - scores.exact_accuracy
            best = session.keep_if_best(wrong + LOSS_WEIGHT * min(scores.loss, 10.0))
        counters.last_evaluated = counters.step
        yield evaluation_finished(
            session,
            scores.loss,
            bits_per_cell(scores.loss),
            best=best,
            exact_accuracy=scores.exact_accuracy,
            cell_accuracy=scores.cell_accuracy,
            mean_exit_step=scores.mean_exit_step,
        )
        session.end_if_good_enough(scores.loss)

    def sample(self, session: Session) -> Iterator[Event]:
        session.control.done("sample")
        yield from ()

    def after_step(self, session: Session, drawn: int) -> Iterator[Event]:
        return iter(())

    def finish(self, session: Session) -> Generator[Event, None, RunFinished]:
        """Answer the held-out puzzles that did not choose the weights, in as many steps as it takes and in
        fixed numbers of steps; then write datasets.json and evaluation.json."""
        model, counters = session.load_best_weights(), session.counters
        assert isinstance(model, PuzzleModel)
        number_format, trained_steps = session.calibration.number_format, model.config.supervision_steps
        puzzles, max_steps = without_first(self.held_out, EVALUATED), 2 * trained_steps
        curve = self._for_curve(puzzles, session.time_budget, trained_steps)
        with uncompiled(session.calibration.compiled):
            team, step = session.team, counters.step
            scores = yield from score(model, puzzles, max_steps, number_format, step=step, spread=team)
            steps = powers_of_two_to(LONGER * trained_steps)
            exact = yield from exact_by_steps(model, curve, steps, number_format, step=step, spread=team)
        correlation = _exit_and_difficulty(scores.exit_steps, curve)
        content_hash = session.run_config.content_hash
        datasets = with_losses(
            self.datasets, {content_hash: scores.loss}, content_hash, self.train_tokens, counters.step
        )
        session.run.save_datasets(datasets)
        session.run.save_evaluation(
            PuzzleEvaluation(
                step=counters.best_step,
                after_steps=counters.step,
                validation_loss=scores.loss,
                exact_accuracy=scores.exact_accuracy,
                cell_accuracy=scores.cell_accuracy,
                mean_exit_step=scores.mean_exit_step,
                puzzles=len(puzzles),
                chosen_by_others=len(puzzles) < len(self.held_out),
                max_steps=max_steps,
                exit_steps={str(step): count for step, count in sorted(Counter(scores.exit_steps).items())},
                exit_and_difficulty=correlation,
                exact_accuracy_by_steps={str(step): share for step, share in exact.items()},
                puzzles_by_steps=len(curve),
                number_format=number_format,
            )
        )
        finished = run_finished(
            session,
            scores.loss,
            bits_per_cell(scores.loss),
            by_mode={},
            exact_accuracy=scores.exact_accuracy,
            cell_accuracy=scores.cell_accuracy,
            mean_exit_step=scores.mean_exit_step,
        )
        yield finished
        return finished

    def reserve_s(self, budget: TimeBudget, progress: float, left_s: float) -> float:
        """Evaluations on the way, and the last one."""
        on_the_way_s = budget.config.evaluations * EVALUATED * USUAL_STEPS * _thought_s(budget)
        return budget.on_the_way_s(on_the_way_s, progress, left_s) + self._final_s(budget) + budget.end_s()

    def max_step(self, config: TrainingConfig) -> int | None:
        return None

    def tensors(self) -> dict[str, Tensor]:
        return self.carry.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self.carry.load(tensors)

    def _for_curve(self, puzzles: PuzzleSet, budget: TimeBudget, trained_steps: int) -> PuzzleSet:
        """The first of `puzzles`, as many as there is time for: each gets LONGER times `trained_steps`, and
        long thoughts about a few show as much as about many."""
        fitting = self._final_s(budget) / (LONGER * trained_steps * _thought_s(budget))
        return first_of(puzzles, min(CURVE, max(20, int(fitting))))

    def _final_s(self, budget: TimeBudget) -> float:
        """Seconds that the last evaluation may take, or all it needs where that is less."""
        assert isinstance(budget.model, PuzzleModel)
        held_out, steps = len(self.held_out), budget.model.config.supervision_steps
        needed = (held_out * USUAL_STEPS + min(CURVE, held_out) * LONGER * steps) * _thought_s(budget)
        return needed if budget.budget_s is None else min(needed, FINAL_EVALUATION_SHARE * budget.budget_s)


def powers_of_two_to(most: int) -> list[int]:
    """1, 2, 4, … and `most`."""
    return [*(2**power for power in range(most.bit_length()) if 2**power < most), most]


def _exit_and_difficulty(exit_steps: Sequence[int], puzzles: PuzzleSet) -> float | None:
    """The rank correlation of the steps after which `puzzles` left, the first of `exit_steps`, with their
    difficulty. None where that is not known, or the same for all."""
    difficulty = [puzzles.kind.difficulty(puzzle) for puzzle in puzzles.puzzles]
    known = [one for one in difficulty if one is not None]
    correlation = rank_correlation(exit_steps[: len(known)], known) if known else math.nan
    return None if math.isnan(correlation) else correlation


def bits_per_cell(loss: float) -> float:
    """Nats per cell as bits; a cell of a puzzle file is one byte."""
    return loss / math.log(2)


def _thought_s(budget: TimeBudget) -> float:
    """Seconds of one supervision step of one puzzle, forward only."""
    return FORWARD_SHARE * budget.calibration.deep_step_s * budget.slowdown / budget.config.batch_size


def open_task(
    run: Run, config: RunConfig, training: TrainingConfig, layout: RecursiveLM, device: torch.device
) -> Generator[Event, None, tuple[PuzzleTask, RunConfig]]:
    """The puzzles of a run. Raises CorpusError where they have changed, CheckpointError."""
    assert config.data is not None
    learned, held_out = yield from load_puzzles(run, config)
    cells, symbols = learned.cells, learned.kind.symbol_count(learned.cells)
    if not isinstance(layout, PuzzleModel) or (
        (layout.config.context_length, layout.config.vocab_size) != (cells, symbols)
    ):
        raise CheckpointError(
            f"The config.json of run '{run.name}' describes no model for its puzzles.",
            hint="Put the config.json back that it was trained with.",
        )
    task = PuzzleTask(
        sampler=PuzzleSampler(learned, training.seed, held_out),
        held_out=held_out,
        carry=Carry.empty(training.batch_size, cells, layout.config.d_model, device),
        train_tokens=len(learned) * cells,
        validation_tokens=len(held_out) * cells,
        datasets=run.datasets(config),
    )
    return task, config
