"""Sets of Sudoku puzzles: generated or read from a file, cached, and split for training and measuring."""

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
from data.nearest import did_you_mean
from data.plain_file import UnreadableFileError, open_plain_file, read_plain_file
from data.progress import Progress
from data.puzzle_file import read_puzzles
from data.storage import replace_file
from data.sudoku_generator import CLUES, HARD_CLUES, generate
from data.sudoku_grid import geometry, geometry_of
from data.sudoku_symmetry import symmetry_key
from data.wording import counted

FORMAT_VERSION = 1
"""Part of every name in the cache. It changes when the generator or the checks change."""
DEFAULT_HELD_OUT = 1256
"""A thousand to measure on, and 256 to choose the best weights by."""

_NAMED_SETS = {
    "sudoku:4x4": (4, CLUES[4], 20_000),
    "sudoku:6x6": (6, CLUES[6], 20_000),
    "sudoku:9x9": (9, CLUES[9], 10_000),
    "sudoku:9x9-hard": (9, HARD_CLUES, 2_000),
}
PUZZLE_NAMES = tuple(_NAMED_SETS)
"""The names of the sets that are generated: sudoku:4x4 and so on."""
_REPORT_EVERY_S = 0.1
_LARGEST_FILE = 1 << 30  # bytes of a set in the cache: six million puzzles


@dataclass(frozen=True, slots=True)
class PuzzleSet:
    """Puzzles of one size, all different, each with its one solution."""

    name: str
    size: int
    """n of n × n."""
    puzzles: np.ndarray = field(repr=False)
    """(N, n * n) uint8, read-only: 0 is a blank."""
    solutions: np.ndarray = field(repr=False)
    """(N, n * n) uint8, read-only."""
    content_hash: str
    notes: tuple[str, ...] = ()
    """Sentences for the user on what was left out."""

    def __len__(self) -> int:
        return len(self.puzzles)


def open_puzzles(
    source: str | Path, count: int | None = None, seed: int = 0, cache: str | Path | None = None
) -> Generator[Progress, None, PuzzleSet]:
    """Returns the puzzles of a CSV file, or `count` generated ones for one of PUZZLE_NAMES.

    Of a file at most `count` are taken, or all for None. They are kept in the cache folder and found there
    the next time. Raises UsageError for an unknown source or a count out of range, CorpusError for a file
    without puzzles, StorageError where the cache cannot be written.
    """
    name = str(source)
    if count is not None and count < 1:
        raise UsageError(f"{counted(count, 'puzzle')} cannot be trained on.", hint="Ask for at least 2.")
    folder = cache_folder(cache)
    if name.startswith("sudoku:"):
        size, clues, usual = _named_set(name)
        wanted = usual if count is None else count
        path = folder / f"{_cache_name(name, str(clues), str(wanted), str(seed))}.npy"
        if (cached := _load_cached(path)) is None:
            cached = yield from _generate(size, wanted, clues, seed)
            _save_cached(path, *cached)
        return _set(name.replace(":", "-"), *cached)
    file = Path(os.path.expanduser(source))
    path = folder / f"{_cache_name(file.name, _file_hash(file), str(count))}.npy"
    if (cached := _load_cached(path)) is None:
        rows = yield from read_puzzles(file, count)
        cached = np.stack((rows.puzzles, rows.solutions)), rows.notes
        _save_cached(path, *cached)
    return _set(file.name.removesuffix(".gz").removesuffix(".csv"), *cached)


def size_of_named(source: str) -> int | None:
    """n of the n × n puzzles in the set of that name; None for a file. Raises UsageError for an unknown
    name."""
    return _named_set(source)[0] if source.startswith("sudoku:") else None


