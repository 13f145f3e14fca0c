"""A character tried as one token and another, at places of the text where it stands: by the model itself.

`evidence` tells for all pairs at once how likely a token is where a character stands, and of what follows
only what pairs tell. That is enough for most characters, and for those it leaves open too little: what
they are shows in how the model reads on. So each is put into the text as every token it could be, a few
places at a time.
"""

import math
from collections.abc import Generator

import numpy as np

from data.advance import Advance
from models.recovery.alignment import assign
from models.recovery.language import Language
from models.recovery.reference import Reference

_BEFORE, _AFTER = 16, 4  # tokens that are read before a place at most, and judged after it
_ROWS = 256  # texts at once
_OWN_USE = 0.4
"""The share of places where the text uses a character as the model never saw it used: its opening quotes
are the other book's apostrophes. What one place can speak against a token is bounded by it."""
_PLACES, _MOST_ROUNDS = 16, 4
_PLACES_TO_SETTLE, _RIVALS = (24, 128), 3
FEWEST_PLACES = 8
"""Fewer say too little to settle a character by."""
_LEAST_FORESEEN = 0.5
"""Of how well the model foresees most characters, beyond their frequency: what is foreign to it fits
somewhere too, a little."""
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


def tried_out(
    language: Language, reference: Reference, mapping: np.ndarray, doubtful: np.ndarray
) -> Generator[Advance, None, tuple[np.ndarray, np.ndarray]]:
    """The mapping with the `doubtful` characters, places in it, dealt out anew among the tokens that no
    other has, until that changes nothing; and (C, n) nats for a place of each pair that was tried,
    -inf for the others."""
    settled = np.setdiff1d(np.arange(len(mapping)), doubtful)
    tokens = np.setdiff1d(np.arange(language.tokens), mapping[settled])
    found = np.full((len(mapping), language.tokens), -np.inf)
    weights = telling(reference.counts[doubtful])
    for number in range(_MOST_ROUNDS):
        trials, changed = Trials(language, reference, mapping), mapping.copy()
        for done, character in enumerate(doubtful):
            yield Advance("trying characters out", number * len(doubtful) + done,
                          _MOST_ROUNDS * len(doubtful), "characters")  # fmt: skip
            lifts = trials.lifts(character, tokens, _PLACES)
            found[character, tokens] = lifts.mean(axis=0) if len(lifts) else 0.0
        chosen = assign(found[doubtful][:, tokens] * weights[:, None]).mapping
        changed[doubtful] = np.where(chosen >= 0, tokens[chosen], -1)
        if np.array_equal(changed, mapping):
            break
        mapping = changed
    return mapping, found


def telling(counts: np.ndarray) -> np.ndarray:
    """What so many places of a character tell: more of the same book add less and less."""
    return counts / (1 + counts / _TELLING_PLACES)


def settled(
    language: Language,
    reference: Reference,
    mapping: np.ndarray,
    known: np.ndarray,
    gain: np.ndarray,
) -> Generator[Advance, None, np.ndarray]:
    """(C,) from 0 to 1, how sure each character's token is, given how far each is `known` (C,): those below
    SETTLED are looked at.

    One is as sure as it is unlikely that it only seems better than foreign, and than every rival of the
    likeliest by `gain` (C, n) nats for a place, by the chance of which places were looked at. A rival is
    another token, whose own character then takes this one, and is no surer of it. The chance is that of a
    normal deviation, taken for every token there is (Bonferroni). Where few places leave something open,
    more are looked at.
    """
    rivals = _rivals(mapping, gain)
    trials, chances = (
        Trials(language, reference, mapping),
        np.full((len(mapping), len(rivals[0]) + 1), np.nan),
    )
    mapped: list[int] = np.flatnonzero(mapping >= 0).tolist()
    most = -np.log(np.maximum(1, reference.counts) / len(reference.codes))
    open_ones = [character for character in mapped if known[character] < SETTLED]
    sure = np.where(mapping >= 0, known, 0.0)
    for places in _PLACES_TO_SETTLE:
        duel = _Duel(trials, mapping, language.tokens, places)
        foreseen = np.zeros(len(mapping))
        for character in mapped:
            here = duel.lifts(character, int(mapping[character]))
            if len(here) >= FEWEST_PLACES:
                foreseen[character] = here.mean() / most[character]
        least = _LEAST_FORESEEN * np.median(foreseen[mapped])
        for done, character in enumerate(open_ones):
            yield Advance(f"settling characters by {places} places each", done, len(open_ones), "characters")
            sure[character] = 0.0
            if foreseen[character] > max(0.0, least):
                beaten = [duel.chance(character, int(rival)) for rival in rivals[character]]
                chances[character] = [_tail(duel.lifts(character, int(mapping[character]))), *beaten]
                sure[character] = max(0.0, 1 - language.tokens * max(chances[character]))
        for character, number in np.argwhere(np.isfinite(chances[:, 1:])):
            if (other := duel.owner[rivals[character, number]]) >= 0:
                sure[other] = min(sure[other], max(0.0, 1 - language.tokens * chances[character, number + 1]))
        open_ones = [character for character in open_ones if sure[character] < SETTLED]
    return sure


def _rivals(mapping: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """(C, r): the likeliest tokens for each character besides its own."""
    own = mapping[:, None] == np.arange(gain.shape[1])
    return np.argsort(-np.where(own, -np.inf, gain), axis=1)[:, :_RIVALS]


class _Duel:
    """Characters and their rivals, each pair tried once."""

    def __init__(self, trials: Trials, mapping: np.ndarray, tokens: int, places: int) -> None:
        self._trials, self._mapping, self._places = trials, mapping, places
        self.owner = np.full(tokens, -1)
        mapped = np.flatnonzero(mapping >= 0)
        self.owner[mapping[mapped]] = mapped
        self._tried: dict[tuple[int, int], np.ndarray] = {}

    def lifts(self, character: int, token: int) -> np.ndarray:
        """(P,) of the places of a character with that token there."""
        if (character, token) not in self._tried:
            found = self._trials.lifts(character, np.array([token]), self._places)
            self._tried[character, token] = found[:, 0]
        return self._tried[character, token]

    def chance(self, character: int, rival: int) -> float:
        """That `rival` is as good a token for the character as its own."""
        own = int(self._mapping[character])
        worse = [self.lifts(character, own) - self.lifts(character, rival)]
        if (other := int(self.owner[rival])) >= 0:
            worse.append(self.lifts(other, rival) - np.maximum(self.lifts(other, own), 0.0))
        return _tail(*worse)


def _tail(*samples: np.ndarray) -> float:
    """The chance of a sum of means as far above 0 as that of `samples`, if it were 0."""
    told = [sample for sample in samples if len(sample) > 1]
    error = math.sqrt(sum(float(sample.var(ddof=1)) / len(sample) for sample in told))
    mean = sum(float(sample.mean()) for sample in told)
    return 0.5 * math.erfc(mean / max(error, 1e-9) / math.sqrt(2))
