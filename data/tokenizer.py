"""Text to token ids and back: the interface of all kinds of tokenizers, and how one is read from a file.

The kinds are in `character_tokenizer` and `bpe_tokenizer`: three kinds of byte pairs differ in the
`word_rules` they cut a text by. All write a `tokenizer.json` that the
`tokenizers` library reads. Text never becomes a control token, whatever it spells: their ids are added by
role.
"""

import codecs
import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np

from data.corpus import Corpus
from data.document import ROLES, Message, without_surrogates
from data.errors import TokenizerError
from data.plain_file import UnreadableFileError, read_plain_file
from data.storage import replace_file

Kind = Literal["character", "bpe", "technical", "technical:nfkc"]
KINDS: tuple[Kind, ...] = get_args(Kind)

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
"""The position of a control token is its id, in every tokenizer.

The roles come from the records of conversations. Nothing writes the marks of code and of formulas: no
tokenizer.json could put them around what they mark, and other programs would then read other ids.
"""

MAX_FILE_BYTES = 64 * 2**20
MAX_VOCAB_SIZE = 2**20
FEWEST_SUGGESTED = 1024
"""The smallest vocabulary of byte pairs that is suggested for a text."""
_CHARACTERS_UP_TO = 8_000_000
_DISTINCT_UP_TO = 512
_FOREIGN_HINT = "Use the tokenizer.json of a run that rlm trained."


class Tokenizer(ABC):
    """Ids below 16 are the control tokens, the others are text. Immutable."""

    kind: Kind
    pad_id, unk_id, bos_id, eos_id = 0, 1, 2, 3
    role_ids: Mapping[str, int] = MappingProxyType({r: SPECIAL_TOKENS.index(f"<|{r}|>") for r in ROLES})

    def __init__(self, text_tokens: Sequence[bytes]) -> None:
        """`text_tokens[i]` are the bytes, in UTF-8, of id 16 + i; they can be a part of a character."""
        unknown = "\N{REPLACEMENT CHARACTER}".encode()
        control = [unknown if i == self.unk_id else b"" for i in range(len(SPECIAL_TOKENS))]
        self._bytes = (*control, *text_tokens)
        self.vocab_size = len(self._bytes)

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """(T,) int64. Text never becomes a control token, except that a character tokenizer gives `unk_id`
        for a character it lacks."""

    @abstractmethod
    def to_json(self) -> str:
        """The content of tokenizer.json, the same string for the same tokenizer."""

    @abstractmethod
    def shorten_to(self, size: int) -> "Tokenizer":
        """The tokenizer as it was when it had `size` tokens. Raises TokenizerError where it never had."""

    def normalize(self, text: str) -> str:
        """What the tokens of a text decode to, but for characters that a character tokenizer lacks: the text
        without surrogates; with NFKC, in that form."""
        return without_surrogates(text)

    def encode_many(self, texts: Sequence[str]) -> list[np.ndarray]:
        """`encode` of each text; a byte-pair tokenizer encodes them in parallel."""
        return [self.encode(text) for text in texts]

    def encodable_pieces(self, pieces: Iterable[str]) -> Iterator[str]:
        """The same text in other pieces: encoding them one by one gives the same as encoding the whole."""
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
        """The text of ids. Control tokens are left out, or spelled out with `with_special`; an unknown
        character and bytes that are not UTF-8 become U+FFFD."""
        parts = (self._spell(i) if with_special else self.token_bytes(i) for i in map(int, ids))
        return b"".join(parts).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        """The bytes of a token: b"" for a control token, U+FFFD for an id beyond the vocabulary, which a
        model padded to a round size can produce."""
        return self._bytes[token] if 0 <= token < self.vocab_size else self._bytes[self.unk_id]

    def token_text(self, token: int) -> str:
        """One token for display; bytes that are not a whole character are written as \\xNN."""
        return self._spell(token).decode("utf-8", "backslashreplace")

    @property
    def kind_in_words(self) -> str:
        """The kind, and whether it loses something of a text."""
        return f"{self.kind} (lossy)" if self.kind == "technical:nfkc" else self.kind

    def stream_decoder(self) -> "StreamDecoder":
        return StreamDecoder(self)

    @property
    def hash(self) -> str:
        """The hash of tokenizer.json: equal for tokenizers that encode alike."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write tokenizer.json, whole or not at all. Raises StorageError."""
        replace_file(Path(path), [self.to_json().encode()], "the tokenizer")

    def _spell(self, token: int) -> bytes:
        return SPECIAL_TOKENS[token].encode() if 0 <= token < len(SPECIAL_TOKENS) else self.token_bytes(token)


class StreamDecoder:
    """Decodes tokens one by one into whole characters; all of its text together is that of `decode`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """The text that this token completes; an incomplete character waits for the next tokens."""
        return self._decoder.decode(self._tokenizer.token_bytes(int(token)))

    def flush(self) -> str:
        """U+FFFD for an incomplete character, else "". The decoder is then as new."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read a tokenizer.json that a user names, or the one in the folder `path`; links are followed.

    Raises TokenizerError where there is none or it cannot be used.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "tokenizer.json"
    return _load(path, follow_links=True)


def load_tokenizer_file(path: Path) -> Tokenizer:
    """Read a tokenizer.json of a run, which must be a plain file and not a link. Raises TokenizerError."""
    return _load(path, follow_links=False)


def _load(path: Path, follow_links: bool) -> Tokenizer:
    try:
        content = read_plain_file(path, MAX_FILE_BYTES, follow_links=follow_links)
        return tokenizer_from_json(content.decode("utf-8-sig"), origin=f"'{path}'")
    except FileNotFoundError:
        raise TokenizerError(f"There is no tokenizer at '{path}'.", hint=_FOREIGN_HINT) from None
    except UnreadableFileError as error:
        raise TokenizerError(error.message, hint=_FOREIGN_HINT) from error
    except UnicodeDecodeError:
        raise TokenizerError(f"'{path}' is not a tokenizer: it is not text.", hint=_FOREIGN_HINT) from None


def tokenizer_from_json(text: str, *, origin: str = "This tokenizer") -> Tokenizer:
    """The tokenizer that `to_json` wrote. Errors call its source `origin`.

    The text may come from a stranger, so all of it is checked before it is used. Raises TokenizerError.
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
    """The kind and vocabulary size that suit a corpus, and the reason: what the text is.

    Characters for a short text that has few different ones. Else byte pairs; their number grows with the
    square root of the text's length, so that every token occurs often.
    """
    distinct = len(corpus.character_counts)
    if corpus.characters <= _CHARACTERS_UP_TO and distinct <= _DISTINCT_UP_TO:
        return "character", distinct + len(SPECIAL_TOKENS), f"the text has {distinct:,} different characters"
    grown = 64 * round(4096 * math.sqrt(corpus.characters / _CHARACTERS_UP_TO) / 64)
    vocab_size = min(max(grown, FEWEST_SUGGESTED), 16384)
    return "bpe", vocab_size, f"the text has {corpus.characters:,} characters, {distinct:,} different ones"


def special_token_entries() -> list[dict[str, Any]]:
    """The control tokens as tokenizer.json lists them."""
    shape = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return [{"id": i, "content": token, **shape} for i, token in enumerate(SPECIAL_TOKENS)]


def read_vocabulary(content: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """The tokens of a parsed tokenizer.json in the order of their ids, control tokens included.

    All of it but the model must equal `expected`. Raises TokenizerError whose message is the reason alone.
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
