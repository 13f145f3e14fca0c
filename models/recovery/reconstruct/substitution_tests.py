"""Tests one character as one token or another, at places of the text where it occurs.

`mapping_evidence` scores every pair at once, but of what follows a character it sees only the next one.
That settles most characters. The others show in how the model reads on: each is put into the text as
every token that it could be, a few places at a time.
"""

import math

import numpy as np

from models.recovery.reconstruct.reference_text import ReferenceText
from models.recovery.reconstruct.text_model import TextModel

_BEFORE, _AFTER = 16, 4  # tokens: at most so many are read before a place, and so many scored after it
_BATCH_TEXTS = 256
_NEW_USE = 0.4
"""The share of places where the text uses a character as the model never saw it used: the opening quotes of
one book are the apostrophes of another. It bounds what one place can say against a token."""
MIN_PLACES = 8
"""Fewer say too little about a character."""
CONFIDENT = 0.9
"""The confidence from which a character is written into the vocabulary."""
_MAX_EFFECTIVE_COUNT = 30  # of all places of a character in one book


class SubstitutionTests:
    """Tests in a text as it reads under a mapping (C,): the token of each character, or -1."""

    def __init__(self, model: TextModel, reference: ReferenceText, mapping: np.ndarray) -> None:
        self._model = model
        self._reference = reference
        self._mapping = mapping
        self._reach = max(1, min(_BEFORE, model.context_length - _AFTER))  # tokens before a place
        mapped = mapping[reference.codes] >= 0
        self._stream = mapping[reference.codes][mapped]
        self._before = np.cumsum(mapped) - mapped  # (N,) mapped tokens before each character

    def gains(self, character: int, tokens: np.ndarray, places: int) -> np.ndarray:
        """(P, k) nats: how much likelier each of up to `places` places of a character, with what follows,
        is with each of `tokens` (k,) there than with a character unknown to the model."""
        own = int(self._mapping[character] >= 0)
        at = self._before[self._reference.codes == character]
        at = at[(at >= self._reach) & (at + own + _AFTER <= len(self._stream))]
        if not len(at):
            return np.zeros((0, len(tokens)))
        at = at[np.unique(np.linspace(0, len(at) - 1, places).astype(np.int64))]
        context = self._stream[at[:, None] + np.arange(-self._reach, 0)]  # (P, before)
        following = self._stream[at[:, None] + own + np.arange(_AFTER)]  # (P, after)
        share = self._reference.counts[character] / len(self._reference.codes)
        unknown = math.log(share) + self._log_likelihood(np.concatenate((context, following), axis=1))
        texts = np.concatenate(
            (
                np.repeat(context, len(tokens), axis=0),
                np.tile(tokens, len(at))[:, None],
                np.repeat(following, len(tokens), axis=0),
            ),
            axis=1,
        )
        gain = self._log_likelihood(texts).reshape(len(at), -1) - unknown[:, None]
        return np.logaddexp(gain + math.log(1 - _NEW_USE), math.log(_NEW_USE))

    def _log_likelihood(self, texts: np.ndarray) -> np.ndarray:
        """(B,) nats of what follows the context in each of `texts` (B, L)."""
        sums = []
        for first in range(0, len(texts), _BATCH_TEXTS):
            rows = texts[first : first + _BATCH_TEXTS]
            log_probs = self._model.log_probabilities(rows[:, :-1])[:, self._reach - 1 :]
            chosen = np.take_along_axis(log_probs, rows[:, self._reach :, None], axis=2)[..., 0]
            sums.append(chosen.sum(axis=1, dtype=np.float64))
        return np.concatenate(sums)


def effective_count(counts: np.ndarray) -> np.ndarray:
    """How many independent places so many of one book are worth: more of them add less and less."""
    return counts / (1 + counts / _MAX_EFFECTIVE_COUNT)
