"""Sets of puzzles: generated or read from a file, cached, and split for training and measuring."""

import hashlib
import io
import json
import os
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from data.cache import CACHE_HINT
from data.cache import cache_dir as cache_folder
from data.errors import CorpusError, UsageError
from data.plain_file import UnreadableFileError, open_plain_file, read_plain_file
from data.progress import Progress
from data.puzzle_file import read_puzzles
from data.puzzle_kind import NamedSet, PuzzleKind
from data.puzzle_kinds import kind_of, named_set
from data.storage import replace_file
from data.wording import counted

FORMAT_VERSION = 1
"""Part of every name in the cache. It changes when the generator or the checks change."""
DEFAULT_HELD_OUT = 1256
"""A thousand to measure on, and 256 to choose the best weights by."""

_REPORT_EVERY_S = 0.1
_LARGEST_FILE = 1 << 30  # bytes of a set in the cache: six million puzzles


@dataclass(frozen=True, slots=True)
class PuzzleSet:
    """Puzzles of one kind and size, all different, each with its one solution."""

    name: str
    kind: PuzzleKind
    puzzles: np.ndarray = field(repr=False)
    """(N, T) uint8, read-only."""
    solutions: np.ndarray = field(repr=False)
    """(N, T) uint8, read-only."""
    content_hash: str
    notes: tuple[str, ...] = ()
    """Sentences for the user on what was left out."""
    left_out: int = 0
    """Of a held-out part, the puzzles that were drawn for it and cannot be used."""

    def __len__(self) -> int:
        return len(self.puzzles)

    @property
    def cells(self) -> int:
        """T of a grid."""
        return int(self.puzzles.shape[-1])

    @property
    def size(self) -> int:
        """n of n × n cells; the length of strings."""
        return self.kind.side(self.cells)

    def rows(self, chosen: np.ndarray | slice) -> "PuzzleSet":
        """The `chosen` puzzles alone, without notes."""
        return replace(self, puzzles=self.puzzles[chosen], solutions=self.solutions[chosen], notes=())


_Read = tuple[PuzzleKind, np.ndarray, tuple[str, ...]]
"""The kind of puzzles, puzzles and solutions (2, N, T), and notes."""


def open_puzzles(
    source: str | Path,
    count: int | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
    task: str = "sudoku",
) -> Generator[Progress, None, PuzzleSet]:
    """Returns `count` puzzles that are made here, where `source` is the name of such a set, or those of a CSV
    file, of the kind that models of `task` solve.

    Of a file at most `count` are taken, or all for None. They are kept in the cache folder and found there
    the next time. Raises UsageError for an unknown source or a count out of range, CorpusError for a file
    without puzzles, StorageError where the cache cannot be written.
    """
    name = str(source)
    if count is not None and count < 1:
        raise UsageError(f"{counted(count, 'puzzle')} cannot be trained on.", hint="Ask for at least 2.")
    folder = cache_folder(cache)
    if (made := named_set(name)) is not None:
        wanted = made.usual_count if count is None else count
        path = folder / f"{_cache_name(*made.identity, str(wanted), str(seed))}.npy"
        if (cached := _load_cached(path, made.kind.task)) is None:
            cached = yield from _generate(made, wanted, seed)
            _save_cached(path, *cached)
        return _set(name.replace(":", "-"), *cached)
    file = Path(os.path.expanduser(source))
    of_kind = () if task == "sudoku" else (task,)  # as earlier versions named them
    path = folder / f"{_cache_name(file.name, _file_hash(file), str(count), *of_kind)}.npy"
    if (cached := _load_cached(path, task)) is None:
        rows = yield from read_puzzles(file, count, kind_of(task))
        cached = rows.kind, np.stack((rows.puzzles, rows.solutions)), rows.notes
        _save_cached(path, *cached)
    return _set(file.name.removesuffix(".gz").removesuffix(".csv"), *cached)


