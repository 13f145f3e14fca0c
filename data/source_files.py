"""The files behind the paths a user gives: folders are searched, and streams are copied into the cache."""

import codecs
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from data.cache import CACHE_HINT, cache_dir
from data.errors import CorpusError, UsageError
from data.file_encoding import encoding_of_head
from data.jsonl import begins_with_record
from data.nearest import nearest
from data.storage import clear_temporaries, move_into_place, storing, temporary_beside, write_file
from data.text_reader import HEAD_BYTES, first_bytes, has_many_nuls

Format = Literal["text", "jsonl"]

READABLE = ".txt, .md, .jsonl, .json, and these with .gz"
_FORMATS: dict[str, Format] = {".txt": "text", ".md": "text", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_BLOCK = 2**20
_LONGEST_STREAM_S = 24 * 3600.0
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read. Where the user `named` it, a fault in it is an error; a faulty file that was found in
    a folder is skipped with a note."""

    path: Path
    label: str
    format: Format
    named: bool
    is_copy: bool = False
    """Whether it is a copy of a stream, which cannot be read twice."""

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
    repeated: dict[Path, str] = {}
    for given in paths:
        for source in _sources_at(given, notes):
            source_path = source.path.resolve()
            if source_path in found:
                repeated[source_path] = source.label
            found.setdefault(source_path, source)
    if len(repeated) == 1:
        notes.append(f"'{next(iter(repeated.values()))}' was given twice and is read once.")
    elif repeated:
        notes.append(f"{len(repeated)} files were given twice and are read once.")
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
    if known is None and _holds_records(path):
        known = "jsonl"
    if known is None:
        notes.append(f"'{path.name}' is read as plain text.")
    return [SourceFile(_as_typed(path), path.name, known or "text", named=True)]


def _as_typed(path: Path) -> Path:
    """The absolute path, with its own name where it is a link: the name tells the format and packing."""
    return path.parent.resolve() / path.name


def _holds_records(path: Path) -> bool:
    """Whether a file begins with a JSON record, or cannot be read, which is said when it is."""
    try:
        head = first_bytes(path, path.name)
    except CorpusError:
        return True
    return _begins_with_record(head)


def _in_folder(folder: Path, notes: list[str]) -> list[SourceFile]:
    """Every readable file below a folder in the order of their paths, without hidden ones."""
    found: list[SourceFile] = []
    others = 0
    for path in _files_below(folder, notes):
        known = _format_of(path)
        if _type_of(path) == ".json" and path.is_file() and _holds_records(path):
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


def _files_below(folder: Path, notes: list[str]) -> Iterator[Path]:
    """The files of a folder and of those below it, and notes on links that lead elsewhere.

    A linked folder is searched last, unless its files have come before, so a circle of links ends. A link
    to a folder above the given one is not followed.
    """
    root = Path(os.path.realpath(folder))
    searched: set[str] = set()
    elsewhere: list[str] = []
    above: list[str] = []
    waiting = [folder]
    for top in waiting:
        target = os.path.realpath(top)
        if target not in searched and not Path(target).is_relative_to(root):
            kind = above if root.is_relative_to(target) else elsewhere
            kind.append(f"'{top.relative_to(folder).as_posix()}' ('{target}')")
            if kind is above:
                continue
        for parent, folders, files in os.walk(top, onerror=_folder_refused):
            real = os.path.realpath(parent)
            folders[:] = [] if real in searched else sorted(name for name in folders if name[0] != ".")
            if real not in searched:
                searched.add(real)
                yield from (Path(parent, name) for name in files if name[0] != ".")
            waiting += [path for name in folders if (path := Path(parent, name)).is_symlink()]
    if above:
        notes.append(f"Links to folders above '{folder}' left out: {', '.join(above)}.")
    if elsewhere:
        notes.append(f"Linked folders outside '{folder}' are read too: {', '.join(elsewhere)}.")


def _folder_refused(error: OSError) -> None:
    raise CorpusError(
        f"The folder '{error.filename}' cannot be read: {error.strerror}.", hint="Check its permissions."
    ) from error


def _format_of(path: Path) -> Format | None:
    return _FORMATS.get(_type_of(path))


def _type_of(path: Path) -> str:
    """The ending of a name in small letters, without .gz."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


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
        clear_temporaries(folder, _LONGEST_STREAM_S)
        with temporary_beside(folder / "stream") as temporary:
            blocks = _StreamBlocks(stream, label)
            digest = write_file(temporary, blocks)
            if not blocks.head:
                raise CorpusError(
                    f"Nothing came from {label}.",
                    hint="Pipe some in: put 'cat book.txt |' before the command.",
                )
            format: Format = "jsonl" if _begins_with_record(_unpacked(blocks.head)) else "text"
            ending = {"jsonl": ".jsonl", "text": ".txt"}[format]
            if blocks.head.startswith(_GZIP_MAGIC):
                ending += ".gz"
            path = folder / (digest.sha256[:32] + ending)
            move_into_place(temporary, path)
    return SourceFile(path, label, format, named=True, is_copy=True)


class _StreamBlocks:
    """The bytes of a stream in blocks, read once. Raises CorpusError where they are not text."""

    def __init__(self, stream: BinaryIO, label: str) -> None:
        self.head = b""
        """The beginning of the stream, as far as it has been read."""
        self._stream = stream
        self._label = label

    def __iter__(self) -> Iterator[bytes]:
        has_nuls = False
        while block := self._stream.read(_BLOCK):
            if not self.head:
                self.head = block[:HEAD_BYTES]
                has_nuls = self.head.startswith(_GZIP_MAGIC) or encoding_of_head(self.head).is_wide
            if not has_nuls and has_many_nuls(block):
                raise CorpusError(
                    f"What came from {self._label} is binary, not text.", hint="Pipe plain text in."
                )
            yield block


def _begins_with_record(head: bytes) -> bool:
    encoding = encoding_of_head(head).name
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    return begins_with_record(text, is_whole=len(head) < HEAD_BYTES)


def _unpacked(head: bytes) -> bytes:
    """The beginning of a stream, unpacked where it is gzip."""
    if not head.startswith(_GZIP_MAGIC):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return b""  # the fault is told when the text is read


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
