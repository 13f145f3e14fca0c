"""The screen that grows a run: its plan, its check, and the process that writes the larger one."""

import shutil
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from data.errors import RlmError
from models.errors import CheckpointError
from models.growth.expand import ExpansionPlan
from models.runs.run import Run
from rlm_cli.app import main
from tests.models.runs.example_config import CREATED
from tests.tui.conftest import HOSTILE, SIZES, remarks, shown, until
from tui.expansion import Axis, Expansion, Growth, train_on_arguments
from tui.screens import expand as expand_module
from tui.screens.expand import ExpandScreen
from tui.screens.home import HomeScreen
from tui.widgets.size_field import SizeField

TRAINED = Path(__file__).parents[1] / "fixtures/runs_of_earlier_versions/before_second_texts/finished"
Do = Callable[[Pilot[None], ExpandScreen], Awaitable[None]]


@pytest.fixture
def owl(tmp_path: Path) -> Run:
    """A run with a tiny trained model."""
    shutil.copytree(TRAINED, tmp_path / "runs" / "owl")
    return Run.open("owl", tmp_path / "runs")


@pytest.fixture
def growing(owl: Run, drive):
    """`growing(do, size)`: open the run with e, and `do(pilot, screen)` in it."""

    def run(do: Do, size: tuple[int, int] = (80, 24)) -> None:
        async def inside(pilot: Pilot[None]) -> None:
            home = pilot.app.screen
            await until(pilot, lambda: home.table.rows_shown)
            await pilot.pause()
            await pilot.press("e")
            screen = pilot.app.screen
            assert isinstance(screen, ExpandScreen)
            await until(pilot, lambda: isinstance(screen.focused, SizeField))
            await do(pilot, screen)

        drive(inside, size)

    return run


class Writer:
    """Stands in for the process that writes the larger run."""

    refused: str | None = None

    def __init__(self, arguments: list[str]) -> None:
        self.calls.append(arguments)
        self.may_end.clear()

    calls: list[list[str]] = []  # noqa: RUF012
    may_end = threading.Event()

    def refusal(self, wait_s: float) -> str | None:
        self.may_end.wait(30)
        return self.refused

    def close(self) -> None:
        pass


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> type[Writer]:
    monkeypatch.setattr(expand_module, "Launch", Writer)
    monkeypatch.setattr(Writer, "calls", [])
    return Writer


async def checked(pilot: Pilot[None], screen: ExpandScreen) -> ExpansionPlan:
    """The plan of all that was typed; that of the first keys may be ready before the last one comes."""
    await until(pilot, lambda: screen.growth == screen._chosen() and not screen.is_planning)
    await until(pilot, lambda: screen.change is not None)
    await pilot.pause()
    assert screen.plan is not None
    return screen.plan


def text_of(app) -> str:
    return " ".join(shown(app).split())


@pytest.mark.parametrize("size", SIZES)
def test_the_plan_follows_what_is_chosen_and_the_outputs_are_compared(growing, size: tuple[int, int]) -> None:
    async def do(pilot: Pilot[None], screen: ExpandScreen) -> None:
        first, second, *_ = screen.query(SizeField)
        await pilot.press("plus", "plus", "minus")
        plan = await checked(pilot, screen)
        axis = first.axis
        assert plan.grown == {axis.name: (axis.size, axis.size + 1)} and screen.change is not None
        await until(pilot, lambda: f"{axis.size} to {axis.size + 1}" in text_of(pilot.app))
        assert screen.change <= 1e-5
        rows = dict(plan.rows())
        assert plan.training_bytes[0] < plan.training_bytes[1] and "training memory" in rows
        if size[1] > 12:
            await until(pilot, lambda: "same output as before" in text_of(pilot.app))
            assert "training memory" in text_of(pilot.app)
        await pilot.press("minus", "down", *str(second.axis.size + 1))
        assert second.number == second.axis.size + 1 and first.number is None
        await until(pilot, lambda: screen.plan is not None and screen.plan is not plan)
        plan = await checked(pilot, screen)
        assert list(plan.grown) == [second.axis.name]
        await pilot.press("up", "escape")
        assert isinstance(pilot.app.screen, HomeScreen)

    growing(do, size)