def split(puzzles: PuzzleSet, held_out: int | None = None, seed: int = 0) -> tuple[PuzzleSet, PuzzleSet]:
    """A training set, and a held-out set that has no puzzle of the training set.

    Where the kind has symmetries, no held-out puzzle equals a training puzzle under one either, but for 4×4
    Sudokus: of puzzles that are equal under a symmetry one may be held out, and the others are in neither
    set. Without `held_out`, DEFAULT_HELD_OUT or a tenth of the puzzles is held out, whichever is less. Where
    too few puzzles differ, fewer are held out, with a note. Raises UsageError for a number that cannot be
    held out.
    """
    wanted = min(DEFAULT_HELD_OUT, max(1, len(puzzles) // 10)) if held_out is None else held_out
    if not 1 <= wanted < len(puzzles):
        raise UsageError(
            f"{wanted:,} of {counted(len(puzzles), 'puzzle')} cannot be held out.",
            hint=f"Hold out 1 to {len(puzzles) - 1}." if len(puzzles) > 1 else "Give more puzzles.",
        )
    kind = puzzles.kind
    keys = kind.keys(puzzles.puzzles)
    up_to_symmetry = kind.separates_by_key(puzzles.cells)
    classes = np.unique(keys, return_inverse=True)[1] if up_to_symmetry else np.arange(len(puzzles))
    order = np.random.default_rng(seed % 2**64).permutation(len(puzzles))
    first_of_each = order[np.sort(np.unique(classes[order], return_index=True)[1])]
    # One class at least is left to train on.
    measured = first_of_each[: min(wanted, len(first_of_each) - 1)]
    if not len(measured):
        raise CorpusError(
            f"All {len(puzzles)} puzzles are one under the symmetries of a {kind.noun}.",
            hint="Give puzzles that differ, so that some can be held out.",
        )
    trained = np.flatnonzero(~np.isin(classes, classes[measured]))
    notes = []
    if len(measured) < wanted:
        notes.append(
            f"{len(measured):,} of the puzzles are held out instead of {wanted:,}: no more differ enough."
        )
    if left_out := len(puzzles) - len(measured) - len(trained):
        notes.append(
            f"Left out, since they equal a held-out one under a symmetry: {counted(left_out, 'puzzle')}."
        )
    if not up_to_symmetry:
        new = np.count_nonzero(~np.isin(keys[measured], keys[trained]))
        notes.append(
            "No test puzzle was trained on. Most 4×4 ones are rotations or relabellings of one that was; "
            f"{new:,} of {len(measured):,} are not."
        )
    both = np.stack((puzzles.puzzles, puzzles.solutions))
    learned_kind, learned, tested, of_kind = kind.of_training(both[:, trained], both[:, measured])
    held_out_set = _set(f"{puzzles.name}-held-out", learned_kind, tested, ())
    return (
        _set(f"{puzzles.name}-training", learned_kind, learned, (*puzzles.notes, *notes, *of_kind)),
        replace(held_out_set, left_out=len(measured) - len(held_out_set)),
    )


def _set(name: str, kind: PuzzleKind, grids: np.ndarray, notes: tuple[str, ...]) -> PuzzleSet:
    """`grids` are (2, N, T): puzzles and solutions."""
    grids.setflags(write=False)
    return PuzzleSet(name, kind, grids[0], grids[1], _content_hash(grids, kind.symbols), notes)


def _content_hash(grids: np.ndarray, symbols: str | None) -> str:
    named = "" if symbols is None else f"{symbols}:"
    return hashlib.sha256(f"{named}{grids.shape}:".encode() + grids.tobytes()).hexdigest()


def _generate(made: NamedSet, count: int, seed: int) -> Generator[Progress, None, _Read]:
    grids = np.zeros((2, count, made.cells), dtype=np.uint8)
    reported = time.monotonic()
    yield Progress("generating", 0, count, "puzzles")
    for number, (puzzle, solution) in enumerate(made.generate(count, seed)):
        grids[0, number], grids[1, number] = puzzle, solution
        if time.monotonic() - reported >= _REPORT_EVERY_S:
            reported = time.monotonic()
            yield Progress("generating", number + 1, count, "puzzles")
    yield Progress("generating", count, count, "puzzles")
    return made.kind, grids, ()


def _cache_name(*identity: str) -> str:
    return "puzzles-" + hashlib.sha256(json.dumps([FORMAT_VERSION, *identity]).encode()).hexdigest()[:32]


def _file_hash(file: Path) -> str:
    """A hash of a file's bytes; "" where it cannot be read, which is an error later."""
    try:
        with open_plain_file(file) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _load_cached(path: Path, task: str) -> _Read | None:
    """What `_save_cached` wrote, or None where it is missing or damaged."""
    try:
        grids = np.load(io.BytesIO(read_plain_file(path, _LARGEST_FILE)), allow_pickle=False)
        about = json.loads(read_plain_file(path.with_suffix(".json"), _LARGEST_FILE))
        symbols = about.get("symbols")
        whole = about["content_hash"] == _content_hash(grids, symbols)
        return (kind_of(task, symbols), grids, tuple(map(str, about["notes"]))) if whole else None
    except (OSError, UnreadableFileError, MemoryError, RecursionError):
        return None
    except (ValueError, EOFError, KeyError, TypeError, AttributeError):  # not what was written
        return None


def _save_cached(path: Path, kind: PuzzleKind, grids: np.ndarray, notes: tuple[str, ...]) -> None:
    """Write the notes, then the puzzles: where there are puzzles, both files are whole."""
    array = io.BytesIO()
    np.save(array, grids, allow_pickle=False)
    about = {"content_hash": _content_hash(grids, kind.symbols), "notes": notes}
    if kind.symbols is not None:
        about["symbols"] = kind.symbols
    for place, content in (
        (path.with_suffix(".json"), json.dumps(about).encode()),
        (path, array.getbuffer()),
    ):
        replace_file(place, [content], f"the puzzles in '{path.parent}'", hint=CACHE_HINT)
