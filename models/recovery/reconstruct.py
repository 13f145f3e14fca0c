"""A character vocabulary from nothing but the model and a text in its language.

The model is made to speak: how its tokens follow each other, against how the text's characters do,
gives a first mapping. Under it the model reads the text, and says what each character is; read
again under what it said, it soon says the same. Ids that are in no order leave more open, and what
they do is tried out in the text. Characters of which the model cannot be sure stay open.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data.character_tokenizer import CharacterTokenizer
from data.errors import TokenizerError
from data.progress import Progress
from data.tokenizer import SPECIAL_TOKENS
from models.recovery.alignment import Aligned, assign, margins_of
from models.recovery.any_order import settled, tried_out
from models.recovery.evidence import Evidence, read_under
from models.recovery.exact import complete, fill_in_order
from models.recovery.in_order import aligned_in_order, tried_in_order
from models.recovery.language import Language
from models.recovery.pair_search import search_pairs
from models.recovery.reference import PLACEHOLDERS, Reference
from models.recovery.trials import SETTLED, telling

MOST_TOKENS = 1024
"""Text tokens a vocabulary may have: beyond, no text of bearable length tells them apart."""

_FIRST_ID = len(SPECIAL_TOKENS)
_SPOKEN_ROWS, _SPOKEN_LENGTH, _SETTLING = 128, 128, 4  # rows, tokens, and those at a beginning left out
_SHAKES = 60
_ROUNDS = 6
_STARTS = 3  # attempts where ids are in no order: what they do not agree on is tried out
_ROUND_CHARACTERS = 24_000
_DOUBTFUL = 3.0  # nats, weighed so, of which the best other reading may be short by chance
_SENSE = 0.5  # of the way from guessing by frequency to guessing by pairs: to read worse is not to read
_LEAST_SETTLED = 0.5  # of what the model says, that must be settled for the rest to be worth anything
_ORDERLY = 0.9  # of what any order is worth, that the order of code points must be worth to be believed


@dataclass(frozen=True, slots=True)
class Letter:
    """What is known of one id: `character` is a placeholder where it is `uncertain`, and `guess` the
    likeliest even then. `occurrences` are those of the guess in the reference."""

    id: int
    character: str
    guess: str | None
    confidence: float
    occurrences: int
    uncertain: bool


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A vocabulary and how far to trust it. `loss` is nats per character of the reference under it;
    `exact` says that it is proved by the recorded hash."""

    letters: tuple[Letter, ...]
    in_order: bool
    exact: bool
    loss: float
    single_loss: float
    pair_loss: float

    @property
    def tokenizer(self) -> CharacterTokenizer:
        return CharacterTokenizer("".join(letter.character for letter in self.letters))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "in_order": self.in_order,
            "exact": self.exact,
            "loss": self.loss,
            "single_loss": self.single_loss,
            "pair_loss": self.pair_loss,
            "uncertain": sum(letter.uncertain for letter in self.letters),
            "characters": [
                {
                    "id": letter.id,
                    "character": letter.character,
                    "guess": letter.guess,
                    "confidence": round(letter.confidence, 4),
                    "occurrences": letter.occurrences,
                    "uncertain": letter.uncertain,
                }
                for letter in self.letters
            ],
        }


