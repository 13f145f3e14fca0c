"""A character tried as one token and another, at places of the text where it stands: by the model itself.

`evidence` tells for all pairs at once how likely a token is where a character stands, and of what follows
only what pairs tell. That is enough for most characters, and for those it leaves open too little: what
they are shows in how the model reads on. So each is put into the text as every token it could be, a few
places at a time.
"""

import math

import numpy as np

from models.recovery.language import Language
from models.recovery.reference import Reference

_BEFORE, _AFTER = 16, 4  # tokens that are read before a place at most, and judged after it
_ROWS = 256  # texts at once
_OWN_USE = 0.4
"""The share of places where the text uses a character as the model never saw it used: its opening quotes
are the other book's apostrophes. What one place can speak against a token is bounded by it."""
FEWEST_PLACES = 8
"""Fewer say too little to settle a character by."""
SETTLED = 0.9
"""The confidence from which a character is written down."""
_TELLING_PLACES = 30  # of one book, that places of a character come to at most


class Trials:
    """Trials in a text as it reads under a mapping (C,): the token of each character, or -1."""

    def __init__(self, language: Language, reference: Reference, mapping: np.ndarray) -> None:
        self._language = language
        self._reference = reference
        self._mapping = mapping
        self._reach = max(1, min(_BEFORE, language.context_length - _AFTER))  # tokens before a place
        known = mapping[reference.codes] >= 0
        self._stream = mapping[reference.codes][known]
        self._before = np.cumsum(known) - known  # (N,) known tokens before each character

    def lifts(self, character: int, tokens: np.ndarray, places: int) -> np.ndarray:
        """(P, k): nats by which each of up to `places` places of a character, with what follows, is
        likelier with each of `tokens` (k,) there than with a character foreign to the model."""
        own = int(self._mapping[character] >= 0)
        at = self._before[self._reference.codes == character]
        at = at[(at >= self._reach) & (at + own + _AFTER <= len(self._stream))]
        if not len(at):
            return np.zeros((0, len(tokens)))
        at = at[np.unique(np.linspace(0, len(at) - 1, places).astype(np.int64))]
        context = self._stream[at[:, None] + np.arange(-self._reach, 0)]  # (P, before)
        following = self._stream[at[:, None] + own + np.arange(_AFTER)]  # (P, after)
        share = self._reference.counts[character] / len(self._reference.codes)
        foreign = math.log(share) + self._likelihood(np.concatenate((context, following), axis=1))
        tried = np.concatenate(
            (
                np.repeat(context, len(tokens), axis=0),
                np.tile(tokens, len(at))[:, None],
                np.repeat(following, len(tokens), axis=0),
            ),
            axis=1,
        )
        likelier = self._likelihood(tried).reshape(len(at), -1) - foreign[:, None]
        return np.logaddexp(likelier + math.log(1 - _OWN_USE), math.log(_OWN_USE))

    def _likelihood(self, texts: np.ndarray) -> np.ndarray:
        """(B,) nats of what comes after the context in each of `texts` (B, L)."""
        found = []
        for first in range(0, len(texts), _ROWS):
            rows = texts[first : first + _ROWS]
            logs = self._language.log_probabilities(rows[:, :-1])[:, self._reach - 1 :]
            said = np.take_along_axis(logs, rows[:, self._reach :, None], axis=2)[..., 0]
            found.append(said.sum(axis=1, dtype=np.float64))
        return np.concatenate(found)


def telling(counts: np.ndarray) -> np.ndarray:
    """What so many places of a character tell: more of the same book add less and less."""
    return counts / (1 + counts / _TELLING_PLACES)
