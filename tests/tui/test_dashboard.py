"""The dashboard of one run: what it shows live, and what its keys ask for."""

import shutil

import pytest
from textual.pilot import Pilot

from models.runs import control_requests
from models.runs.event_json import to_json
from models.runs.events import NoticeGiven, RunFailed, SampleGenerated
from models.runs.run import Run
from tests.models.runs.example_events import paused, started, step
from tests.tui.conftest import HOSTILE, SIZES, confirm, remarks, shown, steps, until
from tui.screens.confirm import ConfirmScreen
from tui.screens.dashboard import VIEWS, DashboardScreen
from tui.screens.home import HomeScreen
from tui.screens.pause_menu import PauseMenu
from tui.widgets.curve_chart import CurveChart


async def opened(pilot: Pilot[None]) -> DashboardScreen:
    """Open the only run from the home screen."""
    home = pilot.app.screen
    assert isinstance(home, HomeScreen)
    await until(pilot, lambda: home.table.rows_shown)
    await pilot.pause()
    await pilot.press("enter")
    screen = pilot.app.screen
    assert isinstance(screen, DashboardScreen)
    await until(pilot, lambda: screen.view.step or screen.view.log)
    await pilot.pause()
    return screen


def append(run: Run, *events) -> None:
    with run.events_path.open("a", encoding="utf-8") as log:
        log.write("".join(to_json(event) + "\n" for event in events))


@pytest.mark.parametrize("size", SIZES)
def test_every_view_is_shown_live_at_every_size(record, drive, size: tuple[int, int]) -> None:
    sample = SampleGenerated(step=30, prompt="One morning", text=HOSTILE)
    run = record("owl", [started(), *steps(30), sample, NoticeGiven(message=HOSTILE, is_warning=True)])

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        seen = []
        for name in VIEWS if size == SIZES[0] else ("loss", "figures", "samples", "log"):
            await pilot.press(str(VIEWS.index(name) + 1))
            await pilot.pause()
            assert screen.shown == name
            seen.append(shown(pilot.app))
        everything = "".join(seen)
        assert not set(everything) & set("\x1b\x9b\u202e")
        assert "training" in seen[0] and "⠉" in seen[0]
        samples, log = (seen[-3], seen[-2]) if size == SIZES[0] else seen[-2:]
        assert "One morning" in samples
        assert all("[bold]no[/bold]" in text.replace("\n", "") for text in (samples, log))
        append(run, *(step(number, 2.0, total_steps=100) for number in range(31, 51)))
        await until(pilot, lambda: screen.view.step == 50)
        await pilot.pause()
        assert "50%" in shown(pilot.app)

    with run.lock():
        drive(do, size)


def test_keys_ask_the_training_through_its_control_folder(record, drive) -> None:
    run = record("owl", [started(), *steps(30)])

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        assert screen.check_action("resume", ()) is False
        await pilot.press("w", "p")
        assert set(control_requests.take(run)) == {"save", "pause"}
        await pilot.press("g", "escape")
        assert control_requests.take(run) == {}
        await pilot.press("g", "enter")
        await until(pilot, lambda: control_requests.take(run) == {"sample": ""})
        await pilot.press("g", *"One p", "enter")
        await until(pilot, lambda: control_requests.take(run) == {"sample": "One p"})
        await pilot.press("s")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("n")
        assert set(control_requests.take(run)) == set()
        await pilot.press("s")
        await confirm(pilot, "y")
        await until(pilot, lambda: set(control_requests.take(run)) == {"stop"})

    with run.lock():
        drive(do)


def test_ctrl_c_opens_the_menu_of_the_shell(record, drive) -> None:
    run = record("owl", [started(), *steps(30)])
    answers = {"p": {"pause"}, "2": {"stop"}, "escape": set(), "c": set(), "ctrl+c": {"pause"}}

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        for key, asked in answers.items():
            await pilot.press("ctrl+c")
            assert isinstance(pilot.app.screen, PauseMenu)
            await pilot.press(key)
            await until(pilot, lambda: pilot.app.screen is screen)
            await pilot.pause()
            assert set(control_requests.take(run)) == asked, key

    with run.lock():
        drive(do)


def test_an_idle_run_is_resumed_and_not_paused(record, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    run = record("owl", [started(), *steps(30), paused(30)])

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        assert screen.check_action("ask", ("pause",)) is False and screen.check_action("stop", ()) is False
        calls: list[object] = []
        monkeypatch.setattr(screen.rlm, "start_training", lambda *arguments: calls.append(arguments))
        await pilot.press("p", "ctrl+c", "r")
        assert pilot.app.screen is screen
        assert calls == [("owl", ["resume", str(run.path), "--detach", "--quiet"])]
        for key, name in (("right", "rate"), ("left", "loss"), ("left", "figures"), ("tab", "loss")):
            await pilot.press(key)
            assert screen.shown == name, key
        await pilot.press("l", "x")
        dials = screen.query_one(CurveChart).dials
        assert dials.log and dials.axis == "tokens"
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, HomeScreen)

    drive(do)


def test_a_run_that_disappears_leaves_its_last_picture(record, drive) -> None:
    run = record("owl", [started(), *steps(30)])

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        shutil.rmtree(run.path)
        await until(pilot, lambda: screen.problem)
        assert screen.view.step == 30 and pilot.app.is_running

    drive(do)


def test_a_training_that_fails_while_it_is_shown_says_why(record, drive) -> None:
    run = record("owl", [started(), *steps(30)])

    async def do(pilot: Pilot[None]) -> None:
        with run.lock():
            screen = await opened(pilot)
            assert screen.view.state == "training"
            append(run, RunFailed(kind="X", message=f"No loss {HOSTILE}", hint="Try less."))
        await until(pilot, lambda: remarks(pilot.app))
        assert screen.view.state == "failed" and remarks(pilot.app)[0].startswith("No loss [bold]no")

    drive(do)


def test_a_damaged_run_says_what_is_wrong(record, drive) -> None:
    run = record("owl", [started(), *steps(30)])
    run.config_path.write_text("{", encoding="utf-8")

    async def do(pilot: Pilot[None]) -> None:
        home = pilot.app.screen
        await until(pilot, lambda: home.table.rows_shown)
        await pilot.pause()
        await pilot.press("enter")
        screen = pilot.app.screen
        await until(pilot, lambda: screen.problem)
        assert "damaged" in screen.problem

    drive(do)
