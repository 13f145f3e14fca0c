"""The loss on what is held out of a text, or of the sources of a mix in their shares."""

import math
from bisect import bisect_left
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from data.document_borders import asked_tokens
from data.tokenizer import Tokenizer
from models.depth import Depth
from models.evaluation.loss import DepthHistogram, evaluate_depths
from models.processes.spread import ONE_PROCESS, Spread
from models.recursive_lm import RecursiveLM
from models.runs.events import Event


@dataclass(frozen=True, slots=True)
class HeldOutPart:
    """The held-out tokens (N,) of a text or a source, which are never trained on, and its share in a mean
    loss: 1 where it is the only one. `within_documents` is as in `evaluate`."""

    content_hash: str
    tokens: np.ndarray
    share: float = 1.0
    within_documents: bool = False


@dataclass(frozen=True, slots=True)
class PartLosses:
    """Nats per token at one depth: the mean of the parts in their shares, and each by its content hash."""

    mean: float
    by_part: Mapping[str, float]


def tokens_of(parts: Sequence[HeldOutPart]) -> int:
    """How many tokens are held out in all."""
    return sum(len(part.tokens) for part in parts)


def asked_size(parts: Sequence[HeldOutPart], tokenizer: Tokenizer) -> tuple[int, int]:
    """How many of the held-out tokens are asked for, and the bytes that as many have in the shares of the
    parts."""
    asked, bytes_each = 0, 0.0
    for part in parts:
        counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
        for ids in asked_tokens(part.tokens, within_documents=part.within_documents):
            counts += np.bincount(ids, minlength=len(counts))
        found = np.flatnonzero(counts)
        size = sum(int(counts[token]) * len(tokenizer.token_bytes(int(token))) for token in found)
        asked += int(counts.sum())
        bytes_each += part.share * size / max(1, int(counts.sum()))
    return asked, round(asked * bytes_each)


def tokens_read(parts: Sequence[HeldOutPart], context_length: int, max_tokens: int | None) -> int:
    """How many of them an evaluation predicts that may read about `max_tokens`; None for all."""
    read = 0
    for part in parts:
        available, most = len(part.tokens) - 1, most_of(part, max_tokens)
        read += available if most is None else min(available, max(1, most // context_length) * context_length)
    return read


def limit_of_reading(parts: Sequence[HeldOutPart], context_length: int, read: int | None) -> int | None:
    """The `max_tokens` with which an evaluation of `parts` reads `read` tokens; None where these are all."""
    if read is None or read >= tokens_read(parts, context_length, None):
        return None
    most = max(math.ceil((len(part.tokens) + context_length) / part.share) for part in parts)
    return bisect_left(range(most), read, key=lambda limit: tokens_read(parts, context_length, limit))


def evaluate_parts(
    model: RecursiveLM,
    parts: Sequence[HeldOutPart],
    depths: Sequence[Depth],
    number_format: str,
    *,
    step: int,
    max_tokens: int | None,
    histograms: Mapping[Depth, DepthHistogram] = MappingProxyType({}),
    spread: Spread = ONE_PROCESS,
) -> Generator[Event, None, list[PartLosses]]:
    """The losses on `parts` at each of `depths`. `max_tokens` is for all parts, in their shares; the rest is
    as in `evaluate_depths`."""
    by_depth: list[dict[str, float]] = [{} for _ in depths]
    for part in parts:
        found = yield from evaluate_depths(
            model,
            part.tokens,
            depths,
            number_format,
            step=step,
            max_tokens=most_of(part, max_tokens),
            histograms=histograms,
            within_documents=part.within_documents,
            spread=spread,
        )
        for losses, loss in zip(by_depth, found, strict=True):
            losses[part.content_hash] = loss
    return [PartLosses(sum(part.share * one[part.content_hash] for part in parts), one) for one in by_depth]


def most_of(part: HeldOutPart, max_tokens: int | None) -> int | None:
    """How many tokens of `part` are read where about `max_tokens` of all parts are; None for all."""
    return None if max_tokens is None else max(1, round(part.share * max_tokens))
