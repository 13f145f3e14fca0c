"""What a model still knows of every text it has learned: its loss on the held-out part of each."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from data.loss_marks import unmarked
from models.evaluation.loss import evaluate
from models.evaluation.modes import default_depth
from models.processes.spread import ONE_PROCESS, Spread
from models.recursive_lm import RecursiveLM
from models.runs.events import Event


@dataclass(frozen=True, slots=True)
class HeldOutText:
    """The tokens (N,) of a text that were never trained on, and the content hash of the text."""

    content_hash: str
    tokens: np.ndarray
    within_documents: bool = False
    """As in `evaluate`."""


def held_out_tokens(texts: Iterable[HeldOutText]) -> int:
    """How many tokens one measurement of all `texts` reads."""
    return sum(len(text.tokens) for text in texts)


def losses_on(
    model: RecursiveLM,
    texts: Sequence[HeldOutText],
    number_format: str,
    step: int,
    vocabulary: int | None = None,
    max_tokens: int | None = None,
    spread: Spread = ONE_PROCESS,
) -> Generator[Event, None, dict[str, float]]:
    """Nats per token at the default mode, by content hash. Texts too short to measure are left out.

    Every measurement of a text reads the same tokens, so two of them can be compared. `vocabulary` and
    `max_tokens` of each text are as in `evaluate`; `vocabulary` does not apply to a text that holds later
    tokens.
    """
    depth = default_depth(model)
    losses: dict[str, float] = {}
    for text in texts:
        if len(text.tokens) < 2:
            continue
        allowed = None if vocabulary is None or unmarked(text.tokens).max() >= vocabulary else vocabulary
        losses[text.content_hash] = yield from evaluate(
            model,
            text.tokens,
            depth,
            number_format,
            step=step,
            max_tokens=max_tokens,
            vocabulary=allowed,
            within_documents=text.within_documents,
            spread=spread,
        )
    return losses
