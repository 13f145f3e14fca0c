"""Pairs of strings from a CSV: their symbols, rows that cannot be used, and the held-out part."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import CorpusError, UsageError
from data.progress import result_of
from data.puzzle_file import write_puzzles
from data.puzzle_input import puzzles_from_file
from data.puzzles import PuzzleSet, open_puzzles, split
from data.string_kind import MOST_CELLS, StringKind


def opened(path: Path, text: str, count: int | None = None) -> PuzzleSet:
    path.write_text(text, encoding="utf-8")
    return result_of(open_puzzles(path, count, task="grid"))


def pairs(puzzles: PuzzleSet) -> list[tuple[str, str]]:
    line = puzzles.kind.line
    return [(line(p), line(s)) for p, s in zip(puzzles.puzzles, puzzles.solutions, strict=True)]


def reversals(count: int) -> str:
    numbers = (f"{7919 * number % 10**6:06}" for number in range(1, count + 1))
    return "".join(f"{number},{number[::-1]}\n" for number in numbers)


@pytest.mark.parametrize("header", ["", "input,target\n", "puzzle,solution\n", "Input,Target\n"])
def test_two_columns_are_read_with_any_header_or_none(tmp_path: Path, header: str) -> None:
    found = opened(tmp_path / "pairs.csv", f"{header}abc,cba\nabd,dba\n")
    assert pairs(found) == [("abc", "cba"), ("abd", "dba")]
    assert (found.kind.symbols, found.size, found.cells, found.name) == ("abcd", 3, 3, "pairs")
    assert found.puzzles.dtype == np.uint8


def test_they_are_the_same_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(tmp_path / "pairs.csv", "äé,éä\n猫é,é猫\n")
    monkeypatch.setattr("data.puzzles.read_puzzles", None)
    again = opened(tmp_path / "pairs.csv", "äé,éä\n猫é,é猫\n")
    assert (again.kind.symbols, again.content_hash) == ("äé猫", first.content_hash)
    assert pairs(again) == [("äé", "éä"), ("猫é", "é猫")]


def test_other_symbols_are_other_strings(tmp_path: Path) -> None:
    hashes = {opened(tmp_path / f"{text[0]}.csv", text).content_hash for text in ("ab,ba\n", "cd,dc\n")}
    assert len(hashes) == 2


def test_rows_that_cannot_be_used_are_reported_by_line(tmp_path: Path) -> None:
    rows = [
        "input,target",
        "abc,cba",
        "ab,ba",
        "abd,db",
        "abe,",
        ",abc",
        "abc,cba",
        "abc,abc",
        "a\x07c,cba",
        "abf,fba",
    ]
    found = opened(tmp_path / "pairs.csv", "\n".join(rows))
    assert pairs(found) == [("abc", "cba"), ("abf", "fba")]
    broken, repeated = found.notes
    for words in (
        "line 3: the input has 2 symbols, and most have 3",
        "line 4: the input has 3 symbols, and the target has 2",
        "line 5: the row has no target",
        "line 6: the row has no input",
        "line 8: the input is one from before, with another solution",
    ):
        assert words in broken
    assert broken.startswith("6 of 9 rows") and repeated.startswith("1 of 9 rows")


@pytest.mark.parametrize("header", ["text,reversed", "one,two"])
def test_a_header_of_other_names_is_no_row(tmp_path: Path, header: str) -> None:
    found = opened(tmp_path / "pairs.csv", f"{header}\nabcd,dcba\nabce,ecba\n")
    assert pairs(found) == [("abcd", "dcba"), ("abce", "ecba")]
    assert not any("one" in note or "has 3" in note for note in found.notes)


def test_the_length_is_that_of_most_rows(tmp_path: Path) -> None:
    found = opened(tmp_path / "pairs.csv", "input,target\nab,ba\nabc,cba\nabd,dba\n")
    assert found.size == 3 and "1 of 3 rows" in found.notes[0] and "line 2" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("input,target\n", "holds no puzzle"),
        (f"{'a' * (MOST_CELLS + 1)},{'b' * (MOST_CELLS + 1)}\n", "901 symbols, and 900 are the most"),
        (
            "".join(chr(0x4E00 + number) * 2 + f",{chr(0x4E00 + number)}a\n" for number in range(300)),
            "different",
        ),
    ],
    ids=["empty", "long", "symbols"],
)
def test_a_file_without_usable_strings_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CorpusError, match=words) as caught:
        opened(tmp_path / "pairs.csv", text)
    assert caught.value.hint


def test_no_held_out_string_is_in_training(tmp_path: Path) -> None:
    puzzles = opened(tmp_path / "pairs.csv", reversals(200))
    learned, held_out = split(puzzles)
    assert (len(learned), len(held_out), held_out.left_out) == (180, 20, 0)
    assert not {pair[0] for pair in pairs(learned)} & {pair[0] for pair in pairs(held_out)}
    assert {*pairs(learned), *pairs(held_out)} == {*pairs(puzzles)} and learned.notes == ()


def test_symbols_that_only_held_out_strings_have_are_left_out(tmp_path: Path) -> None:
    text = reversals(40) + "".join(f"{letter}12345,54321{letter}\n" for letter in "pqrstuvwxyz")
    puzzles = opened(tmp_path / "pairs.csv", text)
    learned, held_out = split(puzzles, 30)
    assert held_out.left_out > 0 and len(held_out) + held_out.left_out == 30
    assert held_out.kind.symbols == learned.kind.symbols
    (note,) = learned.notes
    assert f"{held_out.left_out} string" in note and "never has" in note
    assert {*pairs(held_out)} <= {*pairs(puzzles)}
    seen = set("".join(pair[0] + pair[1] for pair in pairs(learned)))
    assert seen == set(learned.kind.symbols or "") and seen < set(puzzles.kind.symbols or "")
    again = split(puzzles, len(held_out) + held_out.left_out)
    assert again[1].content_hash == held_out.content_hash


def test_where_every_held_out_string_has_a_new_symbol_it_is_said(tmp_path: Path) -> None:
    puzzles = opened(tmp_path / "pairs.csv", "ab,ba\ncd,dc\n")
    with pytest.raises(CorpusError, match="No string can be held out"):
        split(puzzles, 1)


def test_a_string_to_solve_is_read_or_its_first_unknown_symbol_named() -> None:
    kind = StringKind("0123,")
    assert kind.parse(" 2310\n").tolist() == [2, 3, 1, 0]
    with pytest.raises(UsageError, match="has 'x' in it, which is in no string that was learned") as caught:
        kind.parse("23x0")
    assert "0123" in str(caught.value.hint)
    with pytest.raises(UsageError, match="empty"):
        kind.parse("  ")


def test_strings_to_solve_come_by_lines_or_with_their_targets(tmp_path: Path) -> None:
    path, kind = tmp_path / "some.txt", StringKind("0123")
    path.write_text("0123\n3210\n")
    assert [(kind.line(one.grid), one.target) for one in puzzles_from_file(path, kind)] == [
        ("0123", None), ("3210", None)
    ]  # fmt: skip
    path.write_text("input,target\n0123,3210\n3,\n")
    with_target, without = puzzles_from_file(path, kind)
    assert with_target.target is not None and kind.line(with_target.target) == "3210"
    assert without.target is None
    path.write_text("0123,3210\n012x,3210\n")
    with pytest.raises(UsageError, match=r"Line 2 of 'some.txt': the input has 'x'"):
        puzzles_from_file(path, kind)


def test_written_strings_are_read_back(tmp_path: Path) -> None:
    puzzles = opened(tmp_path / "pairs.csv", '"a,b","b,a"\nac",ac"\n')
    write_puzzles(tmp_path / "out.csv", puzzles.puzzles, puzzles.solutions, puzzles.kind)
    assert (tmp_path / "out.csv").read_text().startswith("input,target\n")
    assert pairs(result_of(open_puzzles(tmp_path / "out.csv", task="grid"))) == pairs(puzzles)


def test_a_drawing_marks_symbols_below() -> None:
    kind = StringKind("abc")
    grid, changed, wrong = np.array([0, 1, 2, 0]), np.arange(4) == 1, np.arange(4) == 2
    assert "".join(part for part, _ in kind.draw(grid, grid, changed, wrong)) == "abca\n *×"
    assert "".join(part for part, _ in kind.draw(grid, grid)) == "abca"
    long = np.zeros(100, dtype=np.uint8)
    assert [len(line) for line in "".join(part for part, _ in kind.draw(long, long)).split("\n")] == [64, 36]
