"""The end of a run: the kept weights judged on all of the validation text, at every mode."""

import copy
import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import numpy as np

from models.evaluation.depth_histogram import PassTally
from models.evaluation.loss import bits_per_byte, evaluate
from models.evaluation.modes import modes_by_worth
from models.recursion import DEFAULT_MODE, is_trained
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import load_weights
from models.runs.events import EvaluationAdvanced, Event, RunFinished
from models.training.compilation import eager
from models.training.corpora import conclude_corpora
from models.training.open import Opened


@dataclass(frozen=True, slots=True)
class FinalLosses:
    """Nats per token by mode. Where `tokens` is less than the text, it was too long to read all."""

    by_mode: Mapping[str, float]
    tokens: int
    extrapolated: tuple[str, ...]
    """Modes deeper than training went."""
    tally: PassTally
    """Recursions that tokens took, at the default mode."""

    @property
    def main(self) -> float:
        return self.by_mode[DEFAULT_MODE]


def finish(opened: Opened, reason: str, elapsed_s: float) -> Generator[Event, None, None]:
    """Judge the kept weights, write datasets.json and evaluation.json, and end with RunFinished.

    evaluation.json comes after everything else: it is what says that the run is judged. Whoever
    is killed before it judges again, and after it has lost no more than the last event.
    """
    session, counters, data = opened.session, opened.session.counters, opened.data
    assert data is not None
    began = time.monotonic()
    weights, _ = load_weights(opened.run.weights_path)
    model = copy.deepcopy(session.model)
    model.load_state_dict(weights)
    most_s, at_most = opened.pace.final_evaluation(elapsed_s)
    with eager(session.measured.compiled):
        losses = yield from judge(
            model,
            data.validation,
            session.measured.number_format,
            counters.step,
            at_most=at_most,
            deadline=min(began + most_s, opened.pace.deadline or math.inf),
        )
    bits = bits_per_byte(losses.main, data.validation_tokens, data.validation_bytes)
    evaluation = {
        "step": counters.best_step,
        "after_steps": counters.step,
        "validation_loss": losses.main,
        "validation_loss_by_mode": dict(losses.by_mode),
        "extrapolated_modes": list(losses.extrapolated),
        "bits_per_byte": bits,
        "validation_tokens": data.validation_tokens,
        "tokens_read": losses.tokens,
        "passes_per_token": losses.tally.mean,
        "passes_histogram": losses.tally.histogram(),
        "number_format": session.measured.number_format,
    }
    known = yield from conclude_corpora(opened, model, data.train_tokens, losses.main)
    opened.run.write_json("evaluation.json", evaluation)
    if known is not None:
        yield known
    yield RunFinished(
        run=opened.run.name,
        reason=reason,
        step=counters.step,
        best_step=counters.best_step,
        validation_loss=losses.main,
        validation_loss_by_mode=dict(losses.by_mode),
        passes_per_token=losses.tally.mean,
        perplexity=math.exp(min(losses.main, 700.0)),
        bits_per_byte=bits,
        parameters=session.model.parameter_counts()[0],
        tokens_seen=counters.tokens_seen,
        tokens_per_second=counters.tokens_seen / max(1e-9, counters.elapsed_s),
        elapsed_s=elapsed_s + time.monotonic() - began,
        path=str(opened.run.path),
    )


def judge(
    model: RecursiveLM,
    tokens: np.ndarray,
    number_format: str,
    step: int,
    *,
    at_most: int | None,
    deadline: float,
) -> Generator[Event, None, FinalLosses]:
    """The loss at every mode over `tokens`, in windows; of `at_most` of them where it is given.

    Modes training did not visit are left out once `deadline` (time.monotonic()) is near: they
    are a curiosity, and the user was promised a time. The default mode is always judged.
    """
    losses: dict[str, float] = {}
    tally = PassTally()
    call_s = 0.0
    for mode, depth in modes_by_worth(model):
        began, calls = time.monotonic(), model.attention_calls(depth)
        optional = mode != DEFAULT_MODE and not is_trained(model, depth)
        if optional and began + calls * call_s > deadline:
            continue
        counted = tally if mode == DEFAULT_MODE else None
        losing = evaluate(model, tokens, depth, number_format, at_most=at_most, tally=counted)
        while mode not in losses:
            try:
                done, total = next(losing)
                yield EvaluationAdvanced(step=step, done=done, total=total)
            except StopIteration as end:
                losses[mode] = end.value
        call_s = (time.monotonic() - began) / calls
    whole, window = len(tokens) - 1, model.config.context_length
    return FinalLosses(
        by_mode={mode: losses[mode] for mode in model.modes() if mode in losses},
        tokens=whole if at_most is None else min(whole, max(1, at_most // window) * window),
        extrapolated=tuple(
            mode for mode, depth in model.modes().items() if mode in losses and not is_trained(model, depth)
        ),
        tally=tally,
    )
