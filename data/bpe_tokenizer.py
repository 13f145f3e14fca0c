"""Byte-level byte-pair encoding: every text can be encoded, and decodes to itself."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from data.corpus import Corpus
from data.document import without_surrogates
from data.errors import TokenizerError, UsageError
from data.tokenizer import (
    MAX_VOCAB_SIZE,
    SPECIAL_TOKENS,
    Tokenizer,
    read_vocabulary,
    special_token_entries,
)
from data.word_rules import BYTE_LEVEL, WORD_RULES, WordRules, rules_in
from data.wording import counted

MIN_VOCAB_SIZE = len(SPECIAL_TOKENS) + 256
SAMPLE_BYTES = 32 * 10**6

MAX_TOKEN_BYTES = 32
_PIECE = 16_384
_BATCH_CHARACTERS = 2**20
_Result = TypeVar("_Result")


class BpeTokenizer(Tokenizer):
    """Ids 16 to 271 are the bytes, in the order of `_byte_characters`; the merges follow."""

    def __init__(
        self,
        tokens: Sequence[str],
        merges: Sequence[tuple[str, str]],
        rules: WordRules = WORD_RULES["bpe"],
    ) -> None:
        """`tokens` are those after the control tokens, in the order of their ids, and `merges` are in the
        order in which they are applied; both are written in `_byte_characters`."""
        self.kind = rules.kind
        self._rules = rules
        byte_of = {character: byte for byte, character in enumerate(_byte_characters())}
        super().__init__([bytes(byte_of[c] for c in token) for token in tokens])
        self._vocab = {token: i for i, token in enumerate((*SPECIAL_TOKENS, *tokens))}
        self._merges = [(first, second) for first, second in merges]
        self._library = _library_tokenizer(models.BPE(vocab=self._vocab, merges=self._merges), rules)

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
        return (word for word, _ in cutter.pre_tokenize_str(self.normalize(text)))

    def normalize(self, text: str) -> str:
        text, normalizer = super().normalize(text), self._library.normalizer
        return text if normalizer is None else normalizer.normalize_str(text)

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
        return BpeTokenizer(tokens[len(SPECIAL_TOKENS) :], merges, self._rules)

    def shorten_to(self, size: int) -> "BpeTokenizer":
        smallest = min_vocab_size(self.kind)
        if size < smallest or len(self._merges) != self.vocab_size - MIN_VOCAB_SIZE:
            raise TokenizerError(f"A vocabulary of byte pairs never had {counted(size, 'token')}.")
        return BpeTokenizer(
            list(self._vocab)[len(SPECIAL_TOKENS) : size], self._merges[: size - MIN_VOCAB_SIZE], self._rules
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
        content = _json_frame(self._rules) | {"model": model}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> "BpeTokenizer":
        """From a parsed tokenizer.json. Raises TokenizerError whose message is the reason alone."""
        rules = rules_in(content)
        tokens = read_vocabulary(content, _json_frame(rules))
        text_tokens, known = tokens[len(SPECIAL_TOKENS) :], set(tokens[len(SPECIAL_TOKENS) :])
        alphabet = set(_byte_characters())
        if not alphabet <= known or not all(token and alphabet.issuperset(token) for token in text_tokens):
            raise TokenizerError("its tokens are not made of bytes")
        merges = content["model"].get("merges")
        if not isinstance(merges, list) or not all(_is_merge(pair, known) for pair in merges):
            raise TokenizerError("its merges do not fit its vocabulary")
        if [tuple(pair) for pair in merges[: len(rules.first_merges)]] != list(rules.first_merges):
            raise TokenizerError(f"its first merges are not those of a {rules.kind} tokenizer")
        return _run_library(lambda: cls(text_tokens, merges, rules))


def train_bpe_tokenizer(
    corpus: Corpus, vocab_size: int, sample_bytes: int = SAMPLE_BYTES, *, kind: str = "bpe"
) -> BpeTokenizer:
    """Learn at most `vocab_size` tokens (control tokens and bytes included) from a sample that is spread
    evenly over the training part; a small corpus gives fewer. `kind` is one of WORD_RULES.

    Raises UsageError for a size out of range.
    """
    require_vocab_size(vocab_size, kind)
    rules = WORD_RULES[kind]
    library = _library_tokenizer(models.BPE(), rules)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=MAX_TOKEN_BYTES,
        show_progress=False,
    )
    library.train_from_iterator(corpus.sample(sample_bytes), trainer)
    model = json.loads(library.to_str())["model"]
    alphabet = sorted(model["vocab"], key=model["vocab"].__getitem__)[len(SPECIAL_TOKENS) : MIN_VOCAB_SIZE]
    joined, merges = _after_first_merges(model["merges"], rules, vocab_size - MIN_VOCAB_SIZE)
    return BpeTokenizer([*alphabet, *joined], merges, rules)


def min_vocab_size(kind: str) -> int:
    """The tokens that every tokenizer of a kind has: control tokens, bytes, and the first merges."""
    return MIN_VOCAB_SIZE + len(WORD_RULES[kind].first_merges)


def require_vocab_size(vocab_size: int, kind: str = "bpe") -> None:
    """Raise UsageError for a size that no vocabulary of byte pairs of that kind can have."""
    smallest = min_vocab_size(kind)
    if not smallest <= vocab_size <= MAX_VOCAB_SIZE:
        what = "byte-pair encoding" if kind == "bpe" else f"a {kind} tokenizer"
        raise UsageError(
            f"A vocabulary of {counted(vocab_size, 'token')} is out of range for {what}.",
            hint=f"Choose from {smallest} to {MAX_VOCAB_SIZE}; 4096 is a good start.",
        )


def _after_first_merges(
    learned: Sequence[Sequence[str]], rules: WordRules, most: int
) -> tuple[list[str], list[tuple[str, str]]]:
    """The tokens and the merges after the bytes: the first merges of the rules, then what was learned, at
    most so many tokens in all."""
    first = {"".join(pair): None for pair in rules.first_merges}
    tokens, merges = dict(first), list(rules.first_merges)
    for left, right in learned:
        joined = left + right
        if joined in first:
            continue
        if joined not in tokens and len(tokens) == most:
            break
        tokens[joined] = None
        merges.append((left, right))
    return list(tokens), merges


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


def _library_tokenizer(model: models.BPE, rules: WordRules) -> tokenizers.Tokenizer:
    library = tokenizers.Tokenizer(model)
    if rules.nfkc:
        library.normalizer = normalizers.NFKC()
    library.pre_tokenizer = rules.pre_tokenizer()
    library.decoder = decoders.ByteLevel()
    return library


def _json_frame(rules: WordRules) -> dict[str, Any]:
    """The content of tokenizer.json without the model. A file with another content is not ours."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special_token_entries(),
        **rules.in_json(),
        "post_processor": None,
        "decoder": BYTE_LEVEL,
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
