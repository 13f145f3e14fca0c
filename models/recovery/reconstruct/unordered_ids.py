"""Ids in no order: the doubtful characters get their tokens anew, and every mapped one a confidence.

A doubtful character is tested in the text as every token that is free. Then each has to beat its rivals.
"""

import math
from collections.abc import Generator

import numpy as np

from data.progress import Progress
from models.recovery.reconstruct.optimal_mapping import best_mapping
from models.recovery.reconstruct.reference_text import ReferenceText
from models.recovery.reconstruct.substitution_tests import (
    CONFIDENT,
    MIN_PLACES,
    SubstitutionTests,
    effective_count,
)
from models.recovery.reconstruct.text_model import TextModel

_PLACES, _MAX_ROUNDS = 16, 4
_PLACES_TO_CONFIRM, _RIVALS = (24, 128), 3
_MIN_PREDICTED = 0.5
"""A character must be predicted this well, as a share of how well most are: an unknown one fits a little
too. How well is the gain over its frequency."""


def reassign(
    model: TextModel, reference: ReferenceText, mapping: np.ndarray, doubtful: np.ndarray
) -> Generator[Progress, None, tuple[np.ndarray, np.ndarray]]:
    """Map the `doubtful` characters (places in `mapping` (C,)) anew to the tokens that no other has.

    Returns the new mapping, once a round changes nothing, and (C, n) nats per place of each pair that was
    tested, -inf for the others.
    """
    others = np.setdiff1d(np.arange(len(mapping)), doubtful)
    tokens = np.setdiff1d(np.arange(model.tokens), mapping[others])
    gain = np.full((len(mapping), model.tokens), -np.inf)
    weights = effective_count(reference.counts[doubtful])
    for number in range(_MAX_ROUNDS):
        tests, changed = SubstitutionTests(model, reference, mapping), mapping.copy()
        for done, character in enumerate(doubtful):
            yield Progress(f"testing characters, round {number + 1}", done, len(doubtful), "characters")
            gains = tests.gains(character, tokens, _PLACES)
            gain[character, tokens] = gains.mean(axis=0) if len(gains) else 0.0
        chosen = best_mapping(gain[doubtful][:, tokens] * weights[:, None]).mapping
        changed[doubtful] = np.where(chosen >= 0, tokens[chosen], -1)
        if np.array_equal(changed, mapping):
            break
        mapping = changed
    return mapping, gain


def confidences(
    model: TextModel,
    reference: ReferenceText,
    mapping: np.ndarray,
    prior: np.ndarray,
    gain: np.ndarray,
) -> Generator[Progress, None, np.ndarray]:
    """(C,) from 0 to 1: how certain each character's token is. Those whose `prior` (C,) confidence is below
    CONFIDENT are tested.

    A character is as certain as it is improbable that its token's lead over an unknown character, and over
    each rival, is an accident of the places tested. Its rivals are the likeliest other tokens by `gain`
    (C, n), in nats per place. A rival's own character takes this one's token in return, and is then no more
    certain. The probability is that of a normal deviation, corrected for the number of tokens (Bonferroni).
    Where few places leave a character uncertain, more are tested.
    """
    tests, rivals = SubstitutionTests(model, reference, mapping), _rivals(mapping, gain)
    chances = np.full((len(mapping), rivals.shape[1] + 1), np.nan)
    mapped: list[int] = np.flatnonzero(mapping >= 0).tolist()
    most = -np.log(np.maximum(1, reference.counts) / len(reference.codes))
    uncertain = [character for character in mapped if prior[character] < CONFIDENT]
    found = np.where(mapping >= 0, prior, 0.0)
    for places in _PLACES_TO_CONFIRM:
        rivalry = _Rivalry(tests, mapping, model.tokens, places)
        predicted = np.zeros(len(mapping))
        for character in mapped:
            here = rivalry.gains(character, int(mapping[character]))
            if len(here) >= MIN_PLACES:
                predicted[character] = here.mean() / most[character]
        least = _MIN_PREDICTED * np.median(predicted[mapped])
        for done, character in enumerate(uncertain):
            yield Progress(f"comparing rivals, {places} places each", done, len(uncertain), "characters")
            found[character] = 0.0
            if predicted[character] > max(0.0, least):
                beaten = [rivalry.chance(character, int(rival)) for rival in rivals[character]]
                chances[character] = [
                    _tail_probability(rivalry.gains(character, int(mapping[character]))),
                    *beaten,
                ]
                found[character] = max(0.0, 1 - model.tokens * max(chances[character]))
        for character, number in np.argwhere(np.isfinite(chances[:, 1:])):
            if (other := rivalry.owner[rivals[character, number]]) >= 0:
                found[other] = min(found[other], max(0.0, 1 - model.tokens * chances[character, number + 1]))
        uncertain = [character for character in uncertain if found[character] < CONFIDENT]
    return found


def _rivals(mapping: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """(C, r): the likeliest tokens for each character besides its own."""
    own = mapping[:, None] == np.arange(gain.shape[1])
    return np.argsort(-np.where(own, -np.inf, gain), axis=1)[:, :_RIVALS]


class _Rivalry:
    """Characters and their rivals; each pair is tested once."""

    def __init__(self, tests: SubstitutionTests, mapping: np.ndarray, tokens: int, places: int) -> None:
        self._tests, self._mapping, self._places = tests, mapping, places
        self.owner = np.full(tokens, -1)
        mapped = np.flatnonzero(mapping >= 0)
        self.owner[mapping[mapped]] = mapped
        self._gains: dict[tuple[int, int], np.ndarray] = {}

    def gains(self, character: int, token: int) -> np.ndarray:
        """(P,) nats: the gain at each place of a character with that token there."""
        if (character, token) not in self._gains:
            gains = self._tests.gains(character, np.array([token]), self._places)
            self._gains[character, token] = gains[:, 0]
        return self._gains[character, token]

    def chance(self, character: int, rival: int) -> float:
        """The probability that `rival` is as good a token for the character as its own."""
        own = int(self._mapping[character])
        leads = [self.gains(character, own) - self.gains(character, rival)]
        if (other := int(self.owner[rival])) >= 0:
            leads.append(self.gains(other, rival) - np.maximum(self.gains(other, own), 0.0))
        return _tail_probability(*leads)


def _tail_probability(*samples: np.ndarray) -> float:
    """The probability of a sum of means as high as that of `samples`, if the true sum were 0."""
    usable = [sample for sample in samples if len(sample) > 1]
    error = math.sqrt(sum(float(sample.var(ddof=1)) / len(sample) for sample in usable))
    mean = sum(float(sample.mean()) for sample in usable)
    return 0.5 * math.erfc(mean / max(error, 1e-9) / math.sqrt(2))
