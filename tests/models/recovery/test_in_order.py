"""Letters that slipped into their neighbours' places, each still in order: put back, or left open."""

from pathlib import Path

import numpy as np

from models.recovery.in_order import tried_in_order
from models.recovery.reference import Reference, reference_of
from models.recovery.trials import SETTLED

FABLES = Path(__file__).parents[3] / "sample_corpora" / "fables.txt"


class Pairs:
    """Next characters by the one before, counted in a text; the ids of `characters` are their places."""

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

    def speak(self, rows: int, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError("what it says is known to who asks here")


def tried(language: Pairs, reference: Reference, mapping: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.full(len(mapping), 0.99)
    trying = tried_in_order(language, reference, mapping, known, language.joint.sum(axis=1), (0,))
    while True:
        try:
            next(trying)
        except StopIteration as end:
            found: tuple[np.ndarray, np.ndarray] = end.value
            return found


def test_what_slipped_goes_back_or_stays_open() -> None:
    text = FABLES.read_text(encoding="utf-8")
    characters = "".join(sorted(set(text)))
    reference = reference_of(text)
    assert reference.characters == characters
    truth = np.arange(len(characters))
    first, last = characters.index("f"), characters.index("k")
    slipped = truth.copy()
    slipped[first] = -1  # as if it were foreign
    slipped[first + 1 : last] = truth[first : last - 1]
    mapping, sure = tried(Pairs(text, characters), reference, slipped)
    moved = np.arange(first + 1, last)
    assert (mapping[moved] == truth[moved]).all(), "they are common letters, and tell"
    written_down = (sure >= SETTLED) & (mapping >= 0)
    assert (mapping[written_down] == truth[written_down]).all()
    assert written_down.sum() > len(characters) / 3
