"""The screen that solves puzzles, and its keys."""

import shutil
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from data.errors import CorpusError, RlmError
from data.sudoku_checker import require_unique
from data.sudoku_text import parse_grid
from models.generation import solver
from models.runs.run import Run
from tests.tui.conftest import HOSTILE, SIZES, remarks, shown, steps, until
from tui.puzzle_source import PuzzleSource
from tui.screens import puzzle as puzzle_module
from tui.screens.home import HomeScreen
from tui.screens.puzzle import PuzzleScreen
from tui.screens.puzzle_input import PuzzleInputScreen

TRAINED = Path(__file__).parents[1] / "fixtures/runs_of_earlier_versions/before_plain_names/sudoku"
OWN = "1...|..3.|.4..|...2"
Do = Callable[[Pilot[None], PuzzleScreen], Awaitable[None]]


@pytest.fixture
def sudoku(tmp_path: Path) -> Run:
    """A run with a tiny model of 4×4 puzzles that was trained for six steps."""
    shutil.copytree(TRAINED, tmp_path / "runs" / "sudoku")
    return Run.open("sudoku", tmp_path / "runs")


@pytest.fixture
def solving(sudoku: Run, drive):
    """`solving(do, size)`: open the run with v, and `do(pilot, screen)` in it."""

    def run(do: Do, size: tuple[int, int] = (80, 24)) -> None:
        async def inside(pilot: Pilot[None]) -> None:
            home = pilot.app.screen
            assert isinstance(home, HomeScreen)
            await until(pilot, lambda: home.table.rows_shown)
            await pilot.pause()
            await pilot.press("v")
            screen = pilot.app.screen
            assert isinstance(screen, PuzzleScreen)
            await until(pilot, lambda: screen.solve is not None or screen is not pilot.app.screen)
            if screen.source is not None:
                await until(pilot, lambda: not screen.source.is_reading and screen.thinking is None)
            await pilot.pause()
            await do(pilot, screen)

        drive(inside, size)

    return run


async def thought(pilot: Pilot[None], screen: PuzzleScreen) -> None:
    await pilot.pause()
    await until(pilot, lambda: not screen.is_posing and screen.thinking is None)
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_a_puzzle_is_solved_step_by_step_at_every_size(solving, size: tuple[int, int]) -> None:
    async def do(pilot: Pilot[None], screen: PuzzleScreen) -> None:
        solve = screen.solve
        assert solve is not None and len(solve.taken) == solve.limit == 16 and solve.at == 0
        await until(pilot, lambda: "0 of 16" in shown(pilot.app) and "┏" in shown(pilot.app))
        await pilot.press("right", "right", "left", "right", "l")
        assert solve.at == 3
        await until(pilot, lambda: "3 of 16" in shown(pilot.app))
        assert "▲" in shown(pilot.app) and "sure" in shown(pilot.app)
        await pilot.press("end")
        assert solve.at == 16
        await pilot.press("home")
        assert solve.at == 0
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, HomeScreen)

    solving(do, size)


def test_the_next_puzzles_are_those_held_out(solving) -> None:
    async def do(pilot: Pilot[None], screen: PuzzleScreen) -> None:
        names = []
        for _ in range(7):
            await pilot.press("n")
            await thought(pilot, screen)
            assert screen.solve is not None
            names.append(screen.solve.name)
        assert names[:2] == ["held-out 1 of 6", "held-out 2 of 6"] and names[6] == names[0]
        await until(pilot, lambda: names[0] in shown(pilot.app))

    solving(do)


def test_more_and_fewer_steps_are_kept_for_the_next_puzzle(solving) -> None:
    async def do(pilot: Pilot[None], screen: PuzzleScreen) -> None:
        await pilot.press("plus")
        await thought(pilot, screen)
        assert screen.solve is not None and len(screen.solve.taken) == 32
        await pilot.press("end", "minus", "minus")
        assert (screen.solve.at, screen.solve.limit) == (8, 8)
        await pilot.press("n")
        await thought(pilot, screen)
        assert len(screen.solve.taken) == 8

    solving(do)


