"""What a model still knows of every text it has learned: its loss on what was held out of each."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.loss import evaluate
from models.evaluation.modes import default_depth
from models.recursive_lm import RecursiveLM
from models.runs.events import EvaluationAdvanced, Event


@dataclass(frozen=True, slots=True)
class KnownText:
    """A text by its content hash, and the (N,) tokens of it that were never learned from."""

    content_hash: str
    held_out: np.ndarray


def tokens_to_read(texts: Iterable[KnownText]) -> int:
    """How many tokens one measurement of all of them reads."""
    return sum(len(text.held_out) for text in texts)


def losses_on(
    model: RecursiveLM,
    texts: Sequence[KnownText],
    number_format: str,
    step: int,
    vocabulary: int | None = None,
) -> Generator[Event, None, dict[str, float]]:
    """Nats per token at the default mode, by content hash. Texts too short to measure are left out.

    Every measurement of a text reads the same tokens, so that two of them can be compared. `vocabulary`
    as for `evaluate`; a text that was cut again since then may have later tokens, and is measured with them.
    """
    depth = default_depth(model)
    losses: dict[str, float] = {}
    for text in texts:
        if len(text.held_out) < 2:
            continue
        within = None if vocabulary is None or text.held_out.max() >= vocabulary else vocabulary
        losing = evaluate(model, text.held_out, depth, number_format, vocabulary=within)
        while text.content_hash not in losses:
            try:
                done, total = next(losing)
            except StopIteration as end:
                losses[text.content_hash] = end.value
            else:
                yield EvaluationAdvanced(step=step, done=done, total=total)
    return losses
