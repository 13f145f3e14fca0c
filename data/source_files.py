"""The files behind the paths a user gives: folders are searched, and streams are copied into the cache."""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from data.errors import CorpusError, UsageError
from data.file_format import FORMATS, Format, format_by_content, format_by_name, type_of
from data.nearest import nearest
from data.other_formats import CONVERSIONS
from data.stream_copy import copy_to_cache
from data.text_reader import first_bytes

READABLE = f"{', '.join(FORMATS)}, .json; all but .parquet and .arrow also with .gz or .zst"


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
        return [_copied(sys.stdin.buffer, "standard input")]
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
            return [_copied(stream, str(path))]
    known = format_by_name(path) or _format_inside(path)
    if known is None:
        notes.append(f"'{path.name}' is read as plain text.")
    return [SourceFile(_as_typed(path), path.name, known or "text", named=True)]


def _copied(stream: BinaryIO, label: str) -> SourceFile:
    path, format = copy_to_cache(stream, label)
    return SourceFile(path, label, format, named=True, is_copy=True)


def _as_typed(path: Path) -> Path:
    """The absolute path, with its own name where it is a link: the name tells the format and packing."""
    return path.parent.resolve() / path.name


def _format_inside(path: Path) -> Format | None:
    """The format that the first bytes of a file show. That of a file which cannot be read is one that says
    so."""
    try:
        head = first_bytes(path, path.name)
    except CorpusError:
        return "jsonl"
    return format_by_content(head)


def _in_folder(folder: Path, notes: list[str]) -> list[SourceFile]:
    """Every readable file below a folder in the order of their paths, without hidden ones."""
    found: list[SourceFile] = []
    others: list[str] = []
    for path in _files_below(folder, notes):
        known = format_by_name(path)
        if type_of(path) == ".json" and path.is_file() and _format_inside(path) == "jsonl":
            known = "jsonl"
        if known is None:
            others.append(type_of(path))
            continue
        label = path.relative_to(folder).as_posix()
        found.append(SourceFile(_as_typed(path), label, known, named=False))
    if not found:
        but = f" that can be read, but {count_files(len(others))} of other types" if others else ""
        raise CorpusError(f"The folder '{folder}' holds no text{but}.", hint=f"These are read: {READABLE}.")
    if others:
        notes.append(f"{count_files(len(others))} of other types in '{folder}' left out.{_documents(others)}")
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


def _documents(types: Sequence[str]) -> str:
    """A sentence on those of the files that are documents, by their types, or ""."""
    found = Counter(one for one in types if one in CONVERSIONS)
    if not found:
        return ""
    counts = ", ".join(f"{count} {ending}" for ending, count in sorted(found.items()))
    return f" Among them {counts}: save these as .txt to learn them."


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


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
