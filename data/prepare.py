"""A corpus to token files. They are made once, memory-mapped, and found again by what they hold.

The tokens of a split are: plain texts as they are, with eos between files; documents as bos, text, eos;
conversations as `Tokenizer.encode_chat` encodes them. Nothing is dropped.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from data.cache import CACHE_HINT, cache_lock
from data.cache import cache_dir as cache_folder
from data.corpus import Corpus, Kind
from data.document import Document, Split
from data.errors import CorpusError
from data.plain_file import UnreadableFileError, open_plain_file, read_plain_file
from data.progress import Progress
from data.storage import (
    TEMPORARY_PREFIX,
    move_into_place,
    remove_entry,
    require_space,
    storing,
    sync_directory,
    temporary_beside,
    write_file,
)
from data.tokenizer import Tokenizer

FORMAT_VERSION = 1

_BATCH_CHARACTERS = 2**18
_LARGEST_META = 1 << 20  # bytes
_TYPES = {"uint8": 2**8, "uint16": 2**16, "uint32": 2**32}


@dataclass(frozen=True, slots=True)
class PreparedData:
    """The token files of a corpus. `train` and `validation` are (N,) read-only memory maps of
    the smallest of uint8, uint16 and uint32 that holds the vocabulary."""

    path: Path
    train: np.ndarray
    validation: np.ndarray
    train_tokens: int
    validation_tokens: int
    validation_bytes: int
    """Of the validation text in UTF-8: the divisor of bits per byte."""
    unknown_characters: int
    """In both splits; only a character tokenizer can have any."""

    def fills_context(self, context_length: int) -> bool:
        """Whether there is enough to train with that context, and to measure on."""
        return self.train_tokens > context_length and self.validation_tokens >= 2


class TokenCounts(Protocol):
    """How many tokens a text or a mix has."""

    @property
    def path(self) -> Path: ...
    @property
    def train_tokens(self) -> int: ...
    @property
    def validation_tokens(self) -> int: ...
    @property
    def validation_bytes(self) -> int: ...
    @property
    def unknown_characters(self) -> int: ...

    def fills_context(self, context_length: int) -> bool:
        """Whether there is enough to train with that context, and to measure on."""


def prepare(
    corpus: Corpus, tokenizer: Tokenizer, cache_dir: str | Path | None = None
) -> Generator[Progress, None, PreparedData]:
    """Tokenise a corpus, or find its tokens in the cache; returns the data.

    Waits where another process tokenises the same. Closing the generator removes what it wrote. Raises
    CorpusError where the text changed, StorageError where the cache cannot be written.
    """
    folder = cache_folder(cache_dir)
    key = _key(corpus, tokenizer)
    path = folder / key
    with storing(f"the tokens in '{folder}'", CACHE_HINT):
        waiting = Progress("tokenizing", 0, corpus.characters, "characters")
        lock = yield from cache_lock(folder / f"{key}.lock", waiting)
        try:
            if not _is_complete(path):
                yield from _write_folder(path, corpus, tokenizer)
        finally:
            lock.release()
    return _open_folder(path)


def open_prepared(path: str | Path) -> PreparedData:
    """The data in the folder `path` that `prepare` made, or in the folder of that name in the cache.

    It is read once to verify its hashes, which takes a second for a gigabyte. Raises CorpusError where it is
    missing or damaged.
    """
    path = Path(path)
    if not path.is_dir():
        path = cache_folder() / path.name
    if not _is_complete(path):
        raise CorpusError(
            f"The prepared text '{path}' is gone or damaged.",
            hint="Prepare it again from the text it was made from.",
        )
    return _open_folder(path)


def _open_folder(path: Path) -> PreparedData:
    meta = _read_meta(path)
    return PreparedData(
        path=path,
        train=_map_tokens(path / "train.bin", meta["dtype"]),
        validation=_map_tokens(path / "validation.bin", meta["dtype"]),
        train_tokens=meta["train_tokens"],
        validation_tokens=meta["validation_tokens"],
        validation_bytes=meta["validation_bytes"],
        unknown_characters=meta["unknown_characters"],
    )


def _key(corpus: Corpus, tokenizer: Tokenizer) -> str:
    identity = f"{FORMAT_VERSION}:{corpus.content_hash}:{tokenizer.hash}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _write_folder(path: Path, corpus: Corpus, tokenizer: Tokenizer) -> Iterator[Progress]:
    """Write the token files into a temporary folder and move it to `path`; the caller holds the lock."""
    dtype = next(name for name, size in _TYPES.items() if tokenizer.vocab_size <= size)
    for stale in path.parent.glob(f"{TEMPORARY_PREFIX}{path.name}-*"):
        with contextlib.suppress(OSError):
            remove_entry(stale)
    _require_space(path.parent, corpus, tokenizer, np.dtype(dtype).itemsize)
    with temporary_beside(path) as temporary:
        temporary.mkdir()
        writers = yield from _write_tokens(temporary, corpus, tokenizer, dtype)
        yield Progress("tokenizing", corpus.characters, corpus.characters, "characters")
        meta: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "corpus": corpus.name,
            "content_hash": corpus.content_hash,
            "tokenizer_hash": tokenizer.hash,
            "dtype": dtype,
            "train_tokens": writers["train"].tokens,
            "validation_tokens": writers["validation"].tokens,
            "validation_bytes": writers["validation"].text_bytes,
            "unknown_characters": sum(writer.unknown for writer in writers.values()),
            **{f"{split}_hash": writer.hash.hexdigest() for split, writer in writers.items()},
        }
        meta["checksum"] = _checksum(meta)
        write_file(temporary / "meta.json", [json.dumps(meta, indent=1).encode()])
        sync_directory(temporary)
        if os.path.lexists(path):
            remove_entry(path)
        move_into_place(temporary, path)


def _write_tokens(
    folder: Path, corpus: Corpus, tokenizer: Tokenizer, dtype: str
) -> Generator[Progress, None, "dict[Split, _SplitWriter]"]:
    """Write the tokens of both parts, and return what counted them."""
    writers: dict[Split, _SplitWriter] = {}
    with contextlib.ExitStack() as files:
        for split in ("train", "validation"):
            file = files.enter_context((folder / f"{split}.bin").open("wb"))
            writers[split] = _SplitWriter(file, tokenizer, dtype)
        for split, document in corpus.split_documents():
            for segment in segments(document, tokenizer, corpus.kind, is_first=writers[split].is_empty):
                if writers[split].add(segment):
                    done = sum(writer.characters for writer in writers.values())
                    yield Progress("tokenizing", done, corpus.characters, "characters")
        for writer in writers.values():
            writer.finish()
    return writers


class _SplitWriter:
    """Encodes one split into its file, and counts.

    Encodes about 262,144 characters at a time: enough work for all cores, and short enough to react to an
    interrupt.
    """

    def __init__(self, file: BinaryIO, tokenizer: Tokenizer, dtype: str) -> None:
        self.tokens = self.characters = self.text_bytes = self.unknown = 0
        self.hash = hashlib.blake2b()
        self._file = file
        self._tokenizer = tokenizer
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._batch: list[str | int] = []
        self._waiting = 0

    @property
    def is_empty(self) -> bool:
        return not self.tokens and not self._batch

    def add(self, segment: str | int) -> bool:
        """Add a text or a control token. Returns whether a batch was written."""
        self._batch.append(segment)
        self._waiting += len(segment) if isinstance(segment, str) else 1
        full = self._waiting >= _BATCH_CHARACTERS
        if full:
            self._write()
        return full

    def finish(self) -> None:
        """Write the rest, and sync the file."""
        if self._batch:
            self._write()
        self._file.flush()
        os.fsync(self._file.fileno())

    def _write(self) -> None:
        texts = [part for part in self._batch if isinstance(part, str)]
        encoded = iter(self._tokenizer.encode_many(texts))
        ids = np.concatenate([next(encoded) if isinstance(part, str) else [part] for part in self._batch])
        written = ids.astype(self._dtype).tobytes()
        self._file.write(written)
        self.hash.update(written)
        self.tokens += len(ids)
        self.unknown += int(np.count_nonzero(ids == self._tokenizer.unk_id))
        self.characters += sum(map(len, texts))
        self.text_bytes += sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
        self._batch, self._waiting = [], 0


def segments(document: Document, tokenizer: Tokenizer, kind: Kind, is_first: bool) -> Iterator[str | int]:
    """A document as texts to encode and the control tokens around them."""
    if document.messages is not None:
        yield tokenizer.bos_id
        for message in document.messages:
            yield tokenizer.role_ids[message.role]
            yield from tokenizer.encodable_pieces([message.content])
            yield tokenizer.eos_id
    elif kind == "text":
        if not is_first:
            yield tokenizer.eos_id
        yield from tokenizer.encodable_pieces(document.pieces or ())
    else:
        yield tokenizer.bos_id
        yield from tokenizer.encodable_pieces(document.pieces or ())
        yield tokenizer.eos_id


def _require_space(folder: Path, corpus: Corpus, tokenizer: Tokenizer, itemsize: int) -> None:
    """Raise StorageError where the tokens will not fit. A byte-pair token has two bytes or more on
    average."""
    tokens = corpus.characters if tokenizer.kind == "character" else corpus.bytes // 2
    require_space(folder, tokens * itemsize, f"the tokens in '{folder}'", CACHE_HINT)


def _is_complete(path: Path) -> bool:
    """Whether the folder holds what `_write_folder` wrote. Reads all of it."""
    try:
        meta = _read_meta(path)
        itemsize = np.dtype(meta["dtype"]).itemsize
        for split in ("train", "validation"):
            with open_plain_file(path / f"{split}.bin", follow_links=False) as file:
                if os.fstat(file.fileno()).st_size != meta[f"{split}_tokens"] * itemsize:
                    return False
                expected = meta.get(f"{split}_hash")  # earlier versions wrote none
                if expected and hashlib.file_digest(file, hashlib.blake2b).hexdigest() != expected:
                    return False
    except (OSError, UnreadableFileError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return True


def _read_meta(path: Path) -> dict[str, Any]:
    """The content of meta.json.

    Raises OSError, UnreadableFileError, and ValueError or RecursionError where it is not usable.
    """
    meta = json.loads(read_plain_file(path / "meta.json", _LARGEST_META))
    counts = ("train_tokens", "validation_tokens", "validation_bytes", "unknown_characters")
    if not isinstance(meta, dict) or meta.get("format_version") != FORMAT_VERSION:
        raise ValueError("not a meta.json of this version")
    if meta.get("dtype") not in _TYPES or not all(type(meta.get(count)) is int for count in counts):
        raise ValueError("a damaged meta.json")
    if meta.get("checksum", expected := _checksum(meta)) != expected:  # earlier versions wrote none
        raise ValueError("a meta.json that is not what was written")
    return meta


def _checksum(meta: dict[str, Any]) -> str:
    content = {key: value for key, value in meta.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _map_tokens(path: Path, dtype: str) -> np.ndarray:
    kind = np.dtype(dtype).newbyteorder("<")
    with open_plain_file(path, follow_links=False) as file:
        if not os.fstat(file.fileno()).st_size:
            return np.zeros(0, dtype=kind)
        return np.memmap(file, dtype=kind, mode="r")
