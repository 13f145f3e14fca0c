"""Byte-level byte-pair encoding: every text can be encoded, and decodes to itself."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar, TypeVar

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from data.corpus import Corpus
from data.document import without_surrogates
from data.errors import TokenizerError, UsageError
from data.tokenizer import (
    MAX_VOCAB_SIZE,
    SPECIAL_TOKENS,
    Kind,
    Tokenizer,
    read_vocabulary,
    special_token_entries,
)
from data.wording import counted

MIN_VOCAB_SIZE = len(SPECIAL_TOKENS) + 256
SAMPLE_BYTES = 32 * 10**6

# A token lies within one of these: a word with the space before it, one digit (so that each place of a
# number is a token), a run of punctuation, white space up to the last line end. The bounds of 64 keep a
# file without spaces from being one word: merging takes quadratic time in the length of a word.
_WORDS = (
    r"'(?:s|t|d|m|re|ve|ll)(?!\p{L})| ?[\p{L}\p{M}]{1,64}|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]{1,64}|\s{0,64}\n|\s{1,64}(?!\S)|\s{1,64}"
)
MAX_TOKEN_BYTES = 32
_PIECE = 16_384
_BATCH_CHARACTERS = 2**20
_Result = TypeVar("_Result")


class BpeTokenizer(Tokenizer):
    """Ids 16 to 271 are the bytes, in the order of `_byte_characters`; the merges follow."""

    kind: ClassVar[Kind] = "bpe"

    def __init__(self, tokens: Sequence[str], merges: Sequence[tuple[str, str]]) -> None:
        """`tokens` are those after the control tokens, in the order of their ids, and `merges` are in the
        order in which they are applied; both are written in `_byte_characters`."""
        byte_of = {character: byte for byte, character in enumerate(_byte_characters())}
        super().__init__([bytes(byte_of[c] for c in token) for token in tokens])
        self._vocab = {token: i for i, token in enumerate((*SPECIAL_TOKENS, *tokens))}
        self._merges = [(first, second) for first, second in merges]
        self._library = _library_tokenizer(models.BPE(vocab=self._vocab, merges=self._merges))

    def encode(self, text: str) -> np.ndarray:
        if len(text) <= _PIECE:
            return self.encode_many([text])[0]
        pieces = self.encodable_pieces([text])
        parts: list[np.ndarray] = []
        while batch := list(islice(pieces, _BATCH_CHARACTERS // _PIECE)):
            parts += self.encode_many(batch)
        return np.concatenate(parts)

    def encode_many(self, texts: Sequence[str]) -> list[np.ndarray]:
        clean = [without_surrogates(text) for text in texts]
        found = self._library.encode_batch_fast(clean, add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int64) for encoding in found]

    def encodable_pieces(self, pieces: Iterable[str]) -> Iterator[str]:
        """The text in pieces of at most 16,384 characters; each ends where a word of the pattern ends."""
        rest = ""
        for piece in pieces:
            rest += piece
            start = 0
            while len(rest) - start > _PIECE:
                end = _cut(rest, start, start + _PIECE)
                yield rest[start:end]
                start = end
            rest = rest[start:]
        if rest:
            yield rest

    def words(self, text: str) -> Iterator[str]:
        """The words of the pattern, in order, written in `_byte_characters`. A token lies within one."""
        cutter = self._library.pre_tokenizer
        return (word for word, _ in cutter.pre_tokenize_str(without_surrogates(text)))

    def encode_word(self, word: str) -> list[int]:
        """The ids of one of `words`."""
        return [token.id for token in self._library.model.tokenize(word)]

    def with_merges(self, parts: Sequence[tuple[int, int]]) -> "BpeTokenizer":
        """A tokenizer with one more token for each pair of ids; a pair can name tokens added before it. The
        ids and merges of this one stay."""
        tokens = list(self._vocab)
        merges = list(self._merges)
        for first, second in parts:
            merges.append((tokens[first], tokens[second]))
            tokens.append(tokens[first] + tokens[second])
        return BpeTokenizer(tokens[len(SPECIAL_TOKENS) :], merges)

    def shorten_to(self, size: int) -> "BpeTokenizer":
        if size < MIN_VOCAB_SIZE or len(self._merges) != self.vocab_size - MIN_VOCAB_SIZE:
            raise TokenizerError(f"A vocabulary of byte pairs never had {counted(size, 'token')}.")
        return BpeTokenizer(
            list(self._vocab)[len(SPECIAL_TOKENS) : size], self._merges[: size - MIN_VOCAB_SIZE]
        )

    def to_json(self) -> str:
        model = {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": self._vocab,
            "merges": [list(pair) for pair in self._merges],
        }
        return json.dumps(_json_frame() | {"model": model}, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> "BpeTokenizer":
        """From a parsed tokenizer.json. Raises TokenizerError whose message is the reason alone."""
        tokens = read_vocabulary(content, _json_frame())
        text_tokens, known = tokens[len(SPECIAL_TOKENS) :], set(tokens[len(SPECIAL_TOKENS) :])
        alphabet = set(_byte_characters())
        if not alphabet <= known or not all(token and alphabet.issuperset(token) for token in text_tokens):
            raise TokenizerError("its tokens are not made of bytes")
        merges = content["model"].get("merges")
        if not isinstance(merges, list) or not all(_is_merge(pair, known) for pair in merges):
            raise TokenizerError("its merges do not fit its vocabulary")
        return _run_library(lambda: cls(text_tokens, merges))


def train_bpe_tokenizer(corpus: Corpus, vocab_size: int, sample_bytes: int = SAMPLE_BYTES) -> BpeTokenizer:
    """Learn at most `vocab_size` tokens (control tokens and bytes included) from a sample that is spread
    evenly over the training part; a small corpus gives fewer.

    Raises UsageError for a size out of range.
    """
    require_vocab_size(vocab_size)
    library = _library_tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=MAX_TOKEN_BYTES,
        show_progress=False,
    )
    library.train_from_iterator(corpus.sample(sample_bytes), trainer)
    model = json.loads(library.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return BpeTokenizer(tokens[len(SPECIAL_TOKENS) :], model["merges"])


def require_vocab_size(vocab_size: int) -> None:
    """Raise UsageError for a size that no vocabulary of byte pairs can have."""
    if not MIN_VOCAB_SIZE <= vocab_size <= MAX_VOCAB_SIZE:
        raise UsageError(
            f"A vocabulary of {counted(vocab_size, 'token')} is out of range for byte-pair encoding.",
            hint=f"Choose from {MIN_VOCAB_SIZE} to {MAX_VOCAB_SIZE}; 4096 is a good start.",
        )


def _cut(text: str, start: int, end: int) -> int:
    """The last place in text[start:end] where a word of the pattern certainly ends: after a line end, or
    before a space, with letters or digits around it. `end` where there is none."""
    for mark, offset in (("\n", 1), (" ", 0)):
        at = text.rfind(mark, start + 1, end)
        while at > start:
            if text[at + 1].isalnum() and (mark == "\n" or text[at - 1].isalnum()):
                return at + offset
            at = text.rfind(mark, start + 1, at)
    return end


def _library_tokenizer(model: models.BPE) -> tokenizers.Tokenizer:
    library = tokenizers.Tokenizer(model)
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    library.decoder = decoders.ByteLevel()
    return library


def _json_frame() -> dict[str, Any]:
    """The content of tokenizer.json without the model. A file with another content is not ours."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": _WORDS}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special_token_entries(),
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
    }


def _byte_characters() -> list[str]:
    """The printable character that byte-level tokenizers write for each byte: the byte's own where that is
    a visible Latin-1 character, else the next code point from 256 up."""
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = iter(range(0x100, 0x200))
    return [chr(byte if byte in visible else next(hidden)) for byte in range(0x100)]


def _is_merge(pair: object, known: set[str]) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and all(isinstance(part, str) and part in known for part in pair)
        and pair[0] + pair[1] in known
    )


def _run_library(action: Callable[[], _Result]) -> _Result:
    """Run code of the library on the content of a file. Raises TokenizerError for whatever fails.

    A panic in the library is a BaseException whose class cannot be imported.
    """
    try:
        return action()
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise TokenizerError(f"the tokenizers library rejects it ({error})") from error
        raise