def test_what_cannot_be_is_said_in_words_of_the_form(growing) -> None:
    async def do(pilot: Pilot[None], screen: ExpandScreen) -> None:
        target = screen.query_one("#target", Input)
        target.value = "[bold]many"
        await until(pilot, lambda: screen.problem is not None)
        await until(pilot, lambda: "'[bold]many' is not a number of parameters" in text_of(pilot.app))
        assert screen.plan is None
        assert screen.check_action("start", ()) is None
        target.value = "10"
        await until(pilot, lambda: "The model already has" in text_of(pilot.app))
        assert screen.expansion is not None
        target.value = str(2 * screen.expansion.parameters)
        before, after = (await checked(pilot, screen)).parameters
        assert before == screen.expansion.parameters and after == pytest.approx(2 * before, rel=0.3)
        size = screen.query(SizeField).first()
        counts, now = size.axis.counts, size.axis.size
        await pilot.press("plus")
        await until(pilot, lambda: "'parameters in total' chooses what grows" in text_of(pilot.app))
        target.value = ""
        size.value = "9999"
        await until(
            pilot, lambda: f"No model can have 9,999 {counts}: the number must be 1 to" in text_of(pilot.app)
        )
        size.value = "0"
        await until(pilot, lambda: f"'{counts}' is already {now}" in text_of(pilot.app))
        assert "--" not in text_of(pilot.app)
        size.value = ""
        await until(pilot, lambda: "Choose what grows" in text_of(pilot.app))

    growing(do)


