"""Filters on logits, and the draw of a token. All functions are pure.

Logits are float32 arrays (V,). An excluded token has logit -inf. At least one token is always kept. For a
vocabulary of characters, a call of NumPy takes a fraction of the time of a call of torch.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.errors import RlmError
from models.kernels.draw import LEAST_TEMPERATURE

_EXCLUDED = -np.inf
Alternatives = tuple[tuple[int, float], ...]
"""Tokens that can stand at one place, each with its probability."""

_MANY = 2048  # with fewer tokens, ordering all takes less time than looking for candidates


class Candidates(NamedTuple):
    """Tokens that may be drawn, the most likely first."""

    ids: np.ndarray
    """(N,)"""
    cumulative: np.ndarray
    """(N,): in proportion, the probability of each and all before it."""


def not_finite() -> RlmError:
    """The error for logits that are not finite."""
    return RlmError("The model's output is not a number.", hint="Its weights may be damaged. See: {show}")


def powers_of(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """The probabilities (V,) of logits (V,) in proportion, 1 for the most likely token.

    A `temperature` below 1 sharpens them, and one above 1 flattens them. Raises RlmError for logits that are
    not finite.
    """
    highest = logits.max()
    if not math.isfinite(highest):
        raise not_finite()
    # The highest becomes 0 first, so that a tiny temperature does not overflow.
    shifted = logits - highest
    return np.exp(shifted if temperature == 1 else shifted / np.float32(max(temperature, LEAST_TEMPERATURE)))


def candidates(powers: np.ndarray, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0) -> Candidates:
    """The tokens that all three filters keep, of the `powers` (V,) that `powers_of` gives.

    `top_k` keeps the k most likely ones, and ties with the k-th; 0 is all. `top_p` keeps of these the fewest
    whose probability reaches p (nucleus sampling, Holtzman et al., 2020). `min_p` drops those below a share
    of the highest probability (Nguyen et al., 2024). Each keeps the start of an order by probability.
    """
    if len(powers) > _MANY:
        possible = np.flatnonzero(powers >= _bound(powers, top_k, top_p, min_p))
        order = possible[np.argsort(-powers[possible], kind="stable")]
    else:
        order = np.argsort(-powers, kind="stable")  # ties in the order of their ids, on every processor
    ordered = powers[order]
    count = len(ordered)
    if 0 < top_k < count:
        count = int(np.count_nonzero(ordered >= ordered[top_k - 1]))
    cumulative = ordered[:count].cumsum(dtype=np.float64)
    if top_p < 1:
        # Without top_k, the tokens that are left out here have a share of the probability too.
        total = cumulative[-1] if top_k else powers.sum(dtype=np.float64)
        # A token is dropped if the tokens before it already hold p, so the first one always stays.
        count = 1 + int(cumulative[: count - 1].searchsorted(top_p * total))
    if min_p > 0:
        count = min(count, int(np.count_nonzero(ordered >= np.float32(min_p))))
    return Candidates(order[:count], cumulative[:count])


def _bound(powers: np.ndarray, top_k: int, top_p: float, min_p: float) -> float:
    """A value below which no token of `powers` (V,) is kept. So few of a large vocabulary are ordered."""
    if top_k:
        return float(np.partition(powers, -top_k)[-top_k]) if top_k < len(powers) else 0.0
    # Those below the first of these hold less than 1 - p together, so the others are enough.
    return max((1 - top_p) * float(powers.sum()) / len(powers), min_p)


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


def draw(tokens: Candidates, number: float) -> int:
    """The token that a uniform random `number`, 0 to 1, falls on."""
    # From the right, so that a token of probability 0 is never taken.
    place = int(tokens.cumulative.searchsorted(number * tokens.cumulative[-1], side="right"))
    return int(tokens.ids[min(place, int(tokens.cumulative.searchsorted(tokens.cumulative[-1])))])
