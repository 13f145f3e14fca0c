"""Filters on logits, and the draw of a token. All functions are pure.

Logits are float32 arrays (V,). An excluded token has logit -inf. At least one token is always kept. For a
vocabulary of characters, a call of NumPy takes a fraction of the time of a call of torch.
"""

import math
from collections.abc import Sequence

import numpy as np

from data.errors import RlmError

_EXCLUDED = -np.inf
_LEAST_TEMPERATURE = 1e-30
"""A smaller one is 0 in float32, and 0 / 0 is not a number."""
Alternatives = tuple[tuple[int, float], ...]
"""Tokens that can stand at one place, each with its probability."""


def softmax(logits: np.ndarray) -> np.ndarray:
    """The probabilities (V,) of logits (V,). Raises RlmError if they are not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        powers = np.exp(logits - logits.max())
        total = float(powers.sum())
    if not math.isfinite(total):
        raise RlmError("The model's output is not a number.", hint="Its weights may be damaged. See: {show}")
    return powers / np.float32(total)


def temperature(logits: np.ndarray, value: float) -> np.ndarray:
    """Logits (V,) sharpened (below 1) or flattened (above 1). `value` is above 0."""
    # Subtracting the maximum first keeps a tiny temperature from overflowing to inf - inf.
    with np.errstate(over="ignore"):  # to -inf, which is as unlikely
        return (logits - logits.max()) / np.float32(max(value, _LEAST_TEMPERATURE))


def top_k(logits: np.ndarray, k: int) -> np.ndarray:
    """Keep the k most likely tokens, and ties with the k-th. 0 keeps all."""
    if k <= 0 or k >= len(logits):
        return logits
    smallest_kept = np.partition(logits, -k)[-k]
    return np.where(logits < smallest_kept, _EXCLUDED, logits)


def top_p(logits: np.ndarray, p: float) -> np.ndarray:
    """Keep the fewest tokens whose probability reaches p (nucleus sampling, Holtzman et al., 2020)."""
    if p >= 1:
        return logits
    probabilities = softmax(logits)
    # Those below this bound hold less than 1 - p together, so the others are enough.
    candidates = np.flatnonzero(probabilities >= (1 - p) / len(logits))
    order = candidates[np.argsort(-probabilities[candidates])]
    # A token is dropped if the tokens before it already hold p, so the first one always stays.
    held = np.cumsum(probabilities[order], dtype=np.float64)
    kept = order[: 1 + int(np.searchsorted(held[:-1], p))]
    filtered = np.full_like(logits, _EXCLUDED)
    filtered[kept] = logits[kept]
    return filtered


def min_p(logits: np.ndarray, share: float) -> np.ndarray:
    """Drop tokens below `share` of the highest probability (Nguyen et al., 2024)."""
    if share <= 0:
        return logits
    probabilities = softmax(logits)
    return np.where(probabilities < np.float32(share) * probabilities.max(), _EXCLUDED, logits)


def repetition_penalty(logits: np.ndarray, history: Sequence[int], penalty: float) -> np.ndarray:
    """Make the tokens of `history` less likely (Keskar et al., 2019).

    A positive logit is divided by `penalty` and a negative one multiplied, so a penalty above 1
    always lowers it. A token that occurs several times is penalised once.
    """
    if penalty == 1 or not len(history):
        return logits
    tokens = np.asarray(history)
    seen, changed = logits[tokens], logits.copy()
    changed[tokens] = np.where(seen > 0, seen / np.float32(penalty), seen * np.float32(penalty))
    return changed


def exclude(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
    """Exclude `tokens` from logits (V,). If that would exclude all, the logits stay unchanged."""
    if not len(tokens):
        return logits
    excluded = logits.copy()
    excluded[np.asarray(tokens)] = _EXCLUDED
    return excluded if (excluded > _EXCLUDED).any() else logits


def most_likely(probabilities: np.ndarray, count: int) -> Alternatives:
    """The `count` most likely tokens of `probabilities` (V,), without those of probability 0."""
    if not count:
        return ()
    order = np.argsort(-probabilities, kind="stable")[:count]
    return tuple((int(token), float(probabilities[token])) for token in order if probabilities[token])


def draw(probabilities: np.ndarray, number: float) -> int:
    """The token of `probabilities` (V,) that a uniform random `number`, 0 to 1, falls on."""
    held = np.cumsum(probabilities, dtype=np.float64)
    # From the right, so that a token of probability 0 is never taken.
    token = int(np.searchsorted(held, number * held[-1], side="right"))
    return token if token < len(held) else int(np.flatnonzero(probabilities)[-1])
