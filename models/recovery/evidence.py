"""What speaks for each character of the reference being each token, while the model reads it.

Where the text has a character, the model has just given each token a probability; and what follows
it in the text is more or less likely after each token. Both together, for every pair at once, from
one reading under the mapping so far. Against it stands that the character is foreign to the model:
then nothing tells it better than how often it occurs.
Characters without a token are passed over: the model reads on as if they were not there.
"""

from dataclasses import dataclass

import numpy as np

from models.recovery.language import Language
from models.recovery.reference import Reference

_BATCH_TOKENS = 4096
_LEAST_CONTEXT = 8  # tokens read before a prediction counts
_OWN_USE = 0.5
"""The share of a character's places where the text uses it as the model never saw it used: another
book has habits of its own, and a place that the model thinks impossible must not outweigh the rest."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`gain` (C, n): nats, in all, that speak for each character being each token and not foreign.

    `counts` (C,): places it was looked for at. `loss`: nats per character under the mapping; a
    character without a token counts as a guess among all.
    """

    gain: np.ndarray
    counts: np.ndarray
    loss: float

    @property
    def per_place(self) -> np.ndarray:
        """(C, n): the same for one place."""
        return self.gain / np.maximum(1, self.counts)[:, None]


def read_under(
    language: Language,
    reference: Reference,
    mapping: np.ndarray,
    spoken: np.ndarray,
    at_most: int | None = None,
) -> Evidence:
    """Read the reference, or about `at_most` characters spread over it, under `mapping` (C,).

    `spoken` (n, n) is the joint probability of a token and the next in the model's own speech.
    """
    size, length = len(reference.characters), language.context_length
    ids = mapping[reference.codes]
    stream = ids[ids >= 0]
    # The last token read before each character: that is where it is predicted.
    asked = np.cumsum(ids >= 0) - (ids >= 0) - 1
    windows = -(-len(stream) // length)
    wanted = windows if at_most is None else min(windows, max(1, at_most // length))
    chosen = np.unique(np.linspace(0, windows - 1, wanted).astype(np.int64)) if windows else np.zeros(0, int)
    filled = np.zeros(windows * length, dtype=np.int64)
    filled[: len(stream)] = stream
    occurring = np.maximum(1, reference.counts)  # what is not in this part of the text is never asked for
    share = occurring / len(reference.codes)
    before, counts, surprise = np.zeros((size, language.tokens)), np.zeros(size), 0.0
    rows = max(1, _BATCH_TOKENS // length)
    for start in range(0, len(chosen), rows):
        batch = chosen[start : start + rows]
        logs = language.log_probabilities(filled.reshape(-1, length)[batch])  # (B, T, n)
        for window, log in zip(batch, logs, strict=True):
            first = window * length
            low = np.searchsorted(asked, first + _LEAST_CONTEXT - 1)
            high = np.searchsorted(asked, first + length)
            here, codes, known = log[asked[low:high] - first], reference.codes[low:high], ids[low:high]
            one_hot = np.zeros((len(codes), size), dtype=np.float32)
            one_hot[np.arange(len(codes)), codes] = 1
            lift = np.exp(here) / share[codes][:, None]  # over how often the character occurs anyway
            before += one_hot.T @ np.log((1 - _OWN_USE) * lift + _OWN_USE)  # (C, n)
            counts += one_hot.sum(axis=0)
            mapped = known >= 0
            surprise -= float(here[mapped, known[mapped]].sum())
            surprise -= float(np.log(share[codes[~mapped]]).sum())
    places = max(1.0, counts.sum())
    after = _after(reference, mapping, spoken) * (counts / occurring)[:, None]
    # What the model says and the text never bears out was said in vain.
    borne_out = np.minimum(counts[:, None], places * spoken.sum(axis=1)[None])
    return Evidence(before + after + borne_out, counts, float(surprise / places))


def _after(reference: Reference, mapping: np.ndarray, spoken: np.ndarray) -> np.ndarray:
    """(C, n): nats, in all, by which what follows each character is likelier after each token."""
    rate = spoken.sum(axis=1)
    follows = spoken / np.maximum(rate[:, None], 1e-12)
    ratio = np.log((1 - _OWN_USE) * follows / rate[None] + _OWN_USE)  # (n, n)
    mapped = np.flatnonzero(mapping >= 0)
    pairs = reference.pairs()[:, mapped] * (len(reference.codes) - 1)  # (C, M)
    found: np.ndarray = pairs @ ratio[:, mapping[mapped]].T
    return found
