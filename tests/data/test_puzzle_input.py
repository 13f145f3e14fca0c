"""Puzzles to solve in every form, and faults reported by line."""

import gzip
import io
from pathlib import Path

import pytest

from data import puzzle_input
from data.errors import CorpusError, UsageError
from data.puzzle_input import puzzles_from_file, puzzles_from_stream
from data.sudoku_generator import generate
from data.sudoku_kind import SudokuKind
from data.sudoku_text import draw_grid, grid_line

FOUR = list(generate(4, 3, seed=4))
LINES = [grid_line(puzzle) for puzzle, _ in FOUR]
ROWS = [f"{grid_line(puzzle)},{grid_line(solution)}" for puzzle, solution in FOUR]


def read(path: Path, content: str | bytes) -> list[str]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [grid_line(posed.grid) for posed in puzzles_from_file(path, SudokuKind())]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(ROWS),
        "puzzle,solution\n" + "\n".join(ROWS),
        "\n\n".join(LINES),
        "quiz\r\n" + "\r\n".join(LINES) + "\r\n",
        'rating;"puzzle"\n' + "\n".join(f'7;"{line}"' for line in LINES),
        "id\tquestion\n" + "\n".join(f"1\t{line}" for line in LINES),
        "\ufeff" + "\n".join(f"{line}\t" for line in LINES),
        "\n\n".join("".join(text for text, _ in draw_grid(puzzle)) for puzzle, _ in FOUR),
    ],
    ids=["rows", "header", "lines", "one column", "quoted", "tabs", "mark", "drawn"],
)
def test_every_form_is_read_from_files_and_streams(tmp_path: Path, content: str) -> None:
    assert read(tmp_path / "some.csv", content) == LINES
    assert read(tmp_path / "some.csv.gz", gzip.compress(content.encode())) == LINES
    posed = puzzles_from_stream(io.BytesIO(content.encode()), "standard input", SudokuKind())
    assert [grid_line(one.grid) for one in posed] == LINES


def test_a_repeated_puzzle_is_returned_twice(tmp_path: Path) -> None:
    assert read(tmp_path / "some.csv", "\n".join([ROWS[0], ROWS[0]])) == [LINES[0]] * 2


def test_a_fault_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    with pytest.raises(UsageError, match=r"^Line 4 of 'some.csv': the puzzle has 15 cells") as caught:
        read(path, f"puzzle,solution\n\n{ROWS[0]}\n{LINES[1][1:]},\n")
    assert caught.value.hint
    with pytest.raises(UsageError, match=r"^Line 2 of 'some.csv': the puzzle has 'x'"):
        read(path, f"{LINES[0]}\nx{LINES[1][1:]}")
    path.write_text("\n".join(ROWS))
    problem = puzzles_from_file(path, SudokuKind())[2].problem(
        UsageError("The puzzle has no solution.", hint="Correct it.")
    )
    assert (problem.message, problem.hint) == (
        "Line 3 of 'some.csv': the puzzle has no solution.",
        "Correct it.",
    )
    one = puzzles_from_stream(
        io.BytesIO("".join(text for text, _ in draw_grid(FOUR[0][0])).encode()), "-", SudokuKind()
    )[0]
    assert one.problem(UsageError("The puzzle is odd.")).message == "The puzzle is odd."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no puzzle"),
        (b"puzzle,solution\n", "no puzzle in 'some.csv'"),
        (b"grid,answer\n1,2\n", "no column named 'puzzle'"),
        (b"\0" * 40, "binary"),
        (b"9" * 100_000, "too long"),
    ],
)
def test_an_input_without_a_puzzle_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises((UsageError, CorpusError), match=words):
        read(tmp_path / "some.csv", content)


def test_a_too_large_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puzzle_input, "MOST_CHARACTERS", 40)
    content = "\n".join(LINES).encode()
    with pytest.raises(UsageError, match=r"There is more in 'some\.csv'"):
        read(tmp_path / "some.csv", content)
    with pytest.raises(UsageError, match="There is more in standard input"):
        puzzles_from_stream(io.BytesIO(content), "standard input", SudokuKind())


def test_a_gzip_stream_is_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match="packed") as caught:
        puzzles_from_stream(io.BytesIO(gzip.compress(b"puzzle")), "standard input", SudokuKind())
    assert "zcat" in str(caught.value.hint)
