"""How strongly the text speaks for each character being each token, as the model reads it.

Before each character of the text the model gives every token a probability, and what follows the character
is more or less likely after each token. Both together score every pair from one reading under the mapping
so far. The alternative is that the model does not know the character: then the best guess is its
frequency. Characters without a token are left out of what the model reads.
"""

from dataclasses import dataclass

import numpy as np

from models.recovery.reconstruct.reference_text import ReferenceText
from models.recovery.reconstruct.text_model import TextModel

_BATCH_TOKENS = 4096
_MIN_CONTEXT = 8  # tokens read before a prediction counts
_NEW_USE = 0.5
"""The share of a character's places where the text uses it as the model never saw it used. Another book has
other habits, and one place that the model thinks impossible must not outweigh the rest."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`gain` (C, n): nats, over all places, for each character being each token and not an unknown one.

    `counts` (C,): how many places of each character were read. `loss`: nats per character under the
    mapping, where a character without a token counts as a guess by frequency.
    """

    gain: np.ndarray
    counts: np.ndarray
    loss: float

    @property
    def per_place(self) -> np.ndarray:
        """(C, n): the gain per place."""
        return self.gain / np.maximum(1, self.counts)[:, None]


def collect_evidence(
    model: TextModel,
    reference: ReferenceText,
    mapping: np.ndarray,
    bigrams: np.ndarray,
    max_characters: int | None = None,
) -> Evidence:
    """Read the text, or about `max_characters` spread over it, under `mapping` (C,).

    `bigrams` (n, n) is the joint probability of a token and the next in what the model generates.
    """
    size, length = len(reference.characters), model.context_length
    ids = mapping[reference.codes]
    stream = ids[ids >= 0]
    # Each character is predicted after the last token read before it.
    predicted_at = np.cumsum(ids >= 0) - (ids >= 0) - 1
    windows = -(-len(stream) // length)
    n_chosen = windows if max_characters is None else min(windows, max(1, max_characters // length))
    chosen = np.zeros(0, dtype=np.int64)
    if windows:
        chosen = np.unique(np.linspace(0, windows - 1, n_chosen).astype(np.int64))
    filled = np.zeros(windows * length, dtype=np.int64)
    filled[: len(stream)] = stream
    occurrences = np.maximum(1, reference.counts)  # those that do not occur in this part are not read
    share = occurrences / len(reference.codes)
    before, counts, surprise = np.zeros((size, model.tokens)), np.zeros(size), 0.0
    rows = max(1, _BATCH_TOKENS // length)
    for start in range(0, len(chosen), rows):
        batch = chosen[start : start + rows]
        log_probs = model.log_probabilities(filled.reshape(-1, length)[batch])  # (B, T, n)
        for window, window_log_probs in zip(batch, log_probs, strict=True):
            first = window * length
            low = np.searchsorted(predicted_at, first + _MIN_CONTEXT - 1)
            high = np.searchsorted(predicted_at, first + length)
            here = window_log_probs[predicted_at[low:high] - first]
            codes, tokens = reference.codes[low:high], ids[low:high]
            one_hot = np.zeros((len(codes), size), dtype=np.float32)
            one_hot[np.arange(len(codes)), codes] = 1
            ratio = np.exp(here) / share[codes][:, None]  # to a guess by the character's frequency
            before += one_hot.T @ np.log((1 - _NEW_USE) * ratio + _NEW_USE)  # (C, n)
            counts += one_hot.sum(axis=0)
            mapped = tokens >= 0
            surprise -= float(here[mapped, tokens[mapped]].sum())
            surprise -= float(np.log(share[codes[~mapped]]).sum())
    places = max(1.0, counts.sum())
    after = _after(reference, mapping, bigrams) * (counts / occurrences)[:, None]
    # A pair gains one nat for each place that the model's own rate of the token accounts for.
    accounted = np.minimum(counts[:, None], places * bigrams.sum(axis=1)[None])
    return Evidence(before + after + accounted, counts, float(surprise / places))


def _after(reference: ReferenceText, mapping: np.ndarray, bigrams: np.ndarray) -> np.ndarray:
    """(C, n): nats, over all places, by which what follows each character is likelier after each token."""
    rate = bigrams.sum(axis=1)
    follows = bigrams / np.maximum(rate[:, None], 1e-12)
    ratio = np.log((1 - _NEW_USE) * follows / rate[None] + _NEW_USE)  # (n, n)
    mapped = np.flatnonzero(mapping >= 0)
    pairs = reference.bigrams()[:, mapped] * (len(reference.codes) - 1)  # (C, M)
    gain: np.ndarray = pairs @ ratio[:, mapping[mapped]].T
    return gain
