"""Mixes as they are given: a TOML file, the name of a recipe that comes with rlm, or paths with weights."""

import itertools
import os
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.errors import UsageError
from data.mixes.spec import MixSource, MixSpec, default_name, mix_of, source_from
from data.nearest import nearest
from data.plain_file import UnreadableFileError, read_plain_file
from data.safe_text import safe_text

_LARGEST_FILE = 1 << 20  # bytes
_ENDING = ".toml"
_RECIPES = Path(__file__).parent


def load_mix(name_or_path: str) -> MixSpec:
    """The mix in a TOML file, or the recipe of that name. Relative paths in a file are from its folder.

    Raises UsageError for a file that is not there or does not describe a mix.
    """
    path = Path(os.path.expanduser(name_or_path))
    known = recipes()
    if not path.exists() and name_or_path in known:
        recipe = read_plain_file(_RECIPES / f"{name_or_path}{_ENDING}", _LARGEST_FILE)
        return _mix_in(_parsed(recipe.decode(), name_or_path), name_or_path, None)
    try:
        content = read_plain_file(path, _LARGEST_FILE, follow_links=True)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(
            f"There is no mix '{name_or_path}'.", hint=_what_there_is(path, known), field="mix"
        ) from None
    except UnreadableFileError as error:
        raise UsageError(f"The mix {error.message}", field="mix") from error
    except UnicodeDecodeError:
        raise UsageError(f"The mix '{name_or_path}' is not text.", field="mix") from None
    return _mix_in(_parsed(text, name_or_path), path.stem, path.resolve())


def recipes() -> list[str]:
    """The names of the mixes that come with rlm."""
    return sorted(path.stem for path in _RECIPES.glob(f"*{_ENDING}"))


def weighted_paths(paths: Sequence[str]) -> MixSpec | None:
    """The mix that paths of the form PATH:WEIGHT give, or None where none has a weight.

    A path that exists with a colon in its name is a path. Raises UsageError where only some have a weight.
    """
    found = [_path_and_weight(one) for one in paths]
    weighted = [one for one in found if one is not None]
    if not weighted:
        return None
    if len(weighted) < len(found):
        without = next(path for path, one in zip(paths, found, strict=True) if one is None)
        raise UsageError(
            f"'{without}' has no weight, and others have one.",
            hint=f"Give every path one, as in '{without}:0.5', or none.",
        )
    sources: list[MixSource] = []
    for path, weight in weighted:
        if path == "-":
            raise UsageError("Standard input cannot be in a mix.", hint="Write it to a file.")
        name, taken = default_name(path), {one.name for one in sources}
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        unique = next(one for one in names if one not in taken)
        sources.append(MixSource(name=unique, weight=weight, path=_absolute(path)))
    return mix_of("-".join(one.name for one in sources)[:40], sources)


def _path_and_weight(argument: str) -> tuple[str, float] | None:
    if os.path.lexists(os.path.expanduser(argument)):
        return None
    path, colon, number = argument.rpartition(":")
    try:
        weight = float(number)
    except ValueError:
        return None
    return (path, weight) if colon and path else None


def _parsed(text: str, label: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"The mix '{label}' is not TOML: {error}.", field="mix") from error


def _mix_in(content: dict[str, Any], name: str, file: Path | None) -> MixSpec:
    """The mix in a parsed file. Raises UsageError."""
    for key in content:
        if key != "source":
            raise UsageError(
                f"The mix '{name}' has an unknown key '{safe_text(key)}'.", hint="There is [[source]] only."
            )
    entries = content.get("source", [])
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise UsageError(
            f"In the mix '{name}', 'source' is not a list.", hint="Write [[source]] before each."
        )
    sources = [source_from(entry, number) for number, entry in enumerate(entries, start=1)]
    return mix_of(name, [_placed(source, file) for source in sources])


def _placed(source: MixSource, file: Path | None) -> MixSource:
    """The source with an absolute path. Raises UsageError where it is a mix."""
    folder = Path.cwd() if file is None else file.parent
    if source.dataset is not None:
        places = [_absolute(source.dataset, one) for one in (folder, Path.cwd())]
        return replace(source, dataset=next(filter(os.path.isdir, places), source.dataset))
    assert source.path is not None  # `source_from` sees to it
    path = _absolute(source.path, folder)
    if file is not None and os.path.realpath(path) == str(file):
        raise UsageError(
            f"The mix '{file.name}' names itself as its source '{source.name}'.",
            hint="Name the files that the text is in.",
        )
    if path.endswith(_ENDING):
        raise UsageError(
            f"Source '{source.name}' is a TOML file, and a mix cannot be in a mix.",
            hint="Copy its sources into this one.",
        )
    return replace(source, path=path)


def _absolute(path: str, folder: Path | None = None) -> str:
    """The path from `folder`; a link keeps its own name."""
    return os.path.abspath(os.path.join(folder or Path.cwd(), os.path.expanduser(path)))


def _what_there_is(path: Path, known: list[str]) -> str:
    near = nearest(str(path), known)
    if near:
        return f"Did you mean {near[0]}?"
    return f"Give a TOML file, or one that comes with rlm: {', '.join(known)}."
