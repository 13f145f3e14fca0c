"""The loss on text the model was not trained on."""

import math
from collections.abc import Generator, Iterator

import numpy as np
import torch
from torch.nn import functional as F

from data.loader import IGNORED, validation_windows
from models.device import autocast, to_device
from models.evaluation.depth_histogram import PassTally
from models.recursion import Depth
from models.recursive_lm import RecursiveLM

BATCH_TOKENS = 8192
BATCH_LOGITS = 2**24
"""Numbers the logits of a batch may take: a large vocabulary is what fills memory."""


def evaluate(
    model: RecursiveLM,
    tokens: np.ndarray,
    depth: Depth,
    number_format: str,
    *,
    at_most: int | None = None,
    tally: PassTally | None = None,
    vocabulary: int | None = None,
) -> Generator[tuple[int, int], None, float]:
    """Mean nats per token over non-overlapping windows of the model's context length.

    Reads all of `tokens` (N,), or windows of about `at_most` tokens spread evenly over them.
    Yields (windows done, windows in all) between batches; the loss is the generator's return
    value. `tally` counts the recursions that tokens took. With `vocabulary` the model may say the first
    so many tokens alone, as it did before it was given more.
    """
    length = model.config.context_length
    device = next(model.parameters()).device
    windows = math.ceil((len(tokens) - 1) / length)
    wanted = windows if at_most is None else min(windows, max(1, at_most // length))
    rows = max(1, min(BATCH_TOKENS, BATCH_LOGITS // model.config.vocab_size) // length)
    batches = (
        validation_windows(tokens, length, rows)
        if wanted == windows
        else _spread_windows(tokens, length, rows, wanted)
    )
    total, count, done = 0.0, 0, 0
    was_training = model.training
    model.eval()
    try:
        for inputs, targets in batches:
            x = to_device(torch.from_numpy(inputs), device)
            y = to_device(torch.from_numpy(targets), device)
            with torch.inference_mode(), autocast(device, number_format):
                output = model(x, depth)
            logits = output.logits[..., :vocabulary].flatten(0, 1)
            loss = F.cross_entropy(logits, y.flatten(), ignore_index=IGNORED, reduction="sum")
            if tally is not None:
                tally.add(output.passes[y != IGNORED])
            total += loss.item()
            count += int((targets != IGNORED).sum())
            done += len(inputs)
            yield done, wanted
    finally:
        model.train(was_training)
    return total / max(1, count)


def bits_per_byte(nats_per_token: float, tokens: int, byte_count: int) -> float:
    """A loss over `tokens` that stand for `byte_count` bytes of text, free of the tokenizer."""
    return nats_per_token / math.log(2) * tokens / max(1, byte_count)


def _spread_windows(
    tokens: np.ndarray, length: int, rows: int, wanted: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    full = max(1, (len(tokens) - 1) // length)
    starts = np.unique(np.linspace(0, full - 1, wanted).astype(np.int64)) * length
    for first in range(0, len(starts), rows):
        places = starts[first : first + rows, None] + np.arange(length + 1)
        blocks = np.asarray(tokens[places]).astype(np.int64)  # (rows, T + 1)
        yield blocks[:, :-1], blocks[:, 1:]
