"""Characters that slipped into their neighbours' places, still in order, move back or stay uncertain."""

from pathlib import Path

import numpy as np

from data.progress import result_of
from models.recovery.reconstruct.reference_text import ReferenceText, reference_text_of
from models.recovery.reconstruct.sorted_ids import refine_sorted
from models.recovery.reconstruct.substitution_tests import CONFIDENT

FABLES = Path(__file__).parents[4] / "sample_corpora" / "fables.txt"


class BigramModel:
    """Predicts a character from the one before, by counts in a text. An id is a place in `characters`."""

    context_length = 32

    def __init__(self, text: str, characters: str) -> None:
        self.tokens = len(characters)
        codes = np.array([characters.index(c) for c in text])
        self.joint = np.full((self.tokens, self.tokens), 0.01)
        np.add.at(self.joint, (codes[:-1], codes[1:]), 1)
        self.joint /= self.joint.sum()
        self._next = np.log(self.joint / self.joint.sum(axis=1, keepdims=True)).astype(np.float32)

    def log_probabilities(self, ids: np.ndarray) -> np.ndarray:
        return self._next[ids]

    def generate(self, rows: int, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError("the rates are given")


def refined(
    model: BigramModel, reference: ReferenceText, mapping: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    confidences = np.full(len(mapping), 0.99)
    return result_of(refine_sorted(model, reference, mapping, confidences, model.joint.sum(axis=1), (0,)))


def test_slipped_characters_move_back_or_stay_uncertain() -> None:
    text = FABLES.read_text(encoding="utf-8")
    characters = "".join(sorted(set(text)))
    reference = reference_text_of(text)
    assert reference.characters == characters
    truth = np.arange(len(characters))
    first, last = characters.index("f"), characters.index("k")
    slipped = truth.copy()
    slipped[first] = -1  # as if the model did not know it
    slipped[first + 1 : last] = truth[first : last - 1]
    mapping, confidences = refined(BigramModel(text, characters), reference, slipped)
    moved = np.arange(first + 1, last)
    assert (mapping[moved] == truth[moved]).all(), "they are common letters"
    confident = (confidences >= CONFIDENT) & (mapping >= 0)
    assert (mapping[confident] == truth[confident]).all()
    assert confident.sum() > len(characters) / 3
