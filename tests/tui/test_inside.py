"""The screen of what happens inside a model: its three views, their keys, and works that are left."""

import shutil
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from pathlib import Path

import pytest
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Input, Static

from data.progress import result_of
from data.text_table import TextTable
from models.analysis.analyze import RunAnalysis
from models.analysis.result_tables import Measure
from models.analysis.trace_tables import ablation_table
from models.benchmark.report import Report
from models.planning.plan import plan
from models.runs.events import EvaluationAdvanced, Event, NoticeGiven, PreparationAdvanced
from models.training.trainer import train
from tests.requests import train_request
from tests.tui.conftest import HOSTILE, SIZES, remarks, shown, until
from tests.tui.snapshots.recorded_results import trace
from tui import model_work
from tui.model_work import ModelWork, found_by, progress_of
from tui.screens.home import HomeScreen
from tui.screens.inside import InsideScreen
from tui.widgets.curve_chart import CurveChart
from tui.widgets.depth_view import DepthView
from tui.widgets.measure_bars import bar_lines
from tui.widgets.score_view import ScoreView
from tui.widgets.table_text import table_lines
from tui.widgets.trace_view import TraceView

FIXTURES = Path(__file__).parents[1] / "fixtures/runs_of_earlier_versions"
Do = Callable[[Pilot[None], InsideScreen], Awaitable[None]]


@pytest.fixture
def inside(tmp_path: Path, drive):
    """`inside(do, size)`: open the screen of a run with a tiny model, and `do(pilot, screen)` in it."""

    def run(do: Do, size: tuple[int, int] = (80, 24), fixture: str = "before_second_texts/finished") -> None:
        folder = tmp_path / "runs" / "tiny"
        if not folder.exists():
            shutil.copytree(FIXTURES / fixture, folder)
            log = folder / "events.jsonl"
            log.write_text(log.read_text().replace('"prompt": ""', '"prompt": "the fox ran"'))

        async def opened(pilot: Pilot[None]) -> None:
            home = pilot.app.screen
            assert isinstance(home, HomeScreen)
            await until(pilot, lambda: home.table.rows_shown)
            await pilot.pause()
            await pilot.press("i")
            screen = pilot.app.screen
            assert isinstance(screen, InsideScreen)
            await pilot.pause()
            await do(pilot, screen)

        drive(opened, size)

    return run


async def started(pilot: Pilot[None], screen: InsideScreen) -> None:
    """Start the work of the view that is shown, and wait for its end."""
    await pilot.press("enter")
    await until(pilot, lambda: screen.running is None)
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_a_text_is_traced_at_every_size(inside, size: tuple[int, int]) -> None:
    async def do(pilot: Pilot[None], screen: InsideScreen) -> None:
        view = screen.query_one(TraceView)
        await until(pilot, lambda: view.text)  # the prompt of its last sample
        assert view.found is None
        await pilot.press("e")
        screen.query_one("#text", Input).post_message(Paste(f"the fox {HOSTILE}"))
        await until(pilot, lambda: view.text.startswith("the fox [bold]"))
        await started(pilot, screen)
        assert view.found is not None and view.found.depth == "2" and not view.found.ablations
        text = shown(pilot.app)
        assert "Passes at depth 2" in text and "entropy" in text if size[0] > 40 else "next" in text
        await pilot.press("end")
        await until(pilot, lambda: "(beyond training)" in shown(pilot.app))
        assert not set(text + shown(pilot.app)) & set("\x1b\x9b\u202e")

    inside(do, size)


def test_mode_parts_and_text_of_a_trace_change_by_keys(inside) -> None:
    async def do(pilot: Pilot[None], screen: InsideScreen) -> None:
        view = screen.query_one(TraceView)
        await until(pilot, lambda: view.text)
        await pilot.press("e", "end", "2", "enter")  # a digit belongs to the text while it is being written
        await until(pilot, lambda: view.found is not None)
        assert screen.shown == "trace" and view.text.endswith("2")
        await pilot.press("f3")
        await until(pilot, lambda: view.found.depth == "3")
        await pilot.press("f6")
        await until(pilot, lambda: view.found.ablations and screen.running is None)
        assert "parts left out in turn" in shown(pilot.app)
        assert view.found.depth == "3" and screen.settings.mode == "deep"
        first = view.query_one(CurveChart).chart
        await pilot.press("x")
        assert first.y.label == "loss" and view.query_one(CurveChart).chart.y.label != "loss"
        await pilot.press("e", "escape")
        assert not isinstance(screen.focused, Input) and pilot.app.screen is screen
        screen.query_one("#text", Input).value = " "
        await pilot.press("enter")
        assert remarks(pilot.app) == ["Write a text to trace first."] and screen.running is None

    inside(do)


