"""Filters on logits, and sampling of a token. All functions are pure.

Logits are float tensors (…, V). An excluded token has logit -inf. Every row keeps at least one token.
"""

import torch
from torch import Tensor

from data.errors import RlmError

_EXCLUDED = float("-inf")
_LEAST_TEMPERATURE = 1e-30
"""A smaller one is 0 in float32, and 0 / 0 is not a number."""
Alternatives = tuple[tuple[int, float], ...]
"""Tokens that can stand at one place, each with its probability."""


def temperature(logits: Tensor, value: float) -> Tensor:
    """Logits (…, V) sharpened (below 1) or flattened (above 1). `value` is above 0."""
    # Subtracting the maximum first keeps a tiny temperature from overflowing to inf - inf.
    return (logits - logits.amax(-1, keepdim=True)) / max(value, _LEAST_TEMPERATURE)


def top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k most likely tokens, and ties with the k-th. 0 keeps all."""
    if k <= 0 or k >= logits.shape[-1]:
        return logits
    smallest_kept = logits.topk(k, dim=-1).values[..., -1:]  # (…, 1)
    return logits.masked_fill(logits < smallest_kept, _EXCLUDED)


def top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest tokens whose probability reaches p (nucleus sampling, Holtzman et al., 2020)."""
    if p >= 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(-1)
    # A token is dropped if the tokens before it already hold p, so the first one always stays.
    before = probabilities.cumsum(-1) - probabilities
    drop = before >= p
    drop[..., 0] = False
    return logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), _EXCLUDED)


def min_p(logits: Tensor, share: float) -> Tensor:
    """Drop tokens below `share` of the highest probability (Nguyen et al., 2024)."""
    if share <= 0:
        return logits
    probabilities = logits.softmax(-1)
    return logits.masked_fill(probabilities < share * probabilities.amax(-1, keepdim=True), _EXCLUDED)


def repetition_penalty(logits: Tensor, history: Tensor, penalty: float) -> Tensor:
    """Make the tokens of `history` (…, T) less likely (Keskar et al., 2019).

    A positive logit is divided by `penalty` and a negative one multiplied, so a penalty above 1
    always lowers it. A token that occurs several times is penalised once.
    """
    if penalty == 1 or history.shape[-1] == 0:
        return logits
    seen = logits.gather(-1, history)  # (…, T)
    return logits.scatter(-1, history, torch.where(seen > 0, seen / penalty, seen * penalty))


def exclude(logits: Tensor, tokens: Tensor) -> Tensor:
    """Exclude `tokens` (N,) from logits (V,). If that would exclude all, the logits stay unchanged."""
    excluded = logits.index_fill(-1, tokens, _EXCLUDED)
    return excluded if bool((excluded > _EXCLUDED).any()) else logits


def most_likely(probs: Tensor, count: int) -> Alternatives:
    """The `count` most likely tokens of probs (V,), without those of probability 0."""
    if not count:
        return ()
    top = probs.topk(min(count, len(probs)))
    return tuple((token, p) for token, p in zip(top.indices.tolist(), top.values.tolist(), strict=True) if p)


def sample(probabilities: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw token ids (…) from probabilities (…, V). Raises RlmError if they are not finite."""
    if not bool(torch.isfinite(probabilities).all()):
        raise RlmError("The model's output is not a number.", hint="Its weights may be damaged. See: {show}")
    flat = probabilities.reshape(-1, probabilities.shape[-1])
    return torch.multinomial(flat, 1, generator=generator).reshape(probabilities.shape[:-1])
