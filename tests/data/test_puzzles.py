"""Sets of puzzles: generated or read once, cached, and split so that no held-out puzzle is in training."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import CorpusError, StorageError, UsageError
from data.progress import Progress, result_of
from data.puzzle_file import write_puzzles
from data.puzzles import PuzzleSet, open_puzzles, split
from data.sudoku_checker import is_solution_of
from data.sudoku_generator import generate
from data.sudoku_kind import SudokuKind
from data.sudoku_symmetry import random_symmetry


def refuse(*_: object) -> None:
    raise AssertionError("made a second time")


def a_set(puzzles: np.ndarray, solutions: np.ndarray) -> PuzzleSet:
    return PuzzleSet("test", SudokuKind(), puzzles, solutions, "hash")


@pytest.mark.parametrize(("source", "size"), [("sudoku:4x4", 4), ("sudoku:6x6", 6), ("sudoku:9x9", 9)])
def test_puzzles_are_generated_once(source: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = result_of(open_puzzles(source, 20, seed=3))
    assert (made.size, len(made), made.name) == (size, 20, source.replace(":", "-"))
    assert is_solution_of(made.solutions, made.puzzles).all()
    assert not made.puzzles.flags.writeable and not made.solutions.flags.writeable
    assert result_of(open_puzzles(source, 20, seed=4)).content_hash != made.content_hash
    monkeypatch.setattr("data.sudoku_kind.generate", refuse)
    again = result_of(open_puzzles(source, 20, seed=3))
    assert again.content_hash == made.content_hash and (again.puzzles == made.puzzles).all()


def test_hard_puzzles_have_few_clues() -> None:
    clues = (result_of(open_puzzles("sudoku:9x9-hard", 2, seed=1)).puzzles > 0).sum(axis=1)
    assert clues.min() >= 22 and clues.max() <= 27


@pytest.mark.parametrize("damage", ["torn", "garbled", "foreign", "notes"])
def test_damaged_puzzles_in_the_cache_are_generated_again(cache_folder: Path, damage: str) -> None:
    made = result_of(open_puzzles("sudoku:4x4", 30))
    (cached,) = cache_folder.glob("*.npy")
    whole = cached.read_bytes()
    if damage == "torn":
        cached.write_bytes(whole[:-10])
    elif damage == "garbled":
        cached.write_bytes(whole[:-1] + b"\x00")
    elif damage == "foreign":
        np.save(cached, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    else:
        cached.with_suffix(".json").write_text("[")
    assert result_of(open_puzzles("sudoku:4x4", 30)).content_hash == made.content_hash
    assert cached.read_bytes() == whole
    assert not list(cache_folder.glob(".tmp*"))


def test_generating_reports_progress_and_can_be_stopped(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.puzzles._REPORT_EVERY_S", 0)
    reports = list(open_puzzles("sudoku:4x4", 5))
    assert reports[0] == Progress("generating", 0, 5, "puzzles")
    assert reports[-1] == Progress("generating", 5, 5, "puzzles") and len(reports) == 7
    work = open_puzzles("sudoku:4x4", 6)
    next(work)
    work.close()
    assert len(list(cache_folder.iterdir())) == 2


def test_a_file_is_read_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    puzzles, solutions = (np.array(grids) for grids in zip(*generate(6, 6), strict=True))
    path = tmp_path / "mine.csv.gz"
    write_puzzles(path, [*puzzles, puzzles[0]], [*solutions, solutions[0]], SudokuKind())
    read = result_of(open_puzzles(str(path)))
    assert (read.puzzles == puzzles).all() and read.name == "mine" and read.size == 6
    assert "repeat" in read.notes[0]
    assert len(result_of(open_puzzles(path, 3))) == 3
    write_puzzles(path, puzzles[:5], solutions[:5], SudokuKind())
    assert len(result_of(open_puzzles(path))) == 5
    monkeypatch.setattr("data.puzzles.read_puzzles", refuse)
    write_puzzles(path, [*puzzles, puzzles[0]], [*solutions, solutions[0]], SudokuKind())
    assert result_of(open_puzzles(path)).notes == read.notes


@pytest.mark.parametrize(
    ("source", "count", "message"),
    [
        ("sudoku:5x5", None, "no puzzles called 'sudoku:5x5'"),
        ("sudoku:", None, "no puzzles called"),
        ("nowhere.csv", None, "no file 'nowhere.csv'"),
        ("sudoku:4x4", 0, "0 puzzles"),
    ],
)
def test_an_unknown_source_or_count_is_refused(source: str, count: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        result_of(open_puzzles(source, count))
    assert caught.value.hint


def test_a_cache_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(StorageError, match="disk is full: the puzzles in"):
        result_of(open_puzzles("sudoku:4x4", 2))


@pytest.mark.parametrize("size", [6, 9])
def test_no_held_out_puzzle_is_a_training_puzzle_under_any_symmetry(size: int) -> None:
    """Ten different puzzles, each transformed by six symmetries."""
    puzzles, solutions = (
        np.repeat(np.array(grids), 6, axis=0) for grids in zip(*generate(size, 10), strict=True)
    )
    symmetry = random_symmetry(np.random.default_rng(0), size, 60)
    disguised = a_set(symmetry.apply(puzzles), symmetry.apply(solutions))
    train, held_out = split(disguised, 4, seed=1)
    assert (len(held_out), len(train)) == (4, 36)
    behind = {puzzle.tobytes(): number // 6 for number, puzzle in enumerate(disguised.puzzles)}
    seen = [{behind[puzzle.tobytes()] for puzzle in part.puzzles} for part in (train, held_out)]
    assert not seen[0] & seen[1] and len(seen[1]) == 4
    assert "20 puzzles" in train.notes[0]
    assert is_solution_of(held_out.solutions, held_out.puzzles).all()
    few, most = split(disguised, 50)
    assert len(most) == 9 and len(few) == 6 and "9 of the puzzles are held out instead of 50" in few.notes[0]


def test_4x4_puzzles_are_split_by_equality_with_a_note() -> None:
    puzzles = result_of(open_puzzles("sudoku:4x4", 400))
    train, held_out = split(puzzles)
    assert (len(train), len(held_out)) == (360, 40)
    assert not {p.tobytes() for p in train.puzzles} & {p.tobytes() for p in held_out.puzzles}
    assert "of 40 are not." in train.notes[-1]
    assert train.content_hash != held_out.content_hash


def test_a_split_is_a_function_of_the_seed() -> None:
    puzzles = result_of(open_puzzles("sudoku:6x6", 40))
    parts = [split(puzzles, 10, seed)[1].puzzles.tobytes() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


@pytest.mark.parametrize("held_out", [0, -1, 20, 21])
def test_a_split_with_an_empty_part_is_refused(held_out: int) -> None:
    with pytest.raises(UsageError, match="cannot be held out"):
        split(result_of(open_puzzles("sudoku:4x4", 20)), held_out)


def test_puzzles_that_are_all_equal_under_symmetries_cannot_be_split() -> None:
    puzzle, solution = next(generate(6, 1))
    symmetry = random_symmetry(np.random.default_rng(0), 6, 5)
    grids = (symmetry.apply(np.repeat(grid[None], 5, axis=0)) for grid in (puzzle, solution))
    with pytest.raises(CorpusError, match="All 5 puzzles are one"):
        split(a_set(*grids))
