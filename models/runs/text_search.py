"""Where the text of a run is now. A project may have been moved, and a text is known by its hash."""

import os
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath, PureWindowsPath
from typing import Protocol, TypeVar

from data.corpus import Corpus, scan_corpus
from data.errors import CorpusError, RlmError, UsageError
from data.progress import Progress
from models.errors import RunError
from models.runs.datasets import with_paths
from models.runs.run import Run
from models.runs.run_config import RunConfig

_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
STDIN = "-"


class Hashed(Protocol):
    """What a run learns from: a text or puzzles."""

    @property
    def content_hash(self) -> str: ...


Found = TypeVar("Found", bound=Hashed)


def find_text(run: Run, paths: Sequence[str], content_hash: str) -> Generator[Progress, None, Corpus]:
    """The text of that hash, at `paths` or where they have moved to with the run.

    Raises CorpusError where it is gone or has changed, UsageError or CorpusError where it cannot be read.
    """
    _require_one_text(run, content_hash)
    encodings, filters = known_reading(run, content_hash)
    found = yield from find_content(
        run, paths, content_hash, lambda place: scan_corpus(place, encodings, filters)
    )
    if found is None:
        raise _not_found(run, paths)
    return found


def _require_one_text(run: Run, content_hash: str) -> None:
    """Raise CorpusError where that is the hash of the run's mix."""
    try:
        config = run.config()
    except RunError:  # what is wrong with it is said elsewhere
        return
    if config.mix is not None and content_hash == config.content_hash:
        raise CorpusError(
            f"Run '{run.name}' was trained on a mix, and this needs one text.",
            hint=f"Its sources: {{show {run.in_command}}}",
        )


def known_reading(run: Run, content_hash: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The encodings and the filters that the run has read the files of that text with.

    Empty where none are noted or the notes cannot be read: encodings are then detected again, and the hash
    tells whether the text is the same.
    """
    try:
        entries = run.datasets()
    except RunError:
        return (), ()
    found = ((one.encodings, one.filters) for one in entries if one.content_hash == content_hash)
    return next(found, ((), ()))


def find_content(
    run: Run,
    paths: Sequence[str],
    content_hash: str,
    read: Callable[[Sequence[str]], Generator[Progress, None, Found]],
) -> Generator[Progress, None, Found | None]:
    """As `find_text`, of whatever `read` makes of files; None where it is nowhere."""
    unreadable: RlmError | None = None
    for place in places(run.path, paths):
        try:
            found = yield from read(place)
        except (CorpusError, UsageError) as error:
            if place == tuple(paths) and all(map(os.path.exists, paths)):
                unreadable = error
        else:
            if found.content_hash == content_hash:
                return found
    if unreadable is not None:
        raise unreadable
    return None


def places(run_path: Path, paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """`paths` as they were written, then all other places where files of these names are.

    Whoever moves, copies or renames a project keeps what is below it. So every folder from the run upward
    is tried with every tail of the paths.
    """
    if STDIN in paths or not paths:  # standard input cannot be read again
        return
    yield tuple(paths)
    tried = {tuple(paths)}
    split = [_parts(path) for path in paths]
    for folder in (run_path, *run_path.parents):
        for dropped in range(1, min(map(len, split))):
            place = tuple(str(folder.joinpath(*parts[dropped:])) for parts in split)
            if place not in tried and all(map(os.path.isfile, place)):
                tried.add(place)
                yield place


def save_paths(run: Run, config: RunConfig, content_hash: str, paths: Sequence[str]) -> RunConfig:
    """Write where the text of that hash is, and return the configuration then. The caller holds the lock.

    Raises RunError, StorageError.
    """
    run.save_datasets(with_paths(run.datasets(config), content_hash, paths))
    if config.data is not None and config.content_hash == content_hash:
        config = replace(config, data=replace(config.data, paths=tuple(paths)))
        run.save_config(config)
    return config


def _not_found(run: Run, paths: Sequence[str]) -> CorpusError:
    """The error where the text of a run is nowhere as it was."""
    again, another = f"{{resume {run.in_command} text=FILE}}", f"{{train FILE continue_run={run.in_command}}}"
    hint = f"Say where it is now: {again}   To learn another: {another}"
    if not paths:
        return CorpusError(f"It is not known where the text of run '{run.name}' is.", hint=hint)
    if STDIN in paths:
        return CorpusError(f"The text of run '{run.name}' came from standard input.", hint=hint)
    gone = next((path for path in paths if not os.path.exists(path)), None)
    if gone is not None:
        return CorpusError(f"The text of run '{run.name}' is gone: there is no '{gone}'.", hint=hint)
    return CorpusError(f"The text at '{paths[0]}' is no longer the one this run was trained on.", hint=hint)


def _parts(path: str) -> tuple[str, ...]:
    """The folders and the name of `path`, which may have been written on another system."""
    return (PureWindowsPath(path) if _OF_WINDOWS.match(path) else PurePath(path)).parts
