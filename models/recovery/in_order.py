"""Ids in the order of their code points, as a vocabulary is made: the best such mapping, and how sure it is.

The order says much: a character that stands between two known ones can be few tokens only. But where one
has no token of its own, those after it can slip into the places of their neighbours, each a little wrong,
all of them in order. So what is not beyond doubt is tried out in the text, under all tokens near its own.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from data.progress import Progress
from models.recovery.alignment import Aligned, align
from models.recovery.language import Language
from models.recovery.reference import Reference
from models.recovery.trials import FEWEST_PLACES, SETTLED, Trials, telling

_NEAR = 6  # tokens to each side of where the order would have a character
_PLACES, _MOST_ROUNDS = 24, 3
_ANCHOR = 0.8
"""Of how well the model foresees most characters, beyond their frequency: what is foreseen so well stays."""
_LEAST_FORESEEN = 0.25  # the same for what may be written down: what is foreign fits somewhere too, a little
_USUAL_FACTOR, _PER_EXCESS = 10, 1.5  # between two books, in use of a character; nats for e times more
_TO_BE_FOREIGN = 3.0  # nats a place, of which an anchor would do without its token: it will not


def aligned_in_order(gain: np.ndarray, bounds: Sequence[int]) -> Aligned:
    """The best mapping in which each part of the tokens, from each of `bounds` up to the next, is in order.
    The first part chooses first."""
    mapping, margins = np.full(len(gain), -1), np.full(len(gain), np.inf)
    for start, end in zip(bounds, [*bounds[1:], gain.shape[1]], strict=True):
        free = np.flatnonzero(mapping < 0)
        part = align(gain[free, start:end])
        mapping[free] = np.where(part.mapping >= 0, part.mapping + start, -1)
        margins[free] = np.minimum(margins[free], part.margins)
    return Aligned(mapping, margins)


def tried_in_order(
    language: Language,
    reference: Reference,
    mapping: np.ndarray,
    known: np.ndarray,
    rates: np.ndarray,
    bounds: Sequence[int],
) -> Generator[Progress, None, tuple[np.ndarray, np.ndarray]]:
    """A mapping in order and its confidences (C,), from one whose confidences so far are `known` (C,).

    `rates` (n,) are the shares of the tokens in what the model says by itself. How sure a character is, is
    how unlikely that its token only seems better than what the order leaves it by the chance of which
    places were looked at.
    """
    anchored = np.zeros(len(mapping), dtype=bool)
    weights = telling(np.maximum(1, reference.counts))
    too_rare = _too_rare(reference, rates)
    for number in range(_MOST_ROUNDS):
        looked = yield from _look(language, reference, mapping, anchored, f"round {number + 1}")
        usual = float(np.median(looked.foreseen[mapping >= 0])) if (mapping >= 0).any() else 0.0
        if number == 0:
            anchored = looked.told & (known >= SETTLED) & (looked.foreseen >= _ANCHOR * usual)
            looked.drop_others(mapping, anchored)
        gain = looked.gain + np.where(anchored, _TO_BE_FOREIGN, 0.0)[:, None] - too_rare
        aligned = aligned_in_order(gain * weights[:, None], bounds)
        same = aligned.mapping == mapping
        mapping = aligned.mapping
        if same.all():
            break
    deviations, judged = np.zeros(len(mapping)), looked.told & same & np.isfinite(aligned.margins)
    deviations[judged] = (np.maximum(aligned.margins, 0.0) / weights / np.maximum(looked.errors, 1e-9))[
        judged
    ]
    sure = 1 - np.array([math.erfc(deviation / math.sqrt(2)) for deviation in deviations])
    sure = np.where(anchored, known, sure)
    return mapping, np.where((mapping >= 0) & (looked.foreseen >= _LEAST_FORESEEN * usual), sure, 0.0)


@dataclass(frozen=True, slots=True)
class _Look:
    """`gain` (C, n): nats for a place of each character as each token near to where it would stand, -inf for
    others. Of its own token `foreseen` (C,), how well the model foresees it, and `errors` (C,), the standard
    error of what it is better by than another; `told` (C,) where there were places enough."""

    gain: np.ndarray
    foreseen: np.ndarray
    errors: np.ndarray
    told: np.ndarray

    def drop_others(self, mapping: np.ndarray, anchored: np.ndarray) -> None:
        """Leave those that are `anchored` their own token alone."""
        own = mapping[:, None] == np.arange(self.gain.shape[1])
        self.gain[anchored[:, None] & ~own] = -np.inf


def _look(
    language: Language, reference: Reference, mapping: np.ndarray, anchored: np.ndarray, what: str
) -> Generator[Progress, None, _Look]:
    size, counts = len(mapping), np.maximum(1, reference.counts)
    look = _Look(
        np.full((size, language.tokens), -np.inf), np.zeros(size), np.zeros(size), np.zeros(size, bool)
    )
    trials, places = Trials(language, reference, mapping), _whereabouts(mapping)
    for character in range(size):
        yield Progress(f"trying characters out, {what}", character, size, "characters")
        own = int(mapping[character])
        near = np.array([own]) if anchored[character] else _near(places[character], own, language.tokens)
        lifts = trials.lifts(character, near, _PLACES)  # (P, k)
        if len(lifts) < 2:
            continue
        look.gain[character, near] = lifts.mean(axis=0)
        if own >= 0:
            here = lifts[:, near == own]  # (P, 1)
            better = here - lifts[:, near != own] if len(near) > 1 else here
            look.foreseen[character] = here.mean() / -math.log(counts[character] / len(reference.codes))
            look.errors[character] = better.std(axis=0, ddof=1).max() / math.sqrt(len(lifts))
            look.told[character] = len(lifts) >= FEWEST_PLACES
    return look


def _too_rare(reference: Reference, rates: np.ndarray) -> np.ndarray:
    """(C, n) nats for a place that speak against a character being a token which the model says far more or
    less often than the text has the character: books differ, but not by any factor."""
    shares = np.maximum(1, reference.counts) / len(reference.codes)
    factors = np.abs(np.log(shares[:, None] / np.maximum(rates[None], 1e-7)))
    return _PER_EXCESS * np.maximum(0.0, factors - math.log(_USUAL_FACTOR))


def _whereabouts(mapping: np.ndarray) -> np.ndarray:
    """(C,) where among the tokens each character would stand in order, by its mapped neighbours."""
    mapped = np.flatnonzero(mapping >= 0)
    if not len(mapped):
        return np.zeros(len(mapping))
    return np.interp(np.arange(len(mapping)), mapped, mapping[mapped])


def _near(place: float, own: int, tokens: int) -> np.ndarray:
    near = np.arange(max(0, int(place) - _NEAR), min(tokens, int(place) + _NEAR + 1))
    return near if own < 0 or own in near else np.append(near, own)
