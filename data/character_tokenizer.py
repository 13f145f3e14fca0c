"""One token for each character: a small vocabulary, and nothing to learn."""

import json
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np

from data.corpus import Corpus
from data.errors import TokenizerError
from data.tokenizer import SPECIAL_TOKENS, Kind, Tokenizer, read_vocabulary, special_token_entries

MAX_CHARACTERS = 2**16 - len(SPECIAL_TOKENS)
_CODE_POINTS = 0x110000
_ASCII = 128


class CharacterTokenizer(Tokenizer):
    """Ids from 16 up, in the order of the code points; characters that were added later follow. A character
    that is not in the vocabulary is `unk_id`."""

    kind: Kind = "character"

    def __init__(self, characters: str) -> None:
        """`characters` in the order of their ids, each once."""
        super().__init__([character.encode() for character in characters])
        self.characters = characters
        self._ids = np.full(_CODE_POINTS, self.unk_id, dtype=np.int64)
        self._ids[[ord(character) for character in characters]] = np.arange(
            len(SPECIAL_TOKENS), self.vocab_size
        )

    def encode(self, text: str) -> np.ndarray:
        if text.isascii():
            return self._ids[:_ASCII].take(np.frombuffer(text.encode("ascii"), dtype=np.uint8))
        return self._ids.take(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4"))

    def with_characters(self, characters: Iterable[str]) -> "CharacterTokenizer":
        """A tokenizer that also has those of `characters` that this one lacks, in the order of their code
        points after the last id. Where there is not room for all, the first ones given are added."""
        unknown = dict.fromkeys(
            c for c in characters if self._ids[ord(c)] == self.unk_id and not _is_surrogate(c)
        )
        added = islice(unknown, MAX_CHARACTERS - len(self.characters))
        return CharacterTokenizer(self.characters + "".join(sorted(added)))

    def shorten_to(self, size: int) -> "CharacterTokenizer":
        return CharacterTokenizer(self.characters[: max(0, size - len(SPECIAL_TOKENS))])

    def to_json(self) -> str:
        vocab = {token: i for i, token in enumerate((*SPECIAL_TOKENS, *self.characters))}
        model = {"type": "WordLevel", "vocab": vocab, "unk_token": SPECIAL_TOKENS[self.unk_id]}
        return json.dumps(_json_frame() | {"model": model}, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> "CharacterTokenizer":
        """From a parsed tokenizer.json. Raises TokenizerError whose message is the reason alone."""
        characters = read_vocabulary(content, _json_frame())[len(SPECIAL_TOKENS) :]
        if any(len(c) != 1 or _is_surrogate(c) for c in characters):
            raise TokenizerError("a token of it is not one character")
        return cls("".join(characters))


def train_character_tokenizer(corpus: Corpus) -> CharacterTokenizer:
    """The characters of a corpus, in the order of their code points; the most frequent MAX_CHARACTERS where
    there are more."""
    counts = corpus.character_counts
    most_frequent = sorted(counts, key=lambda c: (-counts[c], c))[:MAX_CHARACTERS]
    return CharacterTokenizer("".join(sorted(most_frequent)))


def _is_surrogate(character: str) -> bool:
    """Whether this is one half of a surrogate pair, which cannot be written in UTF-8."""
    return "\ud800" <= character <= "\udfff"


def _json_frame() -> dict[str, Any]:
    """The content of tokenizer.json without the model. It tells the library to split a text into its code
    points."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special_token_entries(),
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": "[\\s\\S]"},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {"type": "Fuse"},
    }