def split(puzzles: PuzzleSet, held_out: int | None = None, seed: int = 0) -> tuple[PuzzleSet, PuzzleSet]:
    """A training set, and a held-out set that has no puzzle of the training set.

    On 6×6 and 9×9 no held-out puzzle equals a training puzzle under a symmetry either: of puzzles that are
    equal under a symmetry one may be held out, and the others are in neither set. Without `held_out`,
    DEFAULT_HELD_OUT or a tenth of the puzzles is held out, whichever is less. Where too few puzzles differ,
    fewer are held out, with a note. Raises UsageError for a number that cannot be held out.
    """
    wanted = min(DEFAULT_HELD_OUT, max(1, len(puzzles) // 10)) if held_out is None else held_out
    if not 1 <= wanted < len(puzzles):
        raise UsageError(
            f"{wanted:,} of {counted(len(puzzles), 'puzzle')} cannot be held out.",
            hint=f"Hold out 1 to {len(puzzles) - 1}." if len(puzzles) > 1 else "Give more puzzles.",
        )
    keys = symmetry_key(puzzles.puzzles)
    up_to_symmetry = puzzles.size != 4
    classes = np.unique(keys, return_inverse=True)[1] if up_to_symmetry else np.arange(len(puzzles))
    order = np.random.default_rng(seed % 2**64).permutation(len(puzzles))
    first_of_each = order[np.sort(np.unique(classes[order], return_index=True)[1])]
    # One class at least is left to train on.
    measured = first_of_each[: min(wanted, len(first_of_each) - 1)]
    if not len(measured):
        raise CorpusError(
            f"All {len(puzzles)} puzzles are one under the symmetries of Sudoku.",
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
    return (
        replace(_part(puzzles, trained, "training"), notes=(*puzzles.notes, *notes)),
        _part(puzzles, measured, "held-out"),
    )


def _part(puzzles: PuzzleSet, rows: np.ndarray, name: str) -> PuzzleSet:
    return _set(f"{puzzles.name}-{name}", np.stack((puzzles.puzzles[rows], puzzles.solutions[rows])), ())


def _set(name: str, grids: np.ndarray, notes: tuple[str, ...]) -> PuzzleSet:
    """`grids` are (2, N, n * n): puzzles and solutions."""
    grids.setflags(write=False)
    return PuzzleSet(name, geometry_of(grids).n, grids[0], grids[1], _content_hash(grids), notes)


def _content_hash(grids: np.ndarray) -> str:
    return hashlib.sha256(f"{grids.shape}:".encode() + grids.tobytes()).hexdigest()


def _named_set(name: str) -> tuple[int, tuple[int, int], int]:
    name = name.replace("×", "x")
    if name not in _NAMED_SETS:
        raise UsageError(f"There are no puzzles called '{name}'.", hint=did_you_mean(name, PUZZLE_NAMES))
    return _NAMED_SETS[name]


def _generate(
    size: int, count: int, clues: tuple[int, int], seed: int
) -> Generator[Progress, None, tuple[np.ndarray, tuple[str, ...]]]:
    grids = np.zeros((2, count, geometry(size).cells), dtype=np.uint8)
    reported = time.monotonic()
    yield Progress("generating", 0, count, "puzzles")
    for number, (puzzle, solution) in enumerate(generate(size, count, clues, seed)):
        grids[0, number], grids[1, number] = puzzle, solution
        if time.monotonic() - reported >= _REPORT_EVERY_S:
            reported = time.monotonic()
            yield Progress("generating", number + 1, count, "puzzles")
    yield Progress("generating", count, count, "puzzles")
    return grids, ()


def _cache_name(*identity: str) -> str:
    return "puzzles-" + hashlib.sha256(json.dumps([FORMAT_VERSION, *identity]).encode()).hexdigest()[:32]


def _file_hash(file: Path) -> str:
    """A hash of a file's bytes; "" where it cannot be read, which is an error later."""
    try:
        with open_plain_file(file) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _load_cached(path: Path) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """Puzzles and notes that `_save_cached` wrote, or None where they are missing or damaged."""
    try:
        grids = np.load(io.BytesIO(read_plain_file(path, _LARGEST_FILE)), allow_pickle=False)
        about = json.loads(read_plain_file(path.with_suffix(".json"), _LARGEST_FILE))
        whole = about["content_hash"] == _content_hash(grids)
        return (grids, tuple(map(str, about["notes"]))) if whole else None
    except (OSError, UnreadableFileError, MemoryError, RecursionError):
        return None
    except (ValueError, EOFError, KeyError, TypeError, AttributeError):  # not what was written
        return None


def _save_cached(path: Path, grids: np.ndarray, notes: tuple[str, ...]) -> None:
    """Write the notes, then the puzzles: where there are puzzles, both files are whole."""
    array = io.BytesIO()
    np.save(array, grids, allow_pickle=False)
    about = json.dumps({"content_hash": _content_hash(grids), "notes": notes}).encode()
    for place, content in ((path.with_suffix(".json"), about), (path, array.getbuffer())):
        replace_file(place, [content], f"the puzzles in '{path.parent}'", hint=CACHE_HINT)
