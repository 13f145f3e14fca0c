"""Ids in the order of code points, as a vocabulary is made: the best such mapping, and its confidences.

The order says much: only a few tokens fit between two known neighbours. But where a character has no token
of its own, those after it can slip into their neighbours' places, each a little wrong and still in order.
So every character that is not certain is tested in the text as each token near its place.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from data.progress import Progress
from models.recovery.reconstruct.optimal_mapping import ScoredMapping, best_sorted_mapping
from models.recovery.reconstruct.reference_text import ReferenceText
from models.recovery.reconstruct.substitution_tests import (
    CONFIDENT,
    MIN_PLACES,
    SubstitutionTests,
    effective_count,
)
from models.recovery.reconstruct.text_model import TextModel

_NEAR = 6  # tokens to each side of a character's place in the order
_PLACES, _MAX_ROUNDS = 24, 3
_ANCHOR = 0.8
"""A character keeps its token if it is predicted this well, as a share of how well most are. How well is the
gain over its frequency."""
_MIN_PREDICTED = 0.25  # the same, for a character to be confident at all: an unknown one fits a little too
_USUAL_FACTOR, _NATS_PER_EXCESS = 10, 1.5  # two books differ in a character's frequency by such a factor
_ANCHOR_BONUS = 3.0  # nats a place: an anchor must not lose its token


def best_mapping_sorted_in_parts(gain: np.ndarray, bounds: Sequence[int]) -> ScoredMapping:
    """The best mapping in which each part of the tokens is sorted. A part goes from one of `bounds` to the
    next. The first part chooses first."""
    mapping, margins = np.full(len(gain), -1), np.full(len(gain), np.inf)
    for start, end in zip(bounds, [*bounds[1:], gain.shape[1]], strict=True):
        free = np.flatnonzero(mapping < 0)
        part = best_sorted_mapping(gain[free, start:end])
        mapping[free] = np.where(part.mapping >= 0, part.mapping + start, -1)
        margins[free] = np.minimum(margins[free], part.margins)
    return ScoredMapping(mapping, margins)


def refine_sorted(
    model: TextModel,
    reference: ReferenceText,
    mapping: np.ndarray,
    confidences: np.ndarray,
    rates: np.ndarray,
    bounds: Sequence[int],
) -> Generator[Progress, None, tuple[np.ndarray, np.ndarray]]:
    """A better sorted mapping and its confidences (C,), from `mapping` (C,) and its `confidences` (C,).

    `rates` (n,) are the shares of the tokens in what the model generates. A confidence is the probability
    that the token's lead over the others which the order allows is no accident of the places tested.
    """
    anchored = np.zeros(len(mapping), dtype=bool)
    weights = effective_count(np.maximum(1, reference.counts))
    penalty = _frequency_penalty(reference, rates)
    for number in range(_MAX_ROUNDS):
        tested = yield from _test_nearby(model, reference, mapping, anchored, f"round {number + 1}")
        usual = float(np.median(tested.predicted[mapping >= 0])) if (mapping >= 0).any() else 0.0
        if number == 0:
            anchored = tested.enough & (confidences >= CONFIDENT) & (tested.predicted >= _ANCHOR * usual)
            tested.keep_own_token(mapping, anchored)
        gain = tested.gain + np.where(anchored, _ANCHOR_BONUS, 0.0)[:, None] - penalty
        best = best_mapping_sorted_in_parts(gain * weights[:, None], bounds)
        same = best.mapping == mapping
        mapping = best.mapping
        if same.all():
            break
    deviations, scored = np.zeros(len(mapping)), tested.enough & same & np.isfinite(best.margins)
    deviations[scored] = (np.maximum(best.margins, 0.0) / weights / np.maximum(tested.errors, 1e-9))[scored]
    confident = 1 - np.array([math.erfc(deviation / math.sqrt(2)) for deviation in deviations])
    confident = np.where(anchored, confidences, confident)
    predicted = (mapping >= 0) & (tested.predicted >= _MIN_PREDICTED * usual)
    return mapping, np.where(predicted, confident, 0.0)


@dataclass(frozen=True, slots=True)
class _TestResults:
    """What the tests near each character's place give.

    `gain` (C, n): nats per place of each character as each token near its place, -inf for the others.
    `predicted` (C,): how well the model predicts its own token. `errors` (C,): the standard error of that
    token's lead over another. `enough` (C,): whether there were enough places.
    """

    gain: np.ndarray
    predicted: np.ndarray
    errors: np.ndarray
    enough: np.ndarray

    def keep_own_token(self, mapping: np.ndarray, anchored: np.ndarray) -> None:
        """Allow each `anchored` character its own token only."""
        own = mapping[:, None] == np.arange(self.gain.shape[1])
        self.gain[anchored[:, None] & ~own] = -np.inf


def _test_nearby(
    model: TextModel, reference: ReferenceText, mapping: np.ndarray, anchored: np.ndarray, what: str
) -> Generator[Progress, None, _TestResults]:
    size, counts = len(mapping), np.maximum(1, reference.counts)
    results = _TestResults(
        np.full((size, model.tokens), -np.inf), np.zeros(size), np.zeros(size), np.zeros(size, bool)
    )
    tests, places = SubstitutionTests(model, reference, mapping), _places_in_order(mapping)
    for character in range(size):
        yield Progress(f"testing characters, {what}", character, size, "characters")
        own = int(mapping[character])
        near = np.array([own]) if anchored[character] else _near(places[character], own, model.tokens)
        gains = tests.gains(character, near, _PLACES)  # (P, k)
        if len(gains) < 2:
            continue
        results.gain[character, near] = gains.mean(axis=0)
        if own >= 0:
            here = gains[:, near == own]  # (P, 1)
            lead = here - gains[:, near != own] if len(near) > 1 else here
            results.predicted[character] = here.mean() / -math.log(counts[character] / len(reference.codes))
            results.errors[character] = lead.std(axis=0, ddof=1).max() / math.sqrt(len(gains))
            results.enough[character] = len(gains) >= MIN_PLACES
    return results


def _frequency_penalty(reference: ReferenceText, rates: np.ndarray) -> np.ndarray:
    """(C, n) nats per place against a pair whose frequencies in the text and in the model's own texts differ
    by more than the usual factor."""
    shares = np.maximum(1, reference.counts) / len(reference.codes)
    factors = np.abs(np.log(shares[:, None] / np.maximum(rates[None], 1e-7)))
    return _NATS_PER_EXCESS * np.maximum(0.0, factors - math.log(_USUAL_FACTOR))


def _places_in_order(mapping: np.ndarray) -> np.ndarray:
    """(C,): where each character belongs among the tokens, between its mapped neighbours."""
    mapped = np.flatnonzero(mapping >= 0)
    if not len(mapped):
        return np.zeros(len(mapping))
    return np.interp(np.arange(len(mapping)), mapped, mapping[mapped])


def _near(place: float, own: int, tokens: int) -> np.ndarray:
    near = np.arange(max(0, int(place) - _NEAR), min(tokens, int(place) + _NEAR + 1))
    return near if own < 0 or own in near else np.append(near, own)
