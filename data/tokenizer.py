"""Text to token ids and back: the surface both kinds share, and how one is read from a file.

The kinds are in `character_tokenizer` and `bpe_tokenizer`. Both are written as a
`tokenizer.json` that the `tokenizers` library reads, and both are lossless: control tokens
never come out of text, because their ids are added by role, never by spelling.
"""

import codecs
import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from data.corpus import Corpus
from data.document import ROLES, Message
from data.errors import TokenizerError
from data.plain_file import UnreadableFileError, read_plain_file
from data.storage import replace_file

Kind = Literal["character", "bpe"]

SPECIAL_TOKENS: tuple[str, ...] = (
    "<|pad|>",
    "<|unk|>",
    "<|bos|>",
    "<|eos|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|code|>",
    "<|/code|>",
    "<|math|>",
    "<|/math|>",
    "<|reserved-0|>",
    "<|reserved-1|>",
    "<|reserved-2|>",
    "<|reserved-3|>",
    "<|reserved-4|>",
)
"""The position of a name is its id, in every tokenizer."""

MAX_FILE_BYTES = 64 * 2**20
MAX_VOCAB_SIZE = 2**20
_CHARACTERS_UP_TO = 8_000_000
_DISTINCT_UP_TO = 512
_FOREIGN_HINT = "Use the tokenizer.json of a run that rlm trained."


class Tokenizer(ABC):
    """Ids below 16 are the control tokens, the rest stand for text. Immutable."""

    kind: ClassVar[Kind]
    pad_id, unk_id, bos_id, eos_id = 0, 1, 2, 3
    role_ids: Mapping[str, int] = MappingProxyType({r: SPECIAL_TOKENS.index(f"<|{r}|>") for r in ROLES})

    def __init__(self, text_tokens: Sequence[bytes]) -> None:
        """`text_tokens[i]` is the UTF-8, or the part of it, that id 16 + i stands for."""
        unknown = "\N{REPLACEMENT CHARACTER}".encode()
        control = [unknown if i == self.unk_id else b"" for i in range(len(SPECIAL_TOKENS))]
        self._bytes = (*control, *text_tokens)
        self.vocab_size = len(self._bytes)

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """(T,) int64. No control token comes out of text, whatever it spells; only the
        character kind gives `unk_id`, for a character it has not met."""

    @abstractmethod
    def to_json(self) -> str:
        """The content of tokenizer.json, the same string for the same tokenizer."""

    @abstractmethod
    def shorten_to(self, size: int) -> "Tokenizer":
        """What it was before it grew beyond `size` tokens. Raises TokenizerError where it never was."""

    def encode_many(self, texts: Sequence[str]) -> list[np.ndarray]:
        """`encode` of each; a kind may do them together faster."""
        return [self.encode(text) for text in texts]

    def encodable_pieces(self, pieces: Iterable[str]) -> Iterator[str]:
        """The same text, cut where encoding piece by piece gives what encoding it whole would."""
        yield from pieces

    def encode_document(self, text: str) -> np.ndarray:
        """(T,) int64: bos, the text, eos."""
        return np.concatenate(([self.bos_id], self.encode(text), [self.eos_id]))

    def encode_chat(self, messages: Sequence[Message]) -> np.ndarray:
        """(T,) int64: bos, then for each message its role, its content, eos."""
        parts: list[Any] = [[self.bos_id]]
        for message, content in zip(messages, self.encode_many([m.content for m in messages]), strict=True):
            parts += [[self.role_ids[message.role]], content, [self.eos_id]]
        return np.concatenate(parts).astype(np.int64, copy=False)

    def decode(self, ids: Iterable[int], *, with_special: bool = False) -> str:
        """The text of ids. Control tokens are left out, or spelled with `with_special`; an
        unknown character and bytes that are not UTF-8 show as U+FFFD."""
        parts = (self._spelled(i) if with_special else self.token_bytes(i) for i in map(int, ids))
        return b"".join(parts).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        """What a token adds to the text: b"" for a control token, U+FFFD for an id beyond the
        vocabulary, which a model padded to a round size could produce."""
        return self._bytes[token] if 0 <= token < self.vocab_size else self._bytes[self.unk_id]

    def token_text(self, token: int) -> str:
        """A token on its own, for display; bytes that are no whole character as \\xNN."""
        return self._spelled(token).decode("utf-8", "backslashreplace")

    def stream_decoder(self) -> "StreamDecoder":
        return StreamDecoder(self)

    @property
    def hash(self) -> str:
        """Names this tokenizer by what it does: equal for equal encodings."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write tokenizer.json, whole or not at all. Raises StorageError."""
        replace_file(Path(path), [self.to_json().encode()], "the tokenizer")

    def _spelled(self, token: int) -> bytes:
        return SPECIAL_TOKENS[token].encode() if 0 <= token < len(SPECIAL_TOKENS) else self.token_bytes(token)


