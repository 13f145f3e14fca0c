"""What a training on text does after its last step: evaluate the best weights and write what was found."""

import math
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from data.mixes.sampler import MixSampler
from models.evaluation.modes import ModeLosses, default_depth, evaluate_modes, trained_modes_cost_s
from models.evaluation.parts import tokens_of
from models.layers.compilation import uncompiled
from models.recursive_lm import RecursiveLM
from models.runs.datasets import by_label, with_losses
from models.runs.evaluation import Evaluation
from models.runs.events import CorporaMeasured, Event, RunFinished
from models.training.mix_sources import with_trained
from models.training.reports import run_finished
from models.training.time_budget import TimeBudget

if TYPE_CHECKING:
    from models.training.session import Session
    from models.training.text_task import TextTask


def finish_text(task: "TextTask", session: "Session") -> Generator[Event, None, RunFinished]:
    """Evaluate the best weights at every mode, write datasets.json, then evaluation.json."""
    model = session.load_best_weights()
    losses, reads_known = yield from _losses(task, session, model)
    bits = task.in_bits_per_byte(losses.default)
    known = yield from _measure_known_texts(task, session, model, losses, reads=reads_known)
    session.run.save_evaluation(
        Evaluation(
            step=session.counters.best_step,
            after_steps=session.counters.step,
            validation_loss=losses.default,
            validation_loss_by_mode=dict(losses.by_mode),
            validation_loss_by_source=task.by_source(losses.by_part),
            extrapolated_modes=losses.extrapolated,
            bits_per_byte=bits,
            validation_tokens=task.validation_tokens,
            tokens_read=losses.tokens,
            passes_per_token=losses.histogram.mean,
            passes_histogram=losses.histogram.counts(),
            number_format=session.calibration.number_format,
        )
    )
    if known is not None:
        yield known
    finished = run_finished(
        session,
        losses.default,
        bits,
        by_mode=dict(losses.by_mode),
        passes_per_token=losses.histogram.mean,
    )
    yield finished
    return finished


def finish_s(task: "TextTask", budget: TimeBudget) -> float:
    """Seconds that the evaluation after the last step takes."""
    final_s = budget.final_evaluation_s()
    reads_known, _ = _extent(task, budget, final_s)
    return min(_modes_s(task, budget), final_s) + (known_texts_s(task, budget) if reads_known else 0.0)


def known_texts_s(task: "TextTask", budget: TimeBudget) -> float:
    """Seconds of an evaluation of the samples of all known texts."""
    calls = budget.model.attention_calls(default_depth(budget.model))
    return tokens_of(task.known.all) * calls * budget.call_token_s()


def _losses(
    task: "TextTask", session: "Session", model: RecursiveLM
) -> Generator[Event, None, tuple[ModeLosses, bool]]:
    """The loss at every mode on what is held out, or on as much as there is time for; and whether there is
    time for the samples of known texts."""
    budget = session.time_budget
    final_s = budget.final_evaluation_s(session.elapsed_s)
    reads_known, max_tokens = _extent(task, budget, final_s)
    left_s = math.inf
    if budget.deadline is not None:
        left_s = budget.left_s(session.control.now()) - budget.end_s()
    modes_s = min(final_s, left_s) - (known_texts_s(task, budget) if reads_known else 0.0)
    with uncompiled(session.calibration.compiled):
        losses = yield from evaluate_modes(
            model,
            task.held_out,
            session.calibration.number_format,
            step=session.counters.step,
            max_tokens=max_tokens,
            deadline=time.monotonic() + modes_s,
            spread=session.team,
        )
    return losses, reads_known


def _measure_known_texts(
    task: "TextTask", session: "Session", model: RecursiveLM, found: ModeLosses, *, reads: bool
) -> Generator[Event, None, CorporaMeasured | None]:
    """Measure what `model` knows of every text and source, and write it to datasets.json.

    `found` is the loss on what was held out of what is learned now. It stands in datasets.json unless the
    samples are read too (`reads`). The return value is the event to report, where there is more than one
    text or source.
    """
    config, step = session.run_config, session.counters.step
    losses = dict(found.by_part)
    if reads:
        losses = yield from task.known.losses(session, model)
    datasets = with_losses(task.datasets, losses, config.content_hash, task.train_tokens, step)
    if isinstance(task.fresh, MixSampler):
        drawn = task.fresh_drawn(session.counters.position)
        datasets = with_trained(datasets, config.learned_hashes, task.fresh, drawn, step)
    task.datasets = datasets
    session.run.save_datasets(datasets)
    if len(datasets) < 2 and not isinstance(task.fresh, MixSampler):
        return None
    before = {one.content_hash or "": one.loss_before for one in datasets}
    return CorporaMeasured(
        step=step, losses=by_label(datasets, losses), losses_before=by_label(datasets, before)
    )


def _extent(task: "TextTask", budget: TimeBudget, final_s: float) -> tuple[bool, int | None]:
    """Whether the samples of known texts are read in the `final_s` seconds that the last evaluation may
    take, and the tokens that it reads of what is held out; None for all.

    The sample of a first text is part of what is held out, so it is read again only if there is time.
    Those of earlier texts are always read.
    """
    whole_s, known = _modes_s(task, budget), task.known
    reads_known = known.is_further or (known.is_sampled and whole_s + known_texts_s(task, budget) <= final_s)
    return reads_known, None if whole_s <= final_s else int(tokens_of(task.held_out) * final_s / whole_s)


def _modes_s(task: "TextTask", budget: TimeBudget) -> float:
    """Seconds of an evaluation of all that is held out at every trained mode."""
    return trained_modes_cost_s(budget.model, tokens_of(task.held_out), budget.call_token_s())
