"""Puzzles in CSV: written and read back, and broken rows reported by line."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from data.errors import CorpusError, StorageError, UsageError
from data.progress import Progress, result_of
from data.puzzle_file import PuzzleRows, read_puzzles, write_puzzles
from data.sudoku_generator import generate
from data.sudoku_kind import SudokuKind
from data.sudoku_text import grid_line

SUDOKU = SudokuKind()
SIX = [(grid_line(p), grid_line(s)) for p, s in generate(6, 6, seed=1)]
FOUR = [(grid_line(p), grid_line(s)) for p, s in generate(4, 2, seed=1)]


def read(path: Path, text: str, limit: int | None = None) -> PuzzleRows:
    path.write_text(text, encoding="utf-8")
    return result_of(read_puzzles(path, limit, SUDOKU))


def lines(rows: PuzzleRows) -> list[tuple[str, str]]:
    return [(grid_line(p), grid_line(s)) for p, s in zip(rows.puzzles, rows.solutions, strict=True)]


@pytest.mark.parametrize("size", [4, 6, 9])
@pytest.mark.parametrize("name", ["set.csv", "set.csv.gz"])
def test_written_puzzles_are_read_back(tmp_path: Path, size: int, name: str) -> None:
    puzzles, solutions = (np.array(grids) for grids in zip(*generate(size, 8), strict=True))
    write_puzzles(tmp_path / name, puzzles, solutions, SUDOKU)
    rows = result_of(read_puzzles(tmp_path / name, None, SUDOKU))
    assert (rows.puzzles == puzzles).all() and (rows.solutions == solutions).all()
    assert rows.puzzles.dtype == np.uint8 and rows.notes == ()
    opener = gzip.open if name.endswith(".gz") else open
    with opener(tmp_path / name, "rt") as file:
        assert file.readline() == "puzzle,solution\n"


def test_headers_separators_and_solutions_are_optional(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    pair = [f"{p},{s}" for p, s in SIX]
    assert lines(read(path, "\n".join(pair))) == SIX
    assert lines(read(path, "\n\n".join(p for p, _ in SIX))) == SIX
    assert lines(read(path, "puzzle\n" + "\n".join(p.replace(".", "0") for p, _ in SIX))) == SIX
    turned = "\ufeffRating;Answer;Question\r\n" + "\r\n".join(f'3;{s};"{p}"' for p, s in SIX)
    assert lines(read(path, turned)) == SIX
    partly = "puzzle,solution\n" + "\n".join(f"{p},{s if i % 2 else ''}" for i, (p, s) in enumerate(SIX))
    assert lines(read(path, partly)) == SIX
    assert lines(read(path, "\n".join(pair), limit=2)) == SIX[:2]


def test_broken_rows_are_reported_by_line_and_the_rest_is_read(tmp_path: Path) -> None:
    puzzle, solution = SIX[3]
    wrong = solution.translate(str.maketrans("12", "21"))
    broken = ["12,34", "x" + puzzle[1:], "." * 36 + ",", FOUR[0][0], f"{puzzle},{wrong}"]
    broken += [f"{puzzle},{solution[1:]}", solution, "11" + "." * 34]
    text = ["puzzle,solution", ",".join(SIX[0]), *broken, ",".join(SIX[1])]
    rows = read(tmp_path / "set.csv", "\n".join(text))
    assert lines(rows) == SIX[:2]
    (note,) = rows.notes
    assert note.startswith("8 of 10 rows of 'set.csv' cannot be used (line 3: the puzzle has 2 cells")
    for part in ("line 4: the puzzle has 'x'", "line 5: the puzzle has more than one solution", "line 6: "):
        assert part in note
    assert "line 7: the solution is not that of the puzzle" in note and note.endswith("; …).")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{SIX[3][0]},{SIX[3][1][1:]}", "the solution has 35 cells"),
        (SIX[3][1], "no blank"),
        ("11" + "." * 34, "no solution, because row 1 has two 1s"),
        (FOUR[0][0], "16 cells, and those before it have 36"),
        ("", None),
        ("\ufffd\ufffd", "in it"),
    ],
)
def test_each_fault_has_a_reason(tmp_path: Path, row: str, reason: str | None) -> None:
    rows = read(tmp_path / "set.csv", f"{','.join(SIX[0])}\n{row}\n{','.join(SIX[1])}")
    assert lines(rows) == SIX[:2]
    assert (reason is None and not rows.notes) or (reason or "") in rows.notes[0]


def test_bytes_that_are_not_text_break_one_row_only(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_bytes(f"{SIX[0][0]}\n".encode() + b"\xff\xfe\n" + f"{SIX[1][0]}\n".encode())
    rows = result_of(read_puzzles(path, None, SUDOKU))
    assert lines(rows) == SIX[:2] and "line 2" in rows.notes[0]


def test_a_repeated_puzzle_is_left_out(tmp_path: Path) -> None:
    rows = read(tmp_path / "set.csv", "\n".join(p for p, _ in SIX + SIX[:2]))
    assert lines(rows) == SIX
    assert rows.notes == ("2 of 8 rows of 'set.csv' repeat a puzzle and were left out.",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no puzzle"),
        ("puzzle,solution\n", "holds no puzzle"),
        ("grid,answer_\n1,2\n", "no column named 'puzzle'"),
        ("puzzle\nabc\nabd", r"No row of 'set.csv' can be used \(line 2: the puzzle has 'a'"),
        ("9" * 100_000, "a line is too long"),
        ("puzzle\n" + "9" * 100_000 + "\n1", "a line is too long"),
    ],
    ids=["empty", "header", "columns", "broken", "long", "long line"],
)
def test_a_file_without_puzzles_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message) as caught:
        read(tmp_path / "set.csv", text)
    assert caught.value.hint


def test_files_that_cannot_be_opened_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        result_of(read_puzzles(tmp_path / "none.csv", None, SUDOKU))
    with pytest.raises(CorpusError):
        result_of(read_puzzles(tmp_path, None, SUDOKU))
    (tmp_path / "torn.csv.gz").write_bytes(gzip.compress(b"puzzle\n" * 100)[:-9])
    with pytest.raises(CorpusError, match="gzip"):
        result_of(read_puzzles(tmp_path / "torn.csv.gz", None, SUDOKU))
    with pytest.raises(StorageError, match=r"Could not save '.*where\.csv'"):
        write_puzzles(tmp_path / "no" / "where.csv", [], [], SUDOKU)


def test_progress_is_reported_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.puzzle_file._ROWS_BETWEEN_REPORTS", 2)
    path = tmp_path / "set.csv"
    path.write_text("\n".join(p for p, _ in SIX))
    reports = list(read_puzzles(path, None, SUDOKU))
    total = path.stat().st_size
    assert len(reports) == 4 and reports[-1] == Progress("reading", total, total, "bytes")
