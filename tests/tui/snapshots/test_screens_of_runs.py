"""The screens of runs as they are stored: the list, the dashboards, the curves, and their dialogs."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from models.runs.evaluation import Evaluation
from models.runs.events import RunFailed
from models.runs.run import Run
from tests.models.runs.example_config import CREATED
from tests.models.runs.example_events import finished, paused
from tests.tui.conftest import until
from tests.tui.snapshots.conftest import AT_HOME, NOW, at_home, check, set_age
from tests.tui.snapshots.recorded_runs import FABLES, training
from tui.screens.dashboard import VIEWS, DashboardScreen
from tui.screens.home import HomeScreen
from tui.screens.plot import PlotScreen
from tui.screens.run_settings import RunSettingsScreen
from tui.widgets.no_runs import NoRuns

BY_MODE = {"fast": 1.4810, "normal": 1.4534, "deep": 1.4499}
ENDED = finished(
    1.4534, step=400, best_step=400, validation_loss_by_mode=BY_MODE, parameters=369_984, elapsed_s=1000.0,
    perplexity=4.28, bits_per_byte=2.2, tokens_seen=1_638_400, time=NOW,
)  # fmt: skip
NO_WEIGHTS = (2).to_bytes(8, "little") + b"{}"


@pytest.fixture
def all_states(recorded) -> ExitStack:
    """A run in each state. The training holds its lock until the stack is closed."""
    owl = recorded("owl", training(260), FABLES)
    recorded("fables-2", training(180)[:-1], FABLES, hours=3)
    recorded("sparrow", [*training(120), paused(120, 400)], FABLES, hours=5)
    failed = RunFailed(
        kind="StorageError", message="The disk is full.", hint="Free 40 MB, then resume.", time=NOW
    )
    recorded("hare", [*training(80), failed], FABLES, hours=26)
    end(recorded("a-name-that-is-rather-long-and-goes-on", [*training(400), ENDED], FABLES, hours=50), 50)
    damaged = recorded("heron", training(40), FABLES, hours=70)
    damaged.config_path.write_text("{", encoding="utf-8")
    set_age(damaged.path, 70)
    recorded("egg", config=CREATED, hours=100)
    held = ExitStack()
    held.enter_context(owl.lock())
    set_age(owl.path, 0)
    return held


def end(run: Run, hours: float) -> None:
    """Give a run what a finished training leaves."""
    run.weights_path.write_bytes(NO_WEIGHTS)
    run.save_evaluation(
        Evaluation(
            step=400, after_steps=400, validation_loss=1.4534, validation_loss_by_mode=BY_MODE,
            passes_per_token=2.0, passes_histogram={"1": 300, "2": 500, "3": 224}, bits_per_byte=2.2,
        )
    )  # fmt: skip
    set_age(run.path, hours)


def select(home: HomeScreen, name: str) -> None:
    home.table.move_cursor(row=[row.summary.name for row in home.table.rows_shown].index(name))


def test_the_runs_in_every_state(all_states: ExitStack, drive) -> None:
    async def do(pilot: Pilot[None]) -> None:
        home = await at_home(pilot, 7)
        home._timer.pause()
        await check(pilot, "home-training")
        for name, run in (("killed", "fables-2"), ("failed", "hare"), ("damaged", "heron")):
            select(home, run)
            await check(pilot, f"home-{name}")
        await pilot.press("question_mark")
        await check(pilot, "home-help")
        await pilot.press("escape")
        select(home, "sparrow")
        row = home.table.selected
        assert row is not None
        place = home.table.cursor_row
        rows = list(home.table.rows_shown)
        rows[place] = replace(row, summary=replace(row.summary, path=AT_HOME / "sparrow"))
        home.table.rows_shown = rows
        await pilot.press("d")
        await check(pilot, "home-delete")

    with all_states:
        drive(do)


def test_a_folder_without_runs(drive, tmp_path: Path) -> None:
    (tmp_path / "fables.txt").write_text("the owl " * 9000, encoding="utf-8")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one.txt").write_text("dear owl " * 50, encoding="utf-8")
    (tmp_path / "runs").mkdir()

    async def do(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: pilot.app.screen.query_one(NoRuns)._entries)
        await check(pilot, "home-empty")

    drive(do)


async def dashboard(pilot: Pilot[None], steps: int) -> DashboardScreen:
    """Open the dashboard of the only run."""
    await at_home(pilot, 1)
    await pilot.press("enter")
    screen = pilot.app.screen
    assert isinstance(screen, DashboardScreen)
    await until(pilot, lambda: screen.view.step == steps)
    return screen


async def view(pilot: Pilot[None], name: str, *keys: str) -> None:
    await pilot.press(str(VIEWS.index(name) + 1), *keys)


def test_the_dashboard_of_a_training(recorded, drive) -> None:
    run = recorded("owl", training(260, passes=2.0), FABLES, hours=0)

    async def do(pilot: Pilot[None]) -> None:
        screen = await dashboard(pilot, 260)
        await until(pilot, lambda: screen.machine is not None)
        await check(pilot, "training-loss")
        await pilot.press("v", "left", "left")
        await check(pilot, "training-loss-values")
        for name in ("modes", "samples", "log", "figures"):
            await view(pilot, name)
            await check(pilot, f"training-{name}")
        await pilot.press("question_mark")
        await check(pilot, "training-help")
        await pilot.press("escape", "ctrl+c")
        await check(pilot, "training-pause")
        await pilot.press("escape", "g")
        await check(pilot, "training-sample")
        await pilot.press("escape", "o")
        settings = pilot.app.screen
        assert isinstance(settings, RunSettingsScreen)
        await until(pilot, lambda: settings.query_one("#settings").rows)
        await check(pilot, "training-settings")

    with run.lock():
        drive(do)


def test_the_dashboard_of_a_finished_training(recorded, drive) -> None:
    end(recorded("owl", [*training(400, passes=2.0), ENDED], FABLES), 1)

    async def do(pilot: Pilot[None]) -> None:
        await dashboard(pilot, 400)
        await check(pilot, "finished-loss")
        for name in ("passes", "figures"):
            await view(pilot, name)
            await check(pilot, f"finished-{name}")

    drive(do)


def test_the_curves_of_several_runs(recorded: Callable[..., Run], drive) -> None:
    for hours, (name, steps) in enumerate({"owl": 400, "sparrow": 250, "hare": 120}.items(), start=1):
        recorded(name, [*training(steps), paused(steps, 400)], FABLES, hours=hours)

    async def do(pilot: Pilot[None]) -> None:
        await at_home(pilot, 3)
        await pilot.press(*("space", "down") * 3, "p")
        screen = pilot.app.screen
        assert isinstance(screen, PlotScreen)
        await until(pilot, lambda: screen.curves)
        await check(pilot, "curves")

    drive(do)