def test_an_output_that_differs_is_not_called_the_same(growing, monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(plan: ExpansionPlan) -> float:
        raise CheckpointError(f"A logit changes by 3. {HOSTILE}")

    monkeypatch.setattr(ExpansionPlan, "largest_logit_change", differs)

    async def do(pilot: Pilot[None], screen: ExpandScreen) -> None:
        await pilot.press("plus")
        await until(pilot, lambda: "the output differs" in text_of(pilot.app))
        assert screen.check_action("start", ()) is None
        assert "A logit changes by 3. [bold]no" in text_of(pilot.app)
        assert not set(shown(pilot.app)) & {"\x1b", "\x9b"}

    growing(do)


def test_a_process_writes_the_run_and_r_trains_it(growing, writer, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[object] = []

    async def do(pilot: Pilot[None], screen: ExpandScreen) -> None:
        monkeypatch.setattr(screen.rlm, "start_training", lambda *arguments: trained.append(arguments))
        assert not screen.check_action("train", ())
        await pilot.press("plus")
        screen.query_one("#name", Input).value = "tall"
        await until(pilot, lambda: screen.plan is not None and screen.plan.name == "tall")
        plan = await checked(pilot, screen)
        await pilot.press("f10")
        assert screen.is_writing
        await until(pilot, lambda: "Writing tall …" in text_of(pilot.app))
        await pilot.press("f10")
        plan.start()
        writer.may_end.set()
        await until(pilot, lambda: screen.written is not None)
        await until(pilot, lambda: "training.minutes=5" in text_of(pilot.app))
        assert "tall is written." in text_of(pilot.app)
        assert screen.query_one("#form").disabled
        await pilot.press("r")
        assert isinstance(pilot.app.screen, HomeScreen)

    growing(do)
    (call,) = writer.calls
    assert call[0] == "expand" and call[call.index("--name") + 1] == "tall" and "--quiet" in call
    ((name, arguments),) = trained
    assert name == "tall" and arguments[0] == "resume" and arguments[-2:] == ["--minutes", "5"]


def test_what_was_typed_last_is_planned_before_it_is_written(
    growing, writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def do(pilot: Pilot[None], screen: ExpandScreen) -> None:
        await pilot.press("plus")
        await checked(pilot, screen)
        monkeypatch.setattr(expand_module, "_PAUSE_S", 600.0)
        await pilot.press("plus", "f10")
        assert not writer.calls and "The plan of this is not there yet." in remarks(pilot.app)
        plan = await checked(pilot, screen)
        (axis,) = plan.grown.values()
        assert axis[1] == axis[0] + 2

    growing(do)


def test_why_it_was_not_written_is_said_and_it_can_be_tried_again(
    growing, writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "refused", f"The disk is full. {HOSTILE}")

    async def do(pilot: Pilot[None], screen: ExpandScreen) -> None:
        await pilot.press("plus")
        await checked(pilot, screen)
        await pilot.press("f10")
        writer.may_end.set()
        await until(pilot, lambda: not screen.is_writing)
        assert "owl-grown was not written. The disk is full. [bold]no" in remarks(pilot.app)[-1]
        await pilot.pause()
        assert isinstance(screen.focused, SizeField) and screen.check_action("start", ())

    growing(do)


def test_the_end_is_said_also_after_the_screen_was_left(growing, writer) -> None:
    async def do(pilot: Pilot[None], screen: ExpandScreen) -> None:
        await pilot.press("plus")
        await checked(pilot, screen)
        await pilot.press("f10", "escape")
        assert isinstance(pilot.app.screen, HomeScreen)
        writer.may_end.set()
        await until(pilot, lambda: "owl-grown is written." in remarks(pilot.app))

    growing(do)


def test_a_run_that_cannot_be_read_is_said(owl: Run, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(run: Run, runs_dir: Path) -> Expansion:
        raise RlmError("It has lost its checkpoints.")

    monkeypatch.setattr(Expansion, "read", lost)

    async def do(pilot: Pilot[None]) -> None:
        home = pilot.app.screen
        await until(pilot, lambda: home.table.rows_shown)
        await pilot.pause()
        await pilot.press("e")
        await until(pilot, lambda: "It has lost its checkpoints." in remarks(pilot.app))
        await until(pilot, lambda: pilot.app.screen is home)

    drive(do)


def test_a_busy_or_damaged_run_does_not_grow(record, drive) -> None:
    run = record("owl", config=CREATED)
    (record("broken").path / "config.json").write_text("{", encoding="utf-8")

    async def do(pilot: Pilot[None]) -> None:
        home = pilot.app.screen
        await until(pilot, lambda: len(home.table.rows_shown) == 2)
        for row in range(2):
            home.table.move_cursor(row=row)
            await pilot.pause()
            assert home.check_action("expand", ()) is None

    with run.lock():
        drive(do)


def test_a_step_is_coarser_for_larger_sizes_and_none_goes_below_the_present_one() -> None:
    core = Axis("core", "", 2)
    assert (core.changed(2, 1), core.changed(5, -1), core.changed(2, -1)) == (3, 4, 2)
    assert Axis("ff", "", 160).changed(160, 1) == 168 and Axis("vocab", "", 4096).changed(4352, -1) == 4096


def test_the_command_of_a_growth_is_understood_by_rlm(owl: Run, capsys: pytest.CaptureFixture[str]) -> None:
    expansion = Expansion.read(owl, owl.path.parent)
    axis = expansion.axes[0]
    for growth in (Growth({axis.name: axis.size + 1}), Growth(target_parameters=2 * expansion.parameters)):
        command = expansion.arguments(growth, "tall")
        assert main([command[0], "--dry-run", *command[1:]]) == 0
        assert "tall" in capsys.readouterr().out
    assert not (owl.path.parent / "tall").exists()


def test_a_run_is_trained_on_as_it_was_left(owl: Run, record) -> None:
    assert train_on_arguments(record("new", config=CREATED)) is None
    assert train_on_arguments(owl) == ["resume", str(owl.path), "--detach", "--quiet", "--minutes", "5"]
