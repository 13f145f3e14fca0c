"""Learning problems: batches that never repeat, and how many held-out problems are answered."""

import math
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from data.loader import IGNORED
from data.problems.problem import ANSWER_MARK, ProblemTask, held_out_problems
from data.problems.sampler import ProblemSampler
from data.tokenizer import Tokenizer
from models.config import TrainingConfig
from models.depth import Depth, effective_depth, is_trained
from models.evaluation.modes import modes_by_importance
from models.evaluation.problems import ProblemScores, ProblemSets, problem_sets, score_problems
from models.generation.problem_solver import write_answer
from models.layers.compilation import uncompiled
from models.recursive_lm import RecursiveLM
from models.runs.datasets import Dataset, with_losses
from models.runs.evaluation import Evaluation
from models.runs.events import Event, RunFinished, SampleGenerated
from models.runs.problems import load_problems
from models.runs.run import Run
from models.runs.run_config import Calibration, RunConfig
from models.runs.tokenizer import load_run_tokenizer
from models.training.calibrate import calibrate
from models.training.control import until_paused
from models.training.length import Length
from models.training.pieces import TokenPiece
from models.training.reports import evaluation_finished, run_finished
from models.training.session import Session
from models.training.tasks import BatchLoss, shallow_then_sampled
from models.training.time_budget import TimeBudget

CHOOSING = 64
"""Problems of each difficulty that an evaluation on the way answers: they choose the best weights."""
CHOOSING_SEED, FINAL_SEED = 0, 1
FINAL = 512
"""Problems of each difficulty that the last evaluation answers at every mode; fewer where time is short."""
FEWEST = 64
"""Problems of each difficulty that it answers in any case."""