def reconstruct(
    language: Language,
    reference: Reference,
    *,
    bounds: Sequence[int] = (0,),
    expected: str | None = None,
) -> Generator[Progress, None, Reconstruction]:
    """The vocabulary of a model, from a text in its language.

    Text tokens from each of `bounds` up to the next were learned together: in the order of their
    code points, as far as is known. `expected` is the hash of the tokenizer, where it is recorded.
    The order is a hypothesis, dropped where the model reads the text much better without it.
    Raises TokenizerError where the text is not in the model's language, or tells too little.
    """
    if not 2 <= language.tokens <= MOST_TOKENS:
        raise TokenizerError(
            f"A vocabulary of {language.tokens:,} characters is too large to be reconstructed.",
            hint=f"Up to {MOST_TOKENS:,} can be told apart by how they are used.",
        )
    first = yield from _reading(language, reference, bounds, 0)
    evidence = read_under(language, reference, first.mapping, first.spoken)
    aligned, in_order = _aligned(evidence, bounds)
    if in_order:
        known = _confidences(aligned, evidence)
        rates = first.spoken.sum(axis=1)
        mapping, sure = yield from tried_in_order(language, reference, aligned.mapping, known, rates, bounds)
    else:
        mapping, sure = yield from _tried_out(language, reference, bounds, first)
    loss = read_under(language, reference, mapping, first.spoken).loss
    letters = _letters(mapping, sure, reference, language.tokens)
    _require_sense(loss, letters, reference, first.spoken)
    letters = _filled(letters, bounds) if in_order else letters
    exact = _completed(letters, bounds, expected) if in_order and expected is not None else None
    return Reconstruction(
        letters=letters if exact is None else exact,
        in_order=in_order,
        exact=exact is not None,
        loss=loss,
        single_loss=reference.single_loss(),
        pair_loss=reference.pair_loss(),
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """The best mapping of one attempt, its loss on the whole text, and the speech it began from."""

    mapping: np.ndarray
    loss: float
    spoken: np.ndarray


def _reading(
    language: Language, reference: Reference, bounds: Sequence[int], number: int
) -> Generator[Progress, None, _Reading]:
    """A mapping from pairs, then from what the model makes of the text under it, while that lowers
    its loss. Each attempt hears other speech, and all but the first another half of the text."""
    yield Progress("listening to the model", number, _STARTS, "attempts")
    spoken = _spoken_pairs(language, seed=number)
    part = reference if number == 0 else reference.half(number / _STARTS)
    mapping = np.full(len(reference.characters), -1)
    for shake, found in search_pairs(part.pairs(), spoken, seed=number, shakes=_SHAKES):
        mapping = found
        yield Progress("matching pairs", shake, _SHAKES, "tries")
    best, kept = np.inf, mapping
    for round_number in range(_ROUNDS):
        yield Progress("reading the text", round_number, _ROUNDS, "rounds")
        evidence = read_under(language, part, mapping, spoken, _ROUND_CHARACTERS)
        if evidence.loss < best:
            best, kept = evidence.loss, mapping
        following = _aligned(evidence, bounds)[0].mapping
        if np.array_equal(mapping, following):
            break
        mapping = following
    loss = read_under(language, reference, kept, spoken, _ROUND_CHARACTERS).loss
    return _Reading(kept, loss, spoken)


def _spoken_pairs(language: Language, seed: int) -> np.ndarray:
    """(n, n): the joint probability of a token and the next, in what the model says by itself."""
    length = min(_SPOKEN_LENGTH, language.context_length)
    ids, chances = language.speak(_SPOKEN_ROWS, length, seed=seed)
    pairs = np.full((language.tokens, language.tokens), 1e-9)
    start = min(_SETTLING, length - 1)
    np.add.at(pairs, ids[:, start:].ravel(), chances[:, start:].reshape(-1, language.tokens))
    return pairs / pairs.sum()


def _aligned(evidence: Evidence, bounds: Sequence[int]) -> tuple[Aligned, bool]:
    """The best mapping, and whether it keeps the order of code points."""
    free, ordered = assign(evidence.gain), aligned_in_order(evidence.gain, bounds)
    holds = _worth(evidence.gain, ordered.mapping) >= _ORDERLY * _worth(evidence.gain, free.mapping)
    return (ordered, True) if holds else (free, False)


def _worth(gain: np.ndarray, mapping: np.ndarray) -> float:
    mapped = np.flatnonzero(mapping >= 0)
    return float(gain[mapped, mapping[mapped]].sum())


def _confidences(aligned: Aligned, evidence: Evidence) -> np.ndarray:
    """(C,) from 0 to 1: nats by which the best other reading is worse, where more of the same places
    add less and less: they are all of one book."""
    counts = np.maximum(1.0, evidence.counts)
    weighed = aligned.margins / counts * telling(counts)
    return 1 - np.exp(-np.maximum(weighed, 0.0) / _DOUBTFUL)


def _tried_out(
    language: Language, reference: Reference, bounds: Sequence[int], first: _Reading
) -> Generator[Progress, None, tuple[np.ndarray, np.ndarray]]:
    """A mapping of any order and its confidences (C,): what several attempts agree on, and the rest tried
    out by the model itself."""
    readings = [first]
    for number in range(1, _STARTS):
        readings.append((yield from _reading(language, reference, bounds, number)))
    best = min(readings, key=lambda reading: reading.loss)
    agreement = np.mean([reading.mapping == best.mapping for reading in readings], axis=0)
    evidence = read_under(language, reference, best.mapping, best.spoken)
    aligned = Aligned(best.mapping, margins_of(evidence.gain, best.mapping))
    known = agreement * _confidences(aligned, evidence)
    mapping, tried = yield from tried_out(language, reference, best.mapping, np.flatnonzero(known < SETTLED))
    evidence = read_under(language, reference, mapping, best.spoken)
    gain = np.where(np.isfinite(tried), tried, evidence.per_place)
    return mapping, (yield from settled(language, reference, mapping, known, gain))


def _letters(
    mapping: np.ndarray, confidences: np.ndarray, reference: Reference, tokens: int
) -> tuple[Letter, ...]:
    character_of = {int(token): c for c, token in enumerate(mapping) if token >= 0}
    letters = []
    for token in range(tokens):
        c = character_of.get(token)
        placeholder = chr(ord(PLACEHOLDERS[0]) + _FIRST_ID + token)
        if c is None:
            letters.append(Letter(_FIRST_ID + token, placeholder, None, 0.0, 0, True))
            continue
        guess, confidence = reference.characters[c], float(confidences[c])
        uncertain = confidence < SETTLED
        letters.append(
            Letter(
                _FIRST_ID + token,
                placeholder if uncertain else guess,
                guess,
                confidence,
                int(reference.counts[c]),
                uncertain,
            )
        )
    return tuple(letters)


def _require_sense(loss: float, letters: Sequence[Letter], reference: Reference, spoken: np.ndarray) -> None:
    """Raise TokenizerError where the model cannot read the text, whatever its characters are."""
    single, pair = reference.single_loss(), reference.pair_loss()
    most = single + _SENSE * (pair - single)
    if loss > most:
        raise TokenizerError(
            f"The text is not in the language of this model: under the best mapping its loss on it is "
            f"{loss:.2f} nats per character, and a guess from the one before has {pair:.2f}.",
            hint="Give a text of the same language and script; nothing was changed.",
        )
    settled = sum(
        share for share, letter in zip(spoken.sum(axis=1), letters, strict=True) if not letter.uncertain
    )
    if settled < _LEAST_SETTLED:
        raise TokenizerError(
            f"The text settles only {100 * settled:.0f} % of what this model writes.",
            hint="Give a longer text, or one more like what it was trained on; nothing was changed.",
        )


def _filled(letters: Sequence[Letter], bounds: Sequence[int]) -> tuple[Letter, ...]:
    """The letters with those left open filled in where the order of their neighbours leaves no choice."""
    settled = [None if letter.uncertain else letter.character for letter in letters]
    sure = min((letter.confidence for letter in letters if not letter.uncertain), default=0.0)
    return tuple(
        replace(letter, character=character, guess=character, confidence=sure, uncertain=False)
        if letter.uncertain and character is not None
        else letter
        for letter, character in zip(letters, fill_in_order(settled, bounds), strict=True)
    )


def _completed(letters: Sequence[Letter], bounds: Sequence[int], expected: str) -> tuple[Letter, ...] | None:
    """The letters with those left open filled in, where that gives the recorded hash. It proves guesses
    as well: they are tried first, for they leave less open."""
    guessed = [letter.guess for letter in letters]
    certain = [None if letter.uncertain else letter.character for letter in letters]
    found = complete(guessed, bounds, expected) or complete(certain, bounds, expected)
    if found is None:
        return None
    return tuple(
        replace(letter, character=character, guess=character, confidence=1.0, uncertain=False)
        for letter, character in zip(letters, found, strict=True)
    )
