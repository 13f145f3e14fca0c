"""A vocabulary from a model and a text in its language; the model is a table of trigrams."""

from pathlib import Path

import numpy as np
import pytest

from data.character_tokenizer import CharacterTokenizer
from data.errors import CorpusError, TokenizerError, UsageError
from data.progress import result_of
from models.recovery.reconstruct.by_hash import complete_by_hash
from models.recovery.reconstruct.reconstruction import reconstruct
from models.recovery.reconstruct.reference_text import ReferenceText, read_reference_text, reference_text_of
from models.recovery.reconstruct.vocabulary import Reconstruction

SAMPLES = Path(__file__).parents[4] / "sample_corpora"


class TrigramModel:
    """Predicts a character from the two before, by counts in a text. An id is a place in `characters`."""

    context_length = 64

    def __init__(self, text: str, characters: str) -> None:
        self.tokens = size = len(characters)
        codes = np.array([characters.index(c) for c in text])
        ones = np.full((size, size), 0.01)
        np.add.at(ones, (codes[:-1], codes[1:]), 1)
        ones /= ones.sum(axis=1, keepdims=True)
        counted = np.zeros((size, size, size))
        np.add.at(counted, (codes[:-2], codes[1:-1], codes[2:]), 1)
        self._next = counted + 4 * ones[None]
        self._next /= self._next.sum(axis=2, keepdims=True)

    def log_probabilities(self, ids: np.ndarray) -> np.ndarray:
        before = np.concatenate((ids[:, :1], ids[:, :-1]), axis=1)
        return np.log(self._next[before, ids]).astype(np.float32)

    def generate(self, rows: int, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        draw = np.random.default_rng(seed)
        ids = np.zeros((rows, length), dtype=np.int64)
        probabilities = np.zeros((rows, length, self.tokens))
        before = newest = draw.integers(self.tokens, size=rows)
        for step in range(length):
            ids[:, step], probabilities[:, step] = newest, self._next[before, newest]
            reached = probabilities[:, step].cumsum(axis=1) > draw.random((rows, 1))
            before, newest = newest, reached.argmax(axis=1)
        return ids, probabilities


def reconstructed(model: TrigramModel, reference: ReferenceText, **more: object) -> Reconstruction:
    return result_of(reconstruct(model, reference, **more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def halves() -> tuple[str, str]:
    text = (SAMPLES / "fables.txt").read_text(encoding="utf-8")
    return text[: len(text) // 2], text[len(text) // 2 :]


def right_share(found: Reconstruction, characters: str, text: str) -> float:
    right = sum(
        text.count(c) for c, one in zip(characters, found.characters, strict=True) if c == one.character
    )
    return right / len(text)


def confident_mistakes(found: Reconstruction, characters: str) -> list[tuple[str, str]]:
    pairs = zip(characters, found.characters, strict=True)
    return [(c, one.character) for c, one in pairs if not one.uncertain and one.character != c]


def test_sorted_ids(halves: tuple[str, str]) -> None:
    learned, like = halves
    characters = "".join(sorted(set(learned)))
    found = reconstructed(TrigramModel(learned, characters), reference_text_of(like))
    assert found.in_order and not found.exact
    assert right_share(found, characters, learned) > 0.98
    assert confident_mistakes(found, characters) == []
    for one in found.characters:
        assert 0 <= one.confidence <= 1
        assert (one.character == chr(0xE000 + one.id)) == one.uncertain
    assert found.tokenizer.vocab_size == 16 + len(characters)


def test_the_recorded_hash_completes_the_rest(halves: tuple[str, str]) -> None:
    learned, like = halves
    learned += "~7" * 3  # the other text has neither
    characters = "".join(sorted(set(learned)))
    expected = CharacterTokenizer(characters).hash
    found = reconstructed(
        TrigramModel(learned, characters), reference_text_of(like.replace("7", "")), expected=expected
    )
    assert found.exact and found.tokenizer.characters == characters
    assert not any(one.uncertain for one in found.characters)


def test_unordered_ids(halves: tuple[str, str]) -> None:
    learned, like = halves
    draw = np.random.default_rng(3)
    characters = "".join(draw.permutation(sorted(set(learned))))
    found = reconstructed(TrigramModel(learned, characters), reference_text_of(like))
    assert not found.in_order
    assert right_share(found, characters, learned) > 0.8
    assert confident_mistakes(found, characters) == []


def test_a_grown_vocabulary_is_sorted_in_parts(halves: tuple[str, str]) -> None:
    learned, like = halves
    characters = "".join(sorted(set(learned)))
    late = "eht,"  # added second
    first = "".join(c for c in characters if c not in late)
    characters = first + "".join(sorted(late))
    found = reconstructed(TrigramModel(learned, characters), reference_text_of(like), bounds=[0, len(first)])
    assert found.in_order and right_share(found, characters, learned) > 0.97
    assert confident_mistakes(found, characters) == []


def test_another_language_is_refused(halves: tuple[str, str]) -> None:
    learned, _ = halves
    russian = read_reference_text(SAMPLES / "tales_russian.txt")
    with pytest.raises(TokenizerError, match=r"not in the language|settles only"):
        reconstructed(TrigramModel(learned, "".join(sorted(set(learned)))), russian)


def test_unusable_reference_texts(tmp_path: Path) -> None:
    short, binary = tmp_path / "short.txt", tmp_path / "binary.txt"
    short.write_text("A few words. " * 20)
    with pytest.raises(UsageError, match="too short"):
        read_reference_text(short)
    binary.write_bytes(bytes(range(256)) * 100)
    with pytest.raises(CorpusError):
        read_reference_text(binary)
    with pytest.raises(UsageError, match="no file"):
        read_reference_text(tmp_path / "gone.txt")


def test_completion_by_hash() -> None:
    whole = CharacterTokenizer("\n $abzé" + "αβγ")
    unknown = [None if c in "$éβ" else c for c in whole.characters]
    assert complete_by_hash(unknown, [0, 7], whole.hash) == whole.characters
    assert complete_by_hash(unknown, [0, 7], "0" * 64) is None
    assert complete_by_hash([None] * 10, [0], whole.hash) is None  # too many combinations
