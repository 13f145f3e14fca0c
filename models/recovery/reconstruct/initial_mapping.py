"""A first mapping: from the bigrams of what the model generates, then from its own reading of the text.

Reading the text under a mapping gives evidence for a better one. This repeats while it lowers the loss.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from data.progress import Progress
from models.recovery.reconstruct.bigram_search import search_by_bigrams
from models.recovery.reconstruct.mapping_evidence import Evidence, collect_evidence
from models.recovery.reconstruct.optimal_mapping import ScoredMapping, best_mapping
from models.recovery.reconstruct.reference_text import ReferenceText
from models.recovery.reconstruct.sorted_ids import best_mapping_sorted_in_parts
from models.recovery.reconstruct.text_model import TextModel

ATTEMPTS = 3
"""How many are made where ids are in no order."""

_GENERATED_ROWS, _GENERATED_LENGTH, _SKIPPED = 128, 128, 4  # rows, tokens, and those skipped at a beginning
_PERTURBATIONS = 60
_ROUNDS = 6
_ROUND_CHARACTERS = 24_000
_SORTED_SHARE = 0.9  # of the best mapping's gain: a sorted mapping with less is not believed


@dataclass(frozen=True, slots=True)
class Attempt:
    """The best mapping (C,) of one attempt, its loss on the text in nats per character, and the `bigrams`
    (n, n) that it began from."""

    mapping: np.ndarray
    loss: float
    bigrams: np.ndarray


def find_mapping(
    model: TextModel, reference: ReferenceText, bounds: Sequence[int], number: int
) -> Generator[Progress, None, Attempt]:
    """One attempt. Each generates other texts, and every one but the first uses another half of the
    reference text."""
    yield Progress("generating with the model", number, ATTEMPTS, "attempts")
    bigrams = _generated_bigrams(model, seed=number)
    part = reference if number == 0 else reference.half(number / ATTEMPTS)
    mapping = np.full(len(reference.characters), -1)
    searching = search_by_bigrams(part.bigrams(), bigrams, seed=number, perturbations=_PERTURBATIONS)
    for done, best_so_far in searching:
        mapping = best_so_far
        yield Progress("matching pairs of characters", done, _PERTURBATIONS, "tries")
    least, best = np.inf, mapping
    for round_number in range(_ROUNDS):
        yield Progress("reading the text", round_number, _ROUNDS, "rounds")
        evidence = collect_evidence(model, part, mapping, bigrams, _ROUND_CHARACTERS)
        if evidence.loss < least:
            least, best = evidence.loss, mapping
        following = choose_mapping(evidence, bounds)[0].mapping
        if np.array_equal(mapping, following):
            break
        mapping = following
    loss = collect_evidence(model, reference, best, bigrams, _ROUND_CHARACTERS).loss
    return Attempt(best, loss, bigrams)


def choose_mapping(evidence: Evidence, bounds: Sequence[int]) -> tuple[ScoredMapping, bool]:
    """The best mapping, and whether it is the sorted one. That is chosen where it gains nearly as much."""
    free, ordered = best_mapping(evidence.gain), best_mapping_sorted_in_parts(evidence.gain, bounds)
    is_sorted = _total(evidence.gain, ordered.mapping) >= _SORTED_SHARE * _total(evidence.gain, free.mapping)
    return (ordered, True) if is_sorted else (free, False)


def _generated_bigrams(model: TextModel, seed: int) -> np.ndarray:
    """(n, n): the joint probability of a token and the next, in what the model generates."""
    length = min(_GENERATED_LENGTH, model.context_length)
    ids, following = model.generate(_GENERATED_ROWS, length, seed=seed)
    pairs = np.full((model.tokens, model.tokens), 1e-9)
    start = min(_SKIPPED, length - 1)
    np.add.at(pairs, ids[:, start:].ravel(), following[:, start:].reshape(-1, model.tokens))
    return pairs / pairs.sum()


def _total(gain: np.ndarray, mapping: np.ndarray) -> float:
    mapped = np.flatnonzero(mapping >= 0)
    return float(gain[mapped, mapping[mapped]].sum())
