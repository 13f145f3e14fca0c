"""The folders and text files that a path which is being typed may mean. Needs neither torch nor textual."""

import os
from collections.abc import Mapping
from pathlib import Path

from data.safe_text import safe_text

MOST = 200
_ENDINGS = (".txt", ".md", ".jsonl", ".ndjson", ".json", ".gz")


def matching_paths(typed: str) -> list[str]:
    """Paths that begin with `typed`: folders first, with a slash at their end, then text files.

    Hidden ones are left out unless a dot is typed. Empty where the folder cannot be read.
    """
    folder, start = os.path.split(typed)
    found: list[tuple[bool, str]] = []
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            for entry in entries:
                name = entry.name
                if not name.lower().startswith(start.lower()) or name.startswith(".") != start.startswith(
                    "."
                ):
                    continue
                is_folder = entry.is_dir()
                if (is_folder or name.lower().endswith(_ENDINGS)) and safe_text(name) == name:
                    found.append((not is_folder, os.path.join(folder, name) + ("/" if is_folder else "")))
    except (OSError, ValueError):  # not there, no permission, a zero byte
        return []
    return [path for _, path in sorted(found)[:MOST]]


def train_arguments(path: str, runs_dir: Path, options: Mapping[str, str]) -> list[str]:
    """The command that trains a new model on a text. Options without a value are left to it."""
    given = [word for flag, value in options.items() if value.strip() for word in (flag, value.strip())]
    return [
        "train",
        "--fresh",
        "--quiet",
        "--runs-dir",
        str(runs_dir),
        *given,
        "--",
        os.path.expanduser(path),
    ]
