"""The folders and text files that a path which is being typed may mean, and those nearby. Torch-free."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from data.safe_text import safe_text

MOST = 200
MOST_NEARBY = 30
_LEAST_NEARBY = 2000
"""Bytes below which a file nearby is not offered: a model needs a few thousand characters."""
_LOOKED_AT = 2000
"""Entries of folders that are looked at for texts nearby."""
_ENDINGS = (
    *(".txt", ".md", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow"),
    *(".gz", ".zst"),
)


@dataclass(frozen=True, slots=True)
class PathEntry:
    """A path to choose. Folders to look into end with a slash."""

    path: str
    label: str
    size: int | None = None
    """Bytes of a file; None for a folder."""


def matching_paths(typed: str) -> list[PathEntry]:
    """Entries whose paths begin with `typed`: folders first, then text files, then the folder above.

    A folder that holds texts can be chosen as a whole too, by the path without a slash, which comes first.
    Hidden ones are left out unless a dot is typed. Empty where the folder cannot be read.
    """
    folder, start = os.path.split(typed)
    found: list[tuple[bool, PathEntry]] = []
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            for entry in entries:
                name = entry.name
                if not name.lower().startswith(start.lower()) or name.startswith(".") != start.startswith(
                    "."
                ):
                    continue
                is_folder = entry.is_dir()
                if not (is_folder or _is_text(name)) or safe_text(name) != name:
                    continue
                path = os.path.join(folder, name) + ("/" if is_folder else "")
                label = name + ("/" if is_folder else "")
                found.append((not is_folder, PathEntry(path, label, None if is_folder else _size(entry))))
    except (OSError, ValueError):  # not there, no permission, a zero byte
        return []
    found.sort(key=lambda one: (one[0], one[1].path))
    entries_found = [one for _, one in found[:MOST]]
    if folder and not start:
        if any(is_text for is_text, _ in found) and not folder.endswith("/"):
            entries_found.insert(0, PathEntry(folder, "all texts in this folder"))
        above = os.path.join(os.path.normpath(os.path.join(os.path.expanduser(folder), os.pardir)), "")
        entries_found.append(PathEntry(above, "../"))
    return entries_found


def nearby_texts(folder: str = ".") -> list[PathEntry]:
    """Texts in a folder and in those in it, by their paths from it: the largest first, Markdown last."""
    found = []
    looked_at = 0
    for entry in _entries(folder):
        inside = _entries(entry.path) if _is_open_folder(entry) else iter((entry,))
        for one in inside:
            looked_at += 1
            name = os.path.relpath(one.path, folder)
            if _is_text(name) and one.is_file() and safe_text(name) == name and not one.name.startswith("."):
                found.append(PathEntry(name, name, _size(one)))
            if looked_at >= _LOOKED_AT:
                break
    large = [one for one in found if (one.size or 0) >= _LEAST_NEARBY]
    # Markdown is most often about a program, and no text to learn from.
    return sorted(large, key=lambda one: (one.path.endswith(".md"), -(one.size or 0), one.path))[:MOST_NEARBY]


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def _is_open_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
    except OSError:
        return False


def _is_text(name: str) -> bool:
    return name.lower().endswith(_ENDINGS)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0