def test_the_weights_of_now_solve_the_same_puzzle_and_the_next_ones_go_on(
    solving, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def do(pilot: Pilot[None], screen: PuzzleScreen) -> None:
        await pilot.press("n")
        await thought(pilot, screen)
        before, source = screen.solve, screen.source
        assert before is not None and before.name == "held-out 1 of 6"
        await pilot.press("f5")
        await until(pilot, lambda: screen.source is not source)
        await thought(pilot, screen)
        assert screen.solve is not before and screen.solve.name == before.name
        assert (screen.solve.puzzle == before.puzzle).all() and len(screen.solve.taken) == 16
        await pilot.press("n")
        await thought(pilot, screen)
        assert screen.solve.name == "held-out 2 of 6"
        source, before = screen.source, screen.solve
        monkeypatch.setattr(PuzzleSource, "load", refused)
        await pilot.press("f5")
        await until(pilot, lambda: "It has no weights." in remarks(pilot.app))
        assert pilot.app.screen is screen and (screen.source, screen.solve) == (source, before)

    solving(do)


def refused(run: Run, before: PuzzleSource | None) -> PuzzleSource:
    raise RlmError("It has no weights.")


def test_playing_holds_at_the_last_step_and_begins_again(solving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puzzle_module, "_PLAY_S", 0.01)

    async def do(pilot: Pilot[None], screen: PuzzleScreen) -> None:
        await pilot.press("minus", "minus")
        assert screen.solve is not None and screen.solve.sure_at is None  # the model is hardly trained
        for start in (0, 4):
            screen.solve.go_to(start)
            await pilot.press("space")
            await until(pilot, lambda: screen.solve.at == 4 and not screen.is_playing)

    solving(do)


def test_a_step_by_hand_holds_the_play(solving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puzzle_module, "_PLAY_S", 60.0)

    async def do(pilot: Pilot[None], screen: PuzzleScreen) -> None:
        await pilot.press("space")
        assert screen.is_playing
        screen._play_on()
        assert screen.solve is not None and screen.solve.at == 1
        await pilot.press("left")
        assert screen.solve.at == 0 and not screen.is_playing

    solving(do)


@pytest.mark.parametrize("size", SIZES[::2])
def test_a_typed_puzzle_is_drawn_checked_and_solved(solving, size: tuple[int, int]) -> None:
    async def do(pilot: Pilot[None], screen: PuzzleScreen) -> None:
        await pilot.press("t")
        asks = pilot.app.screen
        assert isinstance(asks, PuzzleInputScreen)
        await pilot.press(*"1..", "enter")
        await until(pilot, lambda: "has 3 cells" in " ".join(shown(pilot.app).split()))
        assert pilot.app.screen is asks
        field = asks.query_one(Input)
        field._on_paste(paste(HOSTILE))
        await until(pilot, lambda: "[bold]no" in shown(pilot.app))
        assert not set(shown(pilot.app)) & {"\x1b", "\x9b"}
        field.value = "1" * 16
        await pilot.press("enter")
        await until(pilot, lambda: "no solution" in " ".join(remarks(pilot.app)))
        await pilot.press("t")
        asks = pilot.app.screen
        asks.query_one(Input)._on_paste(paste("1 . . .\n. . 3 .\n. 4 . .\n. . . 2\n"))
        await until(pilot, lambda: "16 of 16 cells" in shown(pilot.app))
        await pilot.press("enter")
        await thought(pilot, screen)
        assert screen.solve is not None and screen.solve.name == "your puzzle"
        assert (screen.solve.puzzle == parse_grid(OWN)).all()
        assert (screen.solve.solution == require_unique(parse_grid(OWN))).all()
        await pilot.press("t", "escape")
        assert pilot.app.screen is screen and screen.solve.name == "your puzzle"

    solving(do, size)


def test_a_typed_puzzle_comes_in_place_of_one_that_is_being_found(
    solving, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_found = threading.Event()

    async def do(pilot: Pilot[None], screen: PuzzleScreen) -> None:
        monkeypatch.setattr(PuzzleSource, "next", lambda source: is_found.wait(60))
        await pilot.press("n", "n")
        assert screen.is_posing
        await pilot.press("t")
        pilot.app.screen.query_one(Input).value = OWN
        await pilot.press("enter")
        await until(pilot, lambda: not screen.is_posing)
        is_found.set()
        await thought(pilot, screen)
        assert screen.solve is not None and screen.solve.name == "your puzzle"

    try:
        solving(do)
    finally:
        is_found.set()


def paste(text: str):
    from textual import events

    return events.Paste(text)


def test_without_the_held_out_puzzles_new_ones_are_made(solving, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(source: PuzzleSource) -> None:
        source.is_reading = False
        raise CorpusError("The puzzles are gone.")

    monkeypatch.setattr(PuzzleSource, "read_held_out", gone)

    async def do(pilot: Pilot[None], screen: PuzzleScreen) -> None:
        await until(
            pilot, lambda: "The puzzles are gone. New puzzles are made instead." in remarks(pilot.app)
        )
        first = screen.solve
        await pilot.press("n")
        await until(pilot, lambda: screen.solve is not first)
        assert screen.solve is not None and screen.solve.name == "a new puzzle"

    solving(do)


def test_a_model_that_fails_is_said_and_the_screen_stays(solving, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object):
        raise RuntimeError("no memory \x1b[31m")
        yield

    monkeypatch.setattr(solver, "solve_steps", fails)

    async def do(pilot: Pilot[None], screen: PuzzleScreen) -> None:
        await until(pilot, lambda: "The model cannot think: no memory ␛[31m" in remarks(pilot.app))
        await pilot.press("right", "space", "plus")
        assert pilot.app.screen is screen and screen.solve is not None and screen.solve.at == 0

    solving(do)


def test_a_model_that_cannot_be_loaded_is_said(sudoku: Run, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PuzzleSource, "load", refused)

    async def do(pilot: Pilot[None]) -> None:
        home = pilot.app.screen
        await until(pilot, lambda: home.table.rows_shown)
        await pilot.pause()
        await pilot.press("v")
        await until(pilot, lambda: "It has no weights." in remarks(pilot.app))
        await until(pilot, lambda: pilot.app.screen is home)

    drive(do)


def test_only_puzzle_runs_solve_and_only_the_others_chat(record, sudoku: Run, drive) -> None:
    record("owl", steps(30))

    async def do(pilot: Pilot[None]) -> None:
        home = pilot.app.screen
        await until(pilot, lambda: len(home.table.rows_shown) == 2)
        for row, summary in enumerate(one.summary for one in home.table.rows_shown):
            home.table.move_cursor(row=row)
            await pilot.pause()
            able = home.check_action("solve", ()), home.check_action("chat", ())
            assert able == ((True, False) if summary.name == "sudoku" else (False, True))

    drive(do)