@dataclass(slots=True)
class ProblemTrainingTask:
    """Problems to learn, and problems held out."""

    problems: ProblemTask
    tokenizer: Tokenizer
    sampler: ProblemSampler
    datasets: list[Dataset]
    characters_per_token: float = 1.0

    @property
    def train_tokens(self) -> int:
        """Of one epoch."""
        return self.sampler.blocks_per_epoch * self.sampler.context_length

    @property
    def validation_tokens(self) -> int:
        return FINAL * sum(map(self.problems.longest, self.problems.measured))

    def calibrate(
        self, model: RecursiveLM, config: TrainingConfig, threads: int, length: Length
    ) -> Generator[Event, None, Calibration]:
        tokens = self.sampler.batch(0, config.batch_size)[:, 0]  # (B, T)
        blocks = torch.from_numpy(np.pad(tokens, ((0, 0), (0, 1))))  # (B, T + 1)
        return (yield from calibrate(model, blocks, config, threads, length))

    def depth_at(self, session: Session, step: int) -> Depth:
        return shallow_then_sampled(session, step)

    def backward(self, session: Session, depth: Depth) -> BatchLoss:
        batch = self.sampler.batch(session.counters.position, session.config.batch_size)  # (B, 2, T)
        labels, rows = int((batch[:, 1] != IGNORED).sum()), session.team.rows(len(batch))
        found = session.gradients([TokenPiece(batch[part], labels, depth) for part in rows])
        return BatchLoss(found[0].loss, found[0].passes, len(batch))

    def begin(self, session: Session) -> Generator[Event, None, bool]:
        yield from ()
        return True

    def evaluate(self, session: Session) -> Iterator[Event]:
        counters, sample = session.counters, None
        with session.evaluating() as model, uncompiled(session.calibration.compiled):
            asked = problem_sets(self.problems, CHOOSING, CHOOSING_SEED)
            scoring = self._score(model, session, model.trained_depth, asked)
            scores = yield from until_paused(scoring, session.control)
            if scores is None:
                return
            if session.sample_due():
                sample = self._sample(session, model)
            best = session.keep_if_best(scores.loss)
        counters.last_evaluated = counters.step
        yield evaluation_finished(
            session,
            scores.loss,
            scores.loss / math.log(2),
            best=best,
            passes_per_token=_mean(scores.passes),
            accuracy=_by_text(scores.accuracy),
        )
        if sample is not None:
            yield sample
        session.end_if_good_enough(scores.loss)

    def sample(self, session: Session) -> Iterator[Event]:
        prompt = session.control.take_sample()
        with session.evaluating() as model, uncompiled(session.calibration.compiled):
            sample = self._sample(session, model, prompt)
        yield sample

    def after_step(self, session: Session, drawn: int) -> Iterator[Event]:
        return iter(())

    def finish(self, session: Session) -> Generator[Event, None, RunFinished]:
        """Answer held-out problems at every mode and at the trained depth; then write datasets.json and
        evaluation.json."""
        model, counters = session.load_best_weights(), session.counters
        by_mode, trained, each = yield from self._score_modes(session, model)
        content_hash = session.run_config.content_hash
        self.datasets = with_losses(
            self.datasets, {content_hash: trained.loss}, content_hash, counters.tokens_seen, counters.step
        )
        session.run.save_datasets(self.datasets)
        bits = trained.loss / math.log(2)
        losses = {mode: scores.loss for mode, scores in by_mode.items()}
        accuracy = {mode: _by_text(scores.accuracy) for mode, scores in by_mode.items()}
        session.run.save_evaluation(
            Evaluation(
                step=counters.best_step,
                after_steps=counters.step,
                validation_loss=trained.loss,
                validation_loss_by_mode=losses,
                extrapolated_modes=tuple(
                    mode for mode in losses if not is_trained(model, model.modes()[mode])
                ),
                bits_per_byte=bits,
                passes_per_token=_mean(trained.passes),
                number_format=session.calibration.number_format,
                accuracy_by_mode=accuracy,
                passes_by_mode={mode: _by_text(scores.passes) for mode, scores in by_mode.items()},
                problems_each=each,
                trained_difficulty=self.problems.most,
            )
        )
        finished = run_finished(
            session,
            trained.loss,
            bits,
            by_mode=losses,
            passes_per_token=_mean(trained.passes),
            accuracy_by_mode=accuracy,
        )
        yield finished
        return finished

    def _score_modes(
        self, session: Session, model: RecursiveLM
    ) -> Generator[Event, None, tuple[dict[str, ProblemScores], ProblemScores, int]]:
        """The scores at every mode for which there is time, in the order of the modes, and at the trained
        depth; and how many problems of each difficulty they are of."""
        budget = session.time_budget
        final_s = budget.final_evaluation_s(session.elapsed_s)
        left_s = math.inf if budget.deadline is None else budget.left_s(session.control.now())
        ends = time.monotonic() + min(final_s, left_s)
        each = self._final_each(budget, final_s)
        asked, found = problem_sets(self.problems, each, FINAL_SEED), dict[str, ProblemScores]()
        with uncompiled(session.calibration.compiled):
            for mode, depth in modes_by_importance(model):
                if found and not is_trained(model, depth) and time.monotonic() > ends:
                    continue
                found[mode] = yield from self._score(model, session, depth, asked)
        depths = {mode: effective_depth(model, depth) for mode, depth in model.modes().items()}
        by_mode = {mode: found[mode] for mode in depths if mode in found}
        trained_depth = effective_depth(model, model.trained_depth)
        trained = next((by_mode[mode] for mode in by_mode if depths[mode] == trained_depth), None)
        if trained is None:
            trained = yield from self._score(model, session, model.trained_depth, asked)
        return by_mode, trained, each

    def reserve_s(self, budget: TimeBudget, progress: float, left_s: float) -> float:
        """Evaluations on the way, and the last one at every mode."""
        calls = budget.model.attention_calls(budget.model.trained_depth)
        on_the_way_s = budget.config.evaluations * self._scoring_s(budget, CHOOSING, calls)
        each = self._final_each(budget, budget.final_evaluation_s())
        final_s = self._scoring_s(budget, each, self._modes_calls(budget.model))
        return final_s + budget.on_the_way_s(on_the_way_s, progress, left_s) + budget.end_s()

    def max_step(self, config: TrainingConfig) -> int | None:
        return None

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        pass

    def _score(
        self, model: RecursiveLM, session: Session, depth: Depth, asked: ProblemSets
    ) -> Generator[Event, None, ProblemScores]:
        return score_problems(
            model,
            self.tokenizer,
            asked,
            self.problems.most,
            depth,
            session.calibration.number_format,
            step=session.counters.step,
            spread=session.team,
        )

    def _sample(self, session: Session, model: RecursiveLM, prompt: str = "") -> SampleGenerated:
        """A held-out problem of the greatest difficulty in training, or `prompt`, with the model's answer."""
        step = session.counters.step
        if not prompt:
            prompt = held_out_problems(self.problems, self.problems.most, 1, seed=step)[0].given
        prompt = prompt.removesuffix(ANSWER_MARK) + ANSWER_MARK
        work = partial(write_answer, tokenizer=self.tokenizer, depth=model.trained_depth)
        return SampleGenerated(step=step, prompt=prompt, text=session.team.once(work, model, prompt))

    def _final_each(self, budget: TimeBudget, final_s: float) -> int:
        """Problems of every difficulty that the last evaluation answers in `final_s` seconds, and FEWEST in
        any case."""
        whole_s = self._scoring_s(budget, FINAL, self._modes_calls(budget.model))
        return FINAL if whole_s <= final_s else max(FEWEST, int(FINAL * final_s / whole_s))

    def _scoring_s(self, budget: TimeBudget, each: int, calls: int) -> float:
        """Seconds that `each` problems of every difficulty take, at so many attention calls a token."""
        tokens = each * sum(map(self.problems.longest, self.problems.measured))
        return tokens * calls * budget.call_token_s()

    def _modes_calls(self, model: RecursiveLM) -> int:
        return sum(model.attention_calls(depth) for depth in model.modes().values())


def open_task(
    run: Run, config: RunConfig, training: TrainingConfig, layout: RecursiveLM, device: torch.device
) -> Generator[Event, None, tuple[ProblemTrainingTask, RunConfig]]:
    """The problems of a run. Raises as `load_problems`."""
    yield from ()
    problems = load_problems(run, config, layout.config.context_length)
    tokenizer = load_run_tokenizer(run, config, layout.config.vocab_size)[0]
    sampler = ProblemSampler(
        problems,
        tokenizer,
        training.seed,
        answers_only=training.loss_on == "answers",
        easy_first=training.easy_first,
    )
    return ProblemTrainingTask(problems, tokenizer, sampler, run.datasets(config)), config


def _by_text(figures: Mapping[int, float]) -> dict[str, float]:
    return {str(difficulty): figure for difficulty, figure in figures.items()}


def _mean(figures: Mapping[int, float]) -> float:
    return sum(figures.values()) / len(figures)