@pytest.fixture(scope="module")
def measured() -> tuple[RunAnalysis, Report]:
    """The scores and the depths of the tiny model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(FIXTURES.parents[2])  # the run names its text from there
        patch.setattr(model_work, "CHARACTERS", 600)
        work = ModelWork(FIXTURES / "before_second_texts/finished")
        events: list[Event] = []
        scores = found_by(work.scores("normal"), lambda: False, events.append)
        depth = found_by(work.depth(), lambda: False, events.append)
    stages = {progress[0] for event in events if (progress := progress_of(event)) is not None}
    assert stages >= {"loading the model", "reading the reference", "measuring", "writing", "judging"}
    assert scores is not None and depth is not None
    return scores, depth


def giving(found: object) -> Generator[Event, None, object]:
    yield PreparationAdvanced(stage="measuring", done=1, total=2)
    return found


@pytest.mark.parametrize("size", SIZES)
def test_scores_and_depth_are_shown_and_stay(inside, monkeypatch, measured, size: tuple[int, int]) -> None:
    scores, depth = measured
    modes: list[str] = []
    monkeypatch.setattr(ModelWork, "scores", lambda work, mode: modes.append(mode) or giving(scores))
    monkeypatch.setattr(ModelWork, "depth", lambda work: giving(depth))

    async def do(pilot: Pilot[None], screen: InsideScreen) -> None:
        await pilot.press("2", "f3")
        await started(pilot, screen)
        assert modes == ["deep"] and screen.query_one(ScoreView).found is scores
        text = shown(pilot.app)
        assert "characters written at mode normal" in text
        await pilot.press("3")
        await started(pilot, screen)
        view = screen.query_one(DepthView)
        assert view.found is depth and "Every depth reads the same" in shown(pilot.app)
        await pilot.press("x")
        assert view.across == "block passes" and view.query_one(CurveChart).chart.x.label == "block passes"
        await pilot.press("2")
        assert screen.query_one(ScoreView).found is scores

    inside(do, size)


def test_a_run_of_problems_counts_right_answers_and_has_no_scores(inside, tmp_path, monkeypatch) -> None:
    for place in ("training.problems.task.CHOOSING", "training.problems.task.FINAL"):
        monkeypatch.setattr(f"models.{place}", 2)
    monkeypatch.setattr("models.benchmark.problem_depth.PROBLEMS", 2)
    request = train_request(
        paths=(), task="compose:s3:2", name="tiny", steps=1, d_model=16, n_heads=2, threads=1, device="cpu"
    )
    run = result_of(plan(request, tmp_path / "runs")).start()
    list(run.record(train(run)))

    async def do(pilot: Pilot[None], screen: InsideScreen) -> None:
        home = pilot.app.screen_stack[-2]
        assert "looped, problems compose:s3:2" in str(home.query_one("#about", Static).content)
        assert isinstance(home, HomeScreen) and home.check_action("teach", ()) is None
        await pilot.press("2")
        assert "there is no text to judge" in shown(pilot.app) and not screen.applies()
        await pilot.press("3")
        await started(pilot, screen)
        assert not remarks(pilot.app) and "2 factors" in shown(pilot.app)

    inside(do, (140, 45))


def test_tokens_that_halt_early_are_told_from_the_others(inside) -> None:
    async def do(pilot: Pilot[None], screen: InsideScreen) -> None:
        view = screen.query_one(TraceView)
        screen.query_one("#text", Input).value = "the fox"
        await pilot.press("f3", "h")
        await started(pilot, screen)
        assert view.found.depth == "3" and "halt early" in shown(pilot.app)
        found = replace(view.found, routed=True, tokens=tuple(
            replace(token, passes=1.0 + number % 3) for number, token in enumerate(view.found.tokens)
        ))  # fmt: skip
        view.show(found)
        await pilot.press("end")
        await until(pilot, lambda: "3 passes: 2 of 7 tokens" in shown(pilot.app))
        assert view.coloring == "passes"
        await pilot.press("f4")
        assert view.coloring == "probability"

    inside(do)


def endless(closed: list[bool]) -> Generator[Event, None, None]:
    try:
        for number in range(1_000_000):
            time.sleep(0.002)
            yield PreparationAdvanced(stage="counting", done=number, total=1_000_000)
    finally:
        closed.append(True)


def test_a_work_is_stopped_by_keys_and_by_leaving_and_closes_its_generator(inside, monkeypatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(ModelWork, "depth", lambda work: endless(closed))

    async def do(pilot: Pilot[None], screen: InsideScreen) -> None:
        await pilot.press("3", "enter")
        await until(pilot, lambda: "counting" in shown(pilot.app))
        await pilot.press("1", "enter")
        assert remarks(pilot.app) == ["The depth view is at work. Esc stops it."]
        await pilot.press("escape")
        await until(pilot, lambda: closed)
        assert pilot.app.screen is screen and screen.running is None
        await pilot.press("3", "enter", "ctrl+c")
        await until(pilot, lambda: len(closed) == 2)
        assert pilot.app.screen is screen and screen.running is None
        await pilot.press("enter")
        await until(pilot, lambda: screen.running == "depth")
        pilot.app.pop_screen()
        await until(pilot, lambda: len(closed) == 3)

    inside(do)


def test_what_fails_is_said_and_the_screen_stays(inside, monkeypatch) -> None:
    def fails(work: ModelWork) -> Generator[Event, None, None]:
        yield PreparationAdvanced(stage="reading", done=0, total=0)
        raise RuntimeError("out of memory [bold]")

    async def do(pilot: Pilot[None], screen: InsideScreen) -> None:
        await pilot.press("3")
        await started(pilot, screen)
        assert remarks(pilot.app) == ["The model cannot be measured: out of memory [bold]"]
        assert pilot.app.screen is screen
        shutil.rmtree(screen.folder)
        await pilot.press("1", "enter")
        await until(pilot, lambda: len(remarks(pilot.app)) == 2 and screen.running is None)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, HomeScreen)

    monkeypatch.setattr(ModelWork, "depth", fails)
    inside(do)


def test_a_run_of_puzzles_says_what_to_press(inside) -> None:
    async def do(pilot: Pilot[None], screen: InsideScreen) -> None:
        assert screen.shown == "depth"
        await pilot.press("1")
        await pilot.pause()
        assert "solves puzzles" in shown(pilot.app) and "v on the first screen" in shown(pilot.app)
        await pilot.press("enter", "e", "f3")
        assert screen.running is None and screen.check_action("start", ()) is False

    inside(do, fixture="before_plain_names/sudoku")


def test_a_work_gives_its_result_unless_it_is_stopped() -> None:
    def steps() -> Generator[Event, None, int]:
        yield NoticeGiven(message="one")
        yield NoticeGiven(message="two")
        return 7

    told: list[Event] = []
    assert found_by(steps(), lambda: False, told.append) == 7 and len(told) == 2
    assert found_by(steps(), lambda: len(told) == 3, told.append) is None and len(told) == 3


def test_progress_is_told_of_both_kinds_of_events() -> None:
    assert progress_of(PreparationAdvanced(stage="writing", done=1, total=4)) == ("writing", 0.25)
    assert progress_of(PreparationAdvanced(stage="reading", done=0, total=1)) == ("reading", None)
    assert progress_of(EvaluationAdvanced(step=0, done=1, total=2)) == ("evaluating", 0.5)
    assert progress_of(NoticeGiven(message="x")) is None


def test_a_narrow_table_leaves_out_columns_and_cuts_the_last() -> None:
    rows = [("core", "1", "0.5", "a\nb 12%  c 3%"), ("low", "12", "\x1b[2J", "d")]
    table = TextTable(("level", "pass", "cosine", "next"), rows, right=("pass",), optional=("cosine",))
    wide = [line.plain for line in table_lines(table, 60)]
    assert wide[1] == "core      1  0.5     a⏎b 12%  c 3%" and wide[2].startswith("low      12  ␛[2J")
    narrow = [line.plain for line in table_lines(table, 20)]
    assert "cosine" not in narrow[0] and narrow[1] == "core      1  a⏎b 12…"
    assert max(map(len, narrow)) <= 20


def test_what_a_part_is_worth_is_told_in_a_narrow_terminal() -> None:
    lines = [line.plain for line in table_lines(ablation_table(trace()), 38)]
    assert lines[0].split() == ["left", "out", "costs"] and lines[1].endswith("+0.400")
    assert lines[3].endswith("+0.000"), "no negative zero"


def test_a_bar_is_as_long_as_its_share() -> None:
    measures = [Measure("words", 0.5, "50", "known words"), Measure("overall", 1.2, "120", "")]
    lines = [line.plain for line in bar_lines(measures, 40, "$primary")]
    assert lines[0].count("━") == lines[0].count("─") == 12 and lines[1].strip() == "known words"
    assert lines[2].count("─") == 0 and len(lines) == 3
    assert len(bar_lines(measures, 120, "$primary")) == 2
