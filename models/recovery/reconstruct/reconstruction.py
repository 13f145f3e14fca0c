"""A character vocabulary from nothing but the model and a text in its language.

The model generates texts. How their tokens follow each other, compared with how the characters of the
reference text do, gives a first mapping. The model reads the text under it, which gives a better one, until
that stays the same. Then doubtful characters are tested in the text as one token or another. Characters
that stay uncertain become placeholders.
"""

from collections.abc import Generator, Sequence

import numpy as np

from data.errors import TokenizerError
from data.progress import Progress
from models.recovery.reconstruct.initial_mapping import ATTEMPTS, Attempt, choose_mapping, find_mapping
from models.recovery.reconstruct.mapping_evidence import Evidence, collect_evidence
from models.recovery.reconstruct.optimal_mapping import ScoredMapping, exchange_margins
from models.recovery.reconstruct.reference_text import ReferenceText
from models.recovery.reconstruct.sorted_ids import refine_sorted
from models.recovery.reconstruct.substitution_tests import CONFIDENT, effective_count
from models.recovery.reconstruct.text_model import TextModel
from models.recovery.reconstruct.unordered_ids import confidences, reassign
from models.recovery.reconstruct.vocabulary import (
    ReconstructedCharacter,
    Reconstruction,
    characters_of,
    completed_by_hash,
    with_forced_gaps_filled,
)

MAX_TOKENS = 1024
"""Text tokens that a vocabulary may have. No text of a usual length tells more of them apart."""

_DOUBTFUL_NATS = 3.0  # a margin of so many leaves a doubt of 1/e
_MIN_SENSE = 0.5  # how far from the unigram loss to the bigram loss the model must get on the text
_MIN_CERTAIN = 0.5  # the share of what the model generates that must be certain


def reconstruct(
    model: TextModel,
    reference: ReferenceText,
    *,
    bounds: Sequence[int] = (0,),
    expected: str | None = None,
) -> Generator[Progress, None, Reconstruction]:
    """The vocabulary of a model, from a text in its language.

    `bounds` are the places where parts of the text tokens begin. Each part is expected in the order of code
    points, unless the model reads the text much better without that order. `expected` is the hash of the
    lost tokenizer, where it is recorded. Raises TokenizerError where the text is not in the model's
    language or tells too little, or the vocabulary is too large.
    """
    if not 2 <= model.tokens <= MAX_TOKENS:
        raise TokenizerError(
            f"A vocabulary of {model.tokens:,} characters is too large to be reconstructed.",
            hint=f"Up to {MAX_TOKENS:,} can be told apart by how they are used.",
        )
    first = yield from find_mapping(model, reference, bounds, 0)
    evidence = collect_evidence(model, reference, first.mapping, first.bigrams)
    best, in_order = choose_mapping(evidence, bounds)
    if in_order:
        prior, rates = _margin_confidences(best, evidence), first.bigrams.sum(axis=1)
        mapping, certainty = yield from refine_sorted(model, reference, best.mapping, prior, rates, bounds)
    else:
        mapping, certainty = yield from _refine_unordered(model, reference, bounds, first)
    loss = collect_evidence(model, reference, mapping, first.bigrams).loss
    characters = characters_of(mapping, certainty, reference, model.tokens)
    _require_same_language(loss, reference)
    _require_enough_certain(characters, first.bigrams)
    characters = with_forced_gaps_filled(characters, bounds) if in_order else characters
    exact = completed_by_hash(characters, bounds, expected) if in_order and expected is not None else None
    return Reconstruction(
        characters=characters if exact is None else exact,
        in_order=in_order,
        exact=exact is not None,
        loss=loss,
        unigram_loss=reference.unigram_loss(),
        bigram_loss=reference.bigram_loss(),
    )


def _refine_unordered(
    model: TextModel, reference: ReferenceText, bounds: Sequence[int], first: Attempt
) -> Generator[Progress, None, tuple[np.ndarray, np.ndarray]]:
    """A mapping in any order and its confidences (C,). What several attempts agree on stays; the rest is
    tested in the text."""
    attempts = [first]
    for number in range(1, ATTEMPTS):
        attempts.append((yield from find_mapping(model, reference, bounds, number)))
    best = min(attempts, key=lambda attempt: attempt.loss)
    agreement = np.mean([attempt.mapping == best.mapping for attempt in attempts], axis=0)
    evidence = collect_evidence(model, reference, best.mapping, best.bigrams)
    scored = ScoredMapping(best.mapping, exchange_margins(evidence.gain, best.mapping))
    prior = agreement * _margin_confidences(scored, evidence)
    doubtful = np.flatnonzero(prior < CONFIDENT)
    mapping, tested = yield from reassign(model, reference, best.mapping, doubtful)
    evidence = collect_evidence(model, reference, mapping, best.bigrams)
    gain = np.where(np.isfinite(tested), tested, evidence.per_place)
    return mapping, (yield from confidences(model, reference, mapping, prior, gain))


def _margin_confidences(scored: ScoredMapping, evidence: Evidence) -> np.ndarray:
    """(C,) from 0 to 1, by the margins of a mapping."""
    counts = np.maximum(1.0, evidence.counts)
    weighted = scored.margins / counts * effective_count(counts)
    return 1 - np.exp(-np.maximum(weighted, 0.0) / _DOUBTFUL_NATS)


def _require_same_language(loss: float, reference: ReferenceText) -> None:
    """Raise TokenizerError where the model cannot read the text under the best mapping."""
    unigram, bigram = reference.unigram_loss(), reference.bigram_loss()
    if loss > unigram + _MIN_SENSE * (bigram - unigram):
        raise TokenizerError(
            f"The text is not in the language of this model: its loss on the text is at best {loss:.2f} nats "
            f"per character, and a guess from the character before has {bigram:.2f}.",
            hint="Give a text of the same language and script; nothing was changed.",
        )


def _require_enough_certain(characters: Sequence[ReconstructedCharacter], bigrams: np.ndarray) -> None:
    """Raise TokenizerError where too much of what the model generates is uncertain."""
    rates = bigrams.sum(axis=1)
    certain = sum(rate for rate, one in zip(rates, characters, strict=True) if not one.uncertain)
    if certain < _MIN_CERTAIN:
        raise TokenizerError(
            f"The text settles only {100 * certain:.0f} % of what this model writes.",
            hint="Give a longer text, or one more like what it was trained on; nothing was changed.",
        )
