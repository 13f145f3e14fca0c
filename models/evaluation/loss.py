"""The loss of a model on text it was not trained on."""

import contextlib
import math
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from data.document_borders import document_numbers, without_first_tokens
from data.loader import IGNORED, inputs_and_targets, validation_windows
from data.loss_marks import MARK
from models.depth import Depth
from models.device import autocast, to_device
from models.processes.spread import ONE_PROCESS, Spread
from models.recursive_lm import RecursiveLM
from models.runs.events import EvaluationAdvanced, Event

BATCH_TOKENS = 8192
BATCH_LOGITS = 2**24
"""The most numbers that the logits of a batch may hold: a large vocabulary fills memory."""


class DepthHistogram:
    """How many tokens took how many recursions."""

    def __init__(self) -> None:
        self._tokens: Counter[float] = Counter()

    def add(self, passes: Tensor) -> None:
        """Count `passes` (N,), the recursions of N tokens."""
        values, counts = passes.float().cpu().unique(return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self._tokens[round(value, 4)] += count

    @property
    def mean(self) -> float:
        """Recursions per token."""
        return sum(passes * tokens for passes, tokens in self._tokens.items()) / max(1, self._tokens.total())

    def counts(self) -> dict[str, int]:
        """Tokens by the recursions they took, fewest recursions first, ready for JSON."""
        return {f"{passes:g}": self._tokens[passes] for passes in sorted(self._tokens)}


def evaluate(
    model: RecursiveLM,
    tokens: np.ndarray,
    depth: Depth,
    number_format: str,
    *,
    step: int = 0,
    max_tokens: int | None = None,
    histogram: DepthHistogram | None = None,
    vocabulary: int | None = None,
    within_documents: bool = False,
    spread: Spread = ONE_PROCESS,
) -> Generator[Event, None, float]:
    """The mean loss in nats per token over non-overlapping windows of the model's context length.

    Reads all of `tokens` (N,), or windows of about `max_tokens` tokens spread evenly over them. Yields
    its progress between batches, as an evaluation at `step`; the loss is the generator's return value.
    `histogram` counts the recursions that tokens took. `vocabulary` leaves only the first so many tokens
    to predict, for a comparison with the loss before the vocabulary grew. With `within_documents`, a token
    sees its own document alone, and its first token is not predicted. `spread` does the
    work.
    """
    (loss,) = yield from evaluate_depths(
        model,
        tokens,
        [depth],
        number_format,
        step=step,
        max_tokens=max_tokens,
        histograms={} if histogram is None else {depth: histogram},
        vocabulary=vocabulary,
        within_documents=within_documents,
        spread=spread,
    )
    return loss


def evaluate_depths(
    model: RecursiveLM,
    tokens: np.ndarray,
    depths: Sequence[Depth],
    number_format: str,
    *,
    step: int = 0,
    max_tokens: int | None = None,
    histograms: Mapping[Depth, DepthHistogram] = MappingProxyType({}),
    vocabulary: int | None = None,
    within_documents: bool = False,
    spread: Spread = ONE_PROCESS,
) -> Generator[Event, None, list[float]]:
    """The loss at each of `depths`, as `evaluate` measures it, in one reading of the tokens.

    `histograms` count the recursions that tokens took at their depths.
    """
    n_windows, batches = evaluation_windows(
        tokens,
        model.config.context_length,
        rows_per_batch(model),
        max_tokens,
        within_documents=within_documents,
    )
    totals, count, done = [0.0] * len(depths), 0, 0
    work = partial(
        _losses_of_batch,
        depths=tuple(depths),
        number_format=number_format,
        vocabulary=vocabulary,
        within_documents=within_documents,
    )
    for losses, counted, rows in spread.map(work, model, batches):
        for number, (depth, (loss, passes)) in enumerate(zip(depths, losses, strict=True)):
            totals[number] += loss
            if depth in histograms:
                histograms[depth].add(passes)
        count += counted
        done += rows
        yield EvaluationAdvanced(step=step, done=done, total=n_windows)
    return [total / max(1, count) for total in totals]


def _losses_of_batch(
    model: RecursiveLM,
    batch: tuple[np.ndarray, np.ndarray],
    depths: Sequence[Depth],
    number_format: str,
    vocabulary: int | None,
    within_documents: bool,
) -> tuple[list[tuple[float, Tensor]], int, int]:
    """`batch_losses` of inputs and targets, without dropout; the tokens that count, and the windows."""
    inputs, targets = batch
    with evaluation_mode(model):
        losses = batch_losses(
            model, inputs, targets, depths, number_format, vocabulary, within_documents=within_documents
        )
    return losses, int((targets != IGNORED).sum()), len(inputs)


def rows_per_batch(model: RecursiveLM) -> int:
    """The number of windows that a batch of an evaluation has."""
    tokens = min(BATCH_TOKENS, BATCH_LOGITS // model.config.vocab_size)
    return max(1, tokens // model.config.context_length)


def evaluation_windows(
    tokens: np.ndarray,
    length: int,
    rows: int,
    max_tokens: int | None = None,
    *,
    within_documents: bool = False,
) -> tuple[int, Iterator[tuple[np.ndarray, np.ndarray]]]:
    """The number of windows of `length` tokens that an evaluation of `tokens` (N,) reads, and the windows in
    batches of `rows`: inputs (B, T) and targets (B, T). `max_tokens` and `within_documents` are as in
    `evaluate`. Of marked tokens (data/loss_marks.py), only windows are chosen that ask for something."""
    n_windows = math.ceil((len(tokens) - 1) / length)
    batches = validation_windows(tokens, length, rows)
    if max_tokens is not None and max(1, max_tokens // length) < n_windows:
        starts = _spread_starts(tokens, length, max(1, max_tokens // length))
        if len(starts):  # else no window asks for anything, and all are read
            n_windows, batches = len(starts), _windows_at(starts, tokens, length, rows)
    if within_documents:
        batches = ((inputs, without_first_tokens(inputs, targets)) for inputs, targets in batches)
    return n_windows, batches


def batch_losses(
    model: RecursiveLM,
    inputs: np.ndarray,
    targets: np.ndarray,
    depths: Sequence[Depth],
    number_format: str,
    vocabulary: int | None = None,
    *,
    within_documents: bool = False,
) -> list[tuple[float, Tensor]]:
    """At each of `depths`, the sum of the losses in nats over `inputs` and `targets` (B, T), and the passes
    (N,) of the tokens that count. `vocabulary` is as in `evaluate`; with `within_documents`, a token sees its
    own document alone."""
    device = next(model.parameters()).device
    x = to_device(torch.from_numpy(inputs), device)  # (B, T)
    y = to_device(torch.from_numpy(targets), device)  # (B, T)
    documents = None
    if within_documents:
        documents = to_device(torch.from_numpy(document_numbers(inputs)), device)  # (B, T)
    found = []
    with torch.inference_mode(), autocast(device, number_format):
        for output in model.outputs(x, depths, documents):
            logits = output.logits[..., :vocabulary].flatten(0, 1)  # (B * T, V)
            loss = F.cross_entropy(logits, y.flatten(), ignore_index=IGNORED, reduction="sum")
            found.append((loss.item(), output.passes[y != IGNORED].cpu()))
    return found


@contextlib.contextmanager
def evaluation_mode(model: RecursiveLM) -> Iterator[None]:
    """`model` without dropout; afterwards it is as it was."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def bits_per_byte(nats_per_token: float, tokens: int, byte_count: int) -> float:
    """A loss over `tokens` tokens of a text of `byte_count` bytes, independent of the tokenizer."""
    return nats_per_token / math.log(2) * tokens / max(1, byte_count)


def perplexity(loss: float) -> float:
    """The perplexity of a loss in nats per token; finite for every finite loss."""
    return math.exp(min(loss, 700.0))


def _spread_starts(tokens: np.ndarray, length: int, n_windows: int) -> np.ndarray:
    """Where at most `n_windows` windows begin, spread evenly over the whole windows that ask for something;
    none where none does."""
    full = max(1, (len(tokens) - 1) // length)
    starts = np.arange(full) * length
    if tokens.dtype == np.uint32:  # as tokens with marks are
        starts = starts[np.logical_or.reduceat(tokens[1 : full * length + 1] < MARK, starts)]
    if not len(starts):
        return starts
    return starts[np.unique(np.linspace(0, len(starts) - 1, n_windows).astype(np.int64))]


def _windows_at(
    starts: np.ndarray, tokens: np.ndarray, length: int, rows: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for first in range(0, len(starts), rows):
        places = starts[first : first + rows, None] + np.arange(length + 1)
        blocks = np.asarray(tokens[places]).astype(np.int64)  # (rows, T + 1)
        yield inputs_and_targets(blocks)
