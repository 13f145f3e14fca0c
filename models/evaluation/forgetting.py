"""What a model still knows of every text it has learned: its loss on the held-out part of each."""

from collections.abc import Generator, Mapping, Sequence

from data.loss_marks import unmarked
from models.evaluation.loss import evaluate
from models.evaluation.modes import default_depth
from models.evaluation.parts import HeldOutPart
from models.processes.spread import ONE_PROCESS, Spread
from models.recursive_lm import RecursiveLM
from models.runs.events import Event


def losses_on(
    model: RecursiveLM,
    texts: Sequence[HeldOutPart],
    number_format: str,
    step: int,
    vocabulary: int | None = None,
    max_tokens: int | None = None,
    spread: Spread = ONE_PROCESS,
) -> Generator[Event, None, dict[str, float]]:
    """Nats per token at the default mode, by content hash. Texts too short to measure are left out.

    Every measurement of a text reads the same tokens, so two of them can be compared. `max_tokens` is for
    all texts, in their shares. `vocabulary` is as in `evaluate`, and does not apply to a text that holds
    later tokens.
    """
    depth, shares = default_depth(model), sum(text.share for text in texts)
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
            max_tokens=None if max_tokens is None else max(1, int(max_tokens * text.share / shares)),
            vocabulary=allowed,
            within_documents=text.within_documents,
            spread=spread,
        )
    return losses


def mean_rise(
    texts: Sequence[HeldOutPart], before: Mapping[str | None, float], losses: Mapping[str, float]
) -> float:
    """By how many nats per token the losses are above those `before`, on average over the `texts` that have
    both, in their shares; 0 where none has."""
    found = [one for one in texts if one.content_hash in losses and one.content_hash in before]
    risen = (one.share * (losses[one.content_hash] - before[one.content_hash]) for one in found)
    return sum(risen) / (sum(one.share for one in found) or 1.0)
