"""Ids in no order: what is doubtful of a mapping dealt out anew, and how sure each character is then.

What several attempts agree on stays. The others are tried out in the text as every token that is left,
and each has to hold its own against its rivals.
"""

import math
from collections.abc import Generator

import numpy as np

from data.progress import Progress
from models.recovery.alignment import assign
from models.recovery.language import Language
from models.recovery.reference import Reference
from models.recovery.trials import FEWEST_PLACES, SETTLED, Trials, telling

_PLACES, _MOST_ROUNDS = 16, 4
_PLACES_TO_SETTLE, _RIVALS = (24, 128), 3
_LEAST_FORESEEN = 0.5
"""Of how well the model foresees most characters, beyond their frequency: what is foreign to it fits
somewhere too, a little."""


def tried_out(
    language: Language, reference: Reference, mapping: np.ndarray, doubtful: np.ndarray
) -> Generator[Progress, None, tuple[np.ndarray, np.ndarray]]:
    """The mapping with the `doubtful` characters, places in it, dealt out anew among the tokens that no
    other has, until that changes nothing; and (C, n) nats for a place of each pair that was tried,
    -inf for the others."""
    others = np.setdiff1d(np.arange(len(mapping)), doubtful)
    tokens = np.setdiff1d(np.arange(language.tokens), mapping[others])
    found = np.full((len(mapping), language.tokens), -np.inf)
    weights = telling(reference.counts[doubtful])
    for number in range(_MOST_ROUNDS):
        trials, changed = Trials(language, reference, mapping), mapping.copy()
        for done, character in enumerate(doubtful):
            yield Progress(f"trying characters out, round {number + 1}", done, len(doubtful), "characters")
            lifts = trials.lifts(character, tokens, _PLACES)
            found[character, tokens] = lifts.mean(axis=0) if len(lifts) else 0.0
        chosen = assign(found[doubtful][:, tokens] * weights[:, None]).mapping
        changed[doubtful] = np.where(chosen >= 0, tokens[chosen], -1)
        if np.array_equal(changed, mapping):
            break
        mapping = changed
    return mapping, found


def settled(
    language: Language,
    reference: Reference,
    mapping: np.ndarray,
    known: np.ndarray,
    gain: np.ndarray,
) -> Generator[Progress, None, np.ndarray]:
    """(C,) from 0 to 1, how sure each character's token is, given how far each is `known` (C,): those below
    SETTLED are looked at.

    One is as sure as it is unlikely that it only seems better than foreign, and than every rival of the
    likeliest by `gain` (C, n) nats for a place, by the chance of which places were looked at. A rival is
    another token, whose own character then takes this one, and is no surer of it. The chance is that of a
    normal deviation, taken for every token there is (Bonferroni). Where few places leave something open,
    more are looked at.
    """
    trials, rivals = Trials(language, reference, mapping), _rivals(mapping, gain)
    chances = np.full((len(mapping), rivals.shape[1] + 1), np.nan)
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
            yield Progress(f"settling characters by {places} places each", done, len(open_ones), "characters")
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
