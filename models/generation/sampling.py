"""From logits to a token: pure functions, each a sentence of its paper.

Logits are float tensors (…, V). A token that is ruled out has logit -inf; no function here
rules out every token of a row.
"""

import torch
from torch import Tensor

from data.errors import RlmError

_OUT = float("-inf")


def temperature(logits: Tensor, value: float) -> Tensor:
    """Logits (…, V) sharpened (below 1) or flattened (above 1). `value` is above 0."""
    # Subtracting the maximum first keeps a tiny temperature from overflowing to inf - inf.
    return (logits - logits.amax(-1, keepdim=True)) / value


def top_k(logits: Tensor, k: int) -> Tensor:
    """Only the k most likely tokens stay; 0 keeps all. Ties with the k-th stay too."""
    if k <= 0 or k >= logits.shape[-1]:
        return logits
    smallest_kept = logits.topk(k, dim=-1).values[..., -1:]  # (…, 1)
    return logits.masked_fill(logits < smallest_kept, _OUT)


def top_p(logits: Tensor, p: float) -> Tensor:
    """Nucleus sampling (Holtzman et al., 2020): the fewest tokens whose probability reaches p."""
    if p >= 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(-1)
    # A token goes when those before it hold p already, so the first always stays.
    before = probabilities.cumsum(-1) - probabilities
    drop = before >= p
    drop[..., 0] = False
    return logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), _OUT)


def min_p(logits: Tensor, share: float) -> Tensor:
    """Tokens with less than `share` of the most likely one's probability go (Nguyen et al., 2024)."""
    if share <= 0:
        return logits
    probabilities = logits.softmax(-1)
    return logits.masked_fill(probabilities < share * probabilities.amax(-1, keepdim=True), _OUT)


def repetition_penalty(logits: Tensor, history: Tensor, penalty: float) -> Tensor:
    """Tokens of `history` (…, T) become less likely by `penalty` (Keskar et al., 2019).

    Sign-safe: a positive logit is divided and a negative one multiplied, so a penalty above 1
    always lowers it. A token is penalised once however often it occurred.
    """
    if penalty == 1 or history.shape[-1] == 0:
        return logits
    seen = logits.gather(-1, history)  # (…, T)
    return logits.scatter(-1, history, torch.where(seen > 0, seen / penalty, seen * penalty))


def no_repeat_ngram(logits: Tensor, history: Tensor, n: int) -> Tensor:
    """Logits (V,) without the tokens that would complete an n-gram already in `history` (T,).

    Where that would rule out every token, the logits are left as they were.
    """
    if n <= 0 or history.shape[0] < n:
        return logits
    grams = history.unfold(0, n, 1)  # (T - n + 1, n)
    begun = history[history.shape[0] - (n - 1) :]  # (n - 1,): what the next token would complete
    completing = grams[(grams[:, :-1] == begun).all(-1), -1]
    banned = logits.index_fill(-1, completing, _OUT)
    return banned if bool((banned > _OUT).any()) else logits


def sample(probabilities: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Token ids (…) drawn from probabilities (…, V). RlmError where they are not numbers."""
    if not bool(torch.isfinite(probabilities).all()):
        raise RlmError("The model's output is not a number.", hint="Its weights may be damaged. See: {show}")
    flat = probabilities.reshape(-1, probabilities.shape[-1])
    return torch.multinomial(flat, 1, generator=generator).reshape(probabilities.shape[:-1])