class StreamDecoder:
    """Text as the tokens come, never half a character. Pushed and flushed, it adds up to `decode`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """The text this token completes; a character begun and not ended is held back."""
        return self._decoder.decode(self._tokenizer.token_bytes(int(token)))

    def flush(self) -> str:
        """What was held back, as U+FFFD. The decoder starts afresh."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read a tokenizer.json that a user names, or the one in a folder; links are followed.

    Raises TokenizerError for anything wrong.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "tokenizer.json"
    return _loaded(path, follow_links=True)


def load_tokenizer_file(path: Path) -> Tokenizer:
    """Read the tokenizer.json of a run, which keeps plain files only. Raises TokenizerError."""
    return _loaded(path, follow_links=False)


def _loaded(path: Path, follow_links: bool) -> Tokenizer:
    try:
        content = read_plain_file(path, MAX_FILE_BYTES, follow_links=follow_links)
        return tokenizer_from_json(content.decode("utf-8"), origin=f"'{path}'")
    except FileNotFoundError:
        raise TokenizerError(f"There is no tokenizer at '{path}'.", hint=_FOREIGN_HINT) from None
    except UnreadableFileError as error:
        raise TokenizerError(error.message, hint=_FOREIGN_HINT) from error
    except UnicodeDecodeError:
        raise TokenizerError(f"'{path}' is not a tokenizer: it is not text.", hint=_FOREIGN_HINT) from None


def tokenizer_from_json(text: str, *, origin: str = "This tokenizer") -> Tokenizer:
    """The tokenizer that `to_json` wrote. `origin` names the source in errors.

    The file may come from a stranger: everything is checked before any of it is used.
    """
    if len(text) > MAX_FILE_BYTES:
        raise TokenizerError(f"{origin} is larger than {MAX_FILE_BYTES >> 20} MB.", hint=_FOREIGN_HINT)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise TokenizerError(
            f"{origin} is damaged: it is not JSON.",
            hint="Restore it from a copy; it also travels inside the run's model.safetensors.",
        ) from None
    model = content.get("model") if isinstance(content, dict) else None
    kind = model.get("type") if isinstance(model, dict) else None
    try:
        if kind == "WordLevel":
            from data.character_tokenizer import CharacterTokenizer

            return CharacterTokenizer.from_content(content)
        if kind == "BPE":
            from data.bpe_tokenizer import BpeTokenizer

            return BpeTokenizer.from_content(content)
    except TokenizerError as error:
        raise TokenizerError(
            f"{origin} cannot be used: {error.message}.", hint=error.hint or _FOREIGN_HINT
        ) from error
    raise TokenizerError(f"{origin} is not one of rlm's tokenizers.", hint=_FOREIGN_HINT)


def suggest_tokenizer(corpus: Corpus) -> tuple[Kind, int, str]:
    """The kind and vocabulary size that suit a corpus, and why in a sentence.

    Characters where the text is short and has few of them; else byte pairs, in a number that
    grows with the square root of the text, so that every token is still seen often.
    """
    distinct = len(corpus.character_counts)
    size = f"{corpus.characters:,} characters, {distinct:,} of them distinct"
    if corpus.characters <= _CHARACTERS_UP_TO and distinct <= _DISTINCT_UP_TO:
        return "character", distinct + len(SPECIAL_TOKENS), f"{size}: one token for each character."
    grown = 64 * round(4096 * math.sqrt(corpus.characters / _CHARACTERS_UP_TO) / 64)
    vocab_size = min(max(grown, 1024), 16384)
    return "bpe", vocab_size, f"{size}: byte-pair encoding with {vocab_size:,} tokens."


def special_token_entries() -> list[dict[str, Any]]:
    """The control tokens as tokenizer.json lists them."""
    shape = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return [{"id": i, "content": token, **shape} for i, token in enumerate(SPECIAL_TOKENS)]


def read_vocabulary(content: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """The tokens of a parsed tokenizer.json in the order of their ids, control tokens included.

    Everything but the model must equal `expected`. Raises TokenizerError with the bare reason.
    """
    for key in sorted(expected.keys() | content.keys() - {"model"}):
        if key not in expected or key not in content or content[key] != expected[key]:
            raise TokenizerError(f"its '{key}' is not what rlm writes")
    vocab = content["model"].get("vocab")
    if not isinstance(vocab, dict) or not len(SPECIAL_TOKENS) < len(vocab) <= MAX_VOCAB_SIZE:
        raise TokenizerError("it has no usable vocabulary")
    tokens: list[str | None] = [None] * len(vocab)
    for token, index in vocab.items():
        if type(index) is not int or not 0 <= index < len(vocab) or tokens[index] is not None:
            raise TokenizerError("its ids are not 0, 1, 2, …, each once")
        tokens[index] = token
    ordered = [token for token in tokens if token is not None]
    if tuple(ordered[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise TokenizerError("its control tokens are not the first sixteen ids")
    return ordered
