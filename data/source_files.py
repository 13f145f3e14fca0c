"""The files behind the paths a user gives: folders are searched, and streams are copied into the cache."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from data.cache import CACHE_HINT, cache_dir
from data.errors import CorpusError, UsageError
from data.nearest import nearest
from data.storage import move_into_place, storing, temporary_beside, write_file

Format = Literal["text", "jsonl"]

READABLE = ".txt, .md, .jsonl, and these with .gz"
_FORMATS: dict[str, Format] = {".txt": "text", ".md": "text", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_BLOCK = 2**20
_SNIFFED = 64 * 2**10
_GZIP_MAGIC = b"\x1f\x8b"
_MAY_HOLD_NUL = (_GZIP_MAGIC, b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")  # packed, or UTF-16, or UTF-32


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read. Where the user `named` it, a fault in it is an error; a faulty file that was found in
    a folder is skipped with a note."""

    path: Path
    label: str
    format: Format
    named: bool

    def size(self) -> int:
        """Bytes on the disk; 0 for a file that has gone."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


def find_source_files(paths: Sequence[str | Path]) -> tuple[list[SourceFile], list[str]]:
    """The files behind `paths`, each once, and notes for the user. The paths keep their order; the files of
    a folder are sorted by their paths.

    Raises UsageError for a path that does not exist, CorpusError for one that holds no text.
    """
    if not paths:
        raise UsageError(
            "No text was given.", hint=f"Name a file or a folder: {READABLE}, or - for standard input."
        )
    found: dict[Path, SourceFile] = {}
    notes: list[str] = []
    for given in paths:
        for source in _sources_at(given, notes):
            source_path = source.path.resolve()
            if source_path in found:
                notes.append(f"'{source.label}' was given twice and is read once.")
            found.setdefault(source_path, source)
    return list(found.values()), notes


def count_files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _sources_at(given: str | Path, notes: list[str]) -> list[SourceFile]:
    if str(given) == "-":
        if sys.stdin is None:
            raise UsageError("There is no standard input.", hint="Name a file.")
        return [_copy_to_cache(sys.stdin.buffer, "standard input")]
    path = Path(os.path.expanduser(given))
    try:
        path.stat()
    except FileNotFoundError:
        raise UsageError(f"There is no file or folder '{path}'.", hint=_nearest(path)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"'{_shorten(str(path))}' cannot be read: {reason}.") from error
    if path.is_dir():
        return _in_folder(path, notes)
    if not path.is_file():
        with _open(path) as stream:
            return [_copy_to_cache(stream, str(path))]
    known = _format_of(path)
    if known is None and _begins_as_jsonl(path):
        known = "jsonl"
    if known is None:
        notes.append(f"'{path.name}' is read as plain text.")
    return [SourceFile(_as_typed(path), path.name, known or "text", named=True)]


def _as_typed(path: Path) -> Path:
    """The absolute path, with its own name where it is a link: the name tells the format and packing."""
    return path.parent.resolve() / path.name


def _begins_as_jsonl(path: Path) -> bool:
    """Whether a file of another name begins with a line of JSON Lines."""
    try:
        with path.open("rb") as raw:
            return _looks_like_jsonl(raw.read(_SNIFFED))
    except OSError:
        return False


def _in_folder(folder: Path, notes: list[str]) -> list[SourceFile]:
    """Every readable file below a folder in the order of their paths, without hidden ones."""
    found: list[SourceFile] = []
    others = 0
    for parent, folders, files in os.walk(folder, onerror=_folder_refused):
        linked = [name for name in folders if Path(parent, name).is_symlink() and not name.startswith(".")]
        notes += [f"The linked folder '{Path(parent, name)}' is left out." for name in sorted(linked)]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            path = Path(parent, name)
            if name.startswith("."):
                continue
            known = _format_of(path)
            if path.suffix.lower() == ".json" and path.is_file() and _begins_as_jsonl(path):
                known = "jsonl"
            if known is None:
                others += 1
                continue
            label = path.relative_to(folder).as_posix()
            found.append(SourceFile(_as_typed(path), label, known, named=False))
    if not found:
        but = f" that can be read, but {count_files(others)} of other types" if others else ""
        raise CorpusError(f"The folder '{folder}' holds no text{but}.", hint=f"These are read: {READABLE}.")
    if others:
        notes.append(f"{count_files(others)} of other types in '{folder}' left out.")
    return sorted(found, key=lambda source: source.label)


def _folder_refused(error: OSError) -> None:
    raise CorpusError(
        f"The folder '{error.filename}' cannot be read: {error.strerror}.", hint="Check its permissions."
    ) from error


def _format_of(path: Path) -> Format | None:
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return _FORMATS.get(name.suffix.lower())


def _nearest(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"Name a file or a folder that exists: {READABLE}."
    close = nearest(path.name, names, count=3)
    if not close:
        return f"Name a file or a folder that exists: {READABLE}."
    return f"Did you mean {' or '.join(repr(str(path.parent / name)) for name in close)}?"


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise CorpusError(
            f"'{path}' cannot be read: {error.strerror}.", hint="Check its permissions."
        ) from error


def _copy_to_cache(stream: BinaryIO, label: str) -> SourceFile:
    """A stream written to a file in the cache, because a corpus is read more than once.

    The file is named by its content, so that the same text takes its space once.
    """
    folder = cache_dir() / "standard-input"
    with storing(f"what came from {label} in '{folder}'", CACHE_HINT):
        folder.mkdir(exist_ok=True)
        with temporary_beside(folder / "stream") as temporary:
            blocks = _StreamBlocks(stream, label)
            digest = write_file(temporary, blocks)
            if not blocks.head:
                raise CorpusError(
                    f"Nothing came from {label}.",
                    hint="Pipe some in: put 'cat book.txt |' before the command.",
                )
            format: Format = "jsonl" if _looks_like_jsonl(blocks.head) else "text"
            ending = {"jsonl": ".jsonl", "text": ".txt"}[format]
            if blocks.head.startswith(_GZIP_MAGIC):
                ending += ".gz"
            path = folder / (digest.sha256[:32] + ending)
            move_into_place(temporary, path)
    return SourceFile(path, label, format, named=True)


class _StreamBlocks:
    """The bytes of a stream in blocks, read once. Raises CorpusError where they are not text."""

    def __init__(self, stream: BinaryIO, label: str) -> None:
        self.head = b""
        """The beginning of the stream, as far as it has been read."""
        self._stream = stream
        self._label = label

    def __iter__(self) -> Iterator[bytes]:
        while block := self._stream.read(_BLOCK):
            self.head = self.head or block[:_SNIFFED]
            if b"\0" in block and not self.head.startswith(_MAY_HOLD_NUL):
                raise CorpusError(
                    f"What came from {self._label} is binary, not text.", hint="Pipe plain text in."
                )
            yield block


def _looks_like_jsonl(head: bytes) -> bool:
    """Whether the first line is a JSON object, or the first one of an array with a record a line."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().removeprefix(b"[").lstrip()
    first = start.split(b"\n", 1)[0].rstrip().removesuffix(b",")
    if not first.startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return (
            len(head) == _SNIFFED
            and b"\n" not in head
            and first.startswith((b'{"messages"', b'{"text"', b'{"prompt"'))
        )


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
