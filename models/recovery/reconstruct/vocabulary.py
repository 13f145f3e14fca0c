"""The reconstructed vocabulary: which character each id is, and how certain that is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.character_tokenizer import CharacterTokenizer
from data.tokenizer import SPECIAL_TOKENS
from models.recovery.reconstruct.by_hash import complete_by_hash, fill_forced_gaps
from models.recovery.reconstruct.reference_text import PLACEHOLDERS, ReferenceText
from models.recovery.reconstruct.substitution_tests import CONFIDENT
from models.runs.typed_json import JsonObject

_FIRST_ID = len(SPECIAL_TOKENS)


@dataclass(frozen=True, slots=True)
class ReconstructedCharacter:
    """What is known of one id. `character` is a placeholder where it is `uncertain`. `guess` is the likeliest
    character even then, and `occurrences` counts it in the reference text."""

    id: int
    character: str
    guess: str | None
    confidence: float
    occurrences: int
    uncertain: bool


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A vocabulary and how far to trust it. `loss`, `unigram_loss` and `bigram_loss` are nats per character
    of the reference text. `exact`: the recorded hash proves it. `notes` are sentences on what was assumed of
    that text."""

    characters: tuple[ReconstructedCharacter, ...]
    in_order: bool
    exact: bool
    loss: float
    unigram_loss: float
    bigram_loss: float
    notes: tuple[str, ...] = ()

    @property
    def tokenizer(self) -> CharacterTokenizer:
        return CharacterTokenizer("".join(one.character for one in self.characters))

    @property
    def uncertain(self) -> int:
        """How many characters are uncertain."""
        return sum(one.uncertain for one in self.characters)

    def to_dict(self) -> JsonObject:
        """The report as JSON."""
        return {
            "in_order": self.in_order,
            "exact": self.exact,
            "loss": self.loss,
            "single_loss": self.unigram_loss,
            "pair_loss": self.bigram_loss,
            "uncertain": self.uncertain,
            "notes": list(self.notes),
            "characters": [
                {
                    "id": one.id,
                    "character": one.character,
                    "guess": one.guess,
                    "confidence": round(one.confidence, 4),
                    "occurrences": one.occurrences,
                    "uncertain": one.uncertain,
                }
                for one in self.characters
            ],
        }


def characters_of(
    mapping: np.ndarray, confidences: np.ndarray, reference: ReferenceText, tokens: int
) -> tuple[ReconstructedCharacter, ...]:
    """The character of each text token, from a mapping (C,) and its confidences (C,)."""
    character_of = {int(token): c for c, token in enumerate(mapping) if token >= 0}
    characters = []
    for token in range(tokens):
        c = character_of.get(token)
        placeholder = chr(ord(PLACEHOLDERS[0]) + _FIRST_ID + token)
        if c is None:
            characters.append(ReconstructedCharacter(_FIRST_ID + token, placeholder, None, 0.0, 0, True))
            continue
        guess, confidence = reference.characters[c], float(confidences[c])
        uncertain = confidence < CONFIDENT
        characters.append(
            ReconstructedCharacter(
                id=_FIRST_ID + token,
                character=placeholder if uncertain else guess,
                guess=guess,
                confidence=confidence,
                occurrences=int(reference.counts[c]),
                uncertain=uncertain,
            )
        )
    return tuple(characters)


def with_forced_gaps_filled(
    characters: Sequence[ReconstructedCharacter], bounds: Sequence[int]
) -> tuple[ReconstructedCharacter, ...]:
    """The characters, with the uncertain ones filled in whose neighbours leave no choice."""
    certain = [None if one.uncertain else one.character for one in characters]
    lowest = min((one.confidence for one in characters if not one.uncertain), default=0.0)
    return tuple(
        replace(one, character=character, guess=character, confidence=lowest, uncertain=False)
        if one.uncertain and character is not None
        else one
        for one, character in zip(characters, fill_forced_gaps(certain, bounds), strict=True)
    )


def completed_by_hash(
    characters: Sequence[ReconstructedCharacter], bounds: Sequence[int], expected: str
) -> tuple[ReconstructedCharacter, ...] | None:
    """The characters with the uncertain ones filled in, where that gives the hash `expected`; else None.

    First every guess is taken for right, since that leaves fewer to find.
    """
    guessed = [one.guess for one in characters]
    certain = [None if one.uncertain else one.character for one in characters]
    found = complete_by_hash(guessed, bounds, expected) or complete_by_hash(certain, bounds, expected)
    if found is None:
        return None
    return tuple(
        replace(one, character=character, guess=character, confidence=1.0, uncertain=False)
        for one, character in zip(characters, found, strict=True)
    )
