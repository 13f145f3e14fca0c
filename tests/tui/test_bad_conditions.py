"""Conditions that no user chooses: another application on the same run, a folder that cannot be written, a
full disk, a terminal of a few cells. The application stays up and says what is wrong."""

import asyncio
import errno
from collections.abc import Callable

import pytest
from textual.events import Paste
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from models.generation import conversation
from models.runs import control_requests, run_folder
from tests.models.runs.example_events import paused, started
from tests.tui.conftest import confirm, remarks, send, shown, steps, until
from tests.tui.snapshots import recorded_results
from tests.tui.test_dashboard import opened
from tests.tui.test_new_run import Asked
from tui.app import RlmApp
from tui.screens import new_run as new_run_module
from tui.screens.chat import ChatScreen
from tui.screens.home import HomeScreen
from tui.screens.inside import InsideScreen
from tui.screens.new_run import NewRunScreen
from tui.screens.plot import PlotScreen
from tui.screens.run_settings import RunSettingsScreen
from tui.widgets.score_view import ScoreView
from tui.widgets.trace_view import TraceView

NO_PERMISSION = PermissionError(errno.EACCES, "Permission denied")


def refusing(*arguments: object, **more: object) -> None:
    raise NO_PERMISSION


async def home_of(pilot: Pilot[None]) -> HomeScreen:
    home = pilot.app.screen
    assert isinstance(home, HomeScreen)
    await until(pilot, lambda: home.table.rows_shown)
    await pilot.pause()
    return home


def test_two_applications_may_show_one_run_which_one_of_them_deletes(record) -> None:
    run = record("owl", [started(), *steps(30), paused(30)])

    async def go() -> None:
        one, other = RlmApp(run.path.parent), RlmApp(run.path.parent)
        async with one.run_test() as first, other.run_test() as second:
            screen = await opened(second)
            await home_of(first)
            await first.press("d")
            await confirm(first, "y")
            await until(second, lambda: screen.problem)
            assert "no longer there" in remarks(other)[0] and screen.view.step == 30
            await second.press("r", "o", "1", "9", "escape")
            await until(second, lambda: isinstance(other.screen, HomeScreen))
            await until(second, lambda: not other.screen.table.rows_shown)

    asyncio.run(go())
    assert not run.path.exists()


def test_two_applications_ask_one_training(record) -> None:
    run = record("owl", [started(), *steps(30)])

    async def go() -> None:
        one, other = RlmApp(run.path.parent), RlmApp(run.path.parent)
        async with one.run_test() as first, other.run_test() as second:
            await opened(first)
            await opened(second)
            await first.press("p")
            await second.press("p", "w")
            assert set(control_requests.take(run)) == {"pause", "save"}
            for app in (one, other):
                assert "Asked owl to pause and save." in remarks(app)

    with run.lock():
        asyncio.run(go())


def test_a_request_to_a_run_that_cannot_be_written_is_refused_in_words(
    record, drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record("owl", [started(), *steps(30)])

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        monkeypatch.setattr(control_requests.Path, "mkdir", refusing)
        await pilot.press("p")
        assert "Permission denied" in remarks(pilot.app)[0] and pilot.app.screen is screen
        assert control_requests.take(run) == {}

    with run.lock():
        drive(do)


def test_a_run_that_may_not_be_removed_stays_and_that_is_said(
    record, drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record("owl", steps(30))

    async def do(pilot: Pilot[None]) -> None:
        home = await home_of(pilot)
        monkeypatch.setattr(run_folder.os, "rename", refusing)
        await pilot.press("d")
        await confirm(pilot, "y")
        await until(pilot, lambda: remarks(pilot.app))
        assert "Permission denied" in remarks(pilot.app)[0]
        assert len(home.table.rows_shown) == 1

    drive(do)
    assert run.config_path.exists()


def test_a_chat_that_cannot_be_saved_says_so_and_goes_on(chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "write_file", refusing)

    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        await send(pilot, screen, "the fox")
        assert screen.talk is not None
        warnings = [entry.text for entry in screen.talk.entries if entry.kind == "warning"]
        assert any("Permission denied" in text for text in warnings)
        await send(pilot, screen, "the hen")
        assert screen.talk.session.conversation.last("user") == "the hen"
        assert screen.talk.session.conversation.last("assistant") is not None

    chat(do)


def test_a_disk_that_fills_up_while_training_is_said_on_the_dashboard(record, drive) -> None:
    run = record("owl", [started(), *steps(30)])

    async def do(pilot: Pilot[None]) -> None:
        with run.lock():
            screen = await opened(pilot)
            assert screen.view.state == "training"
            words = "step 31\nerror: The disk is full.\nFree 40 MB, then resume.\n"
            (run.path / "detached.log").write_text(words, encoding="utf-8")
        await until(pilot, lambda: screen.view.state == "failed")
        await until(pilot, lambda: remarks(pilot.app))
        assert remarks(pilot.app) == ["The disk is full.\nFree 40 MB, then resume."]
        assert screen.check_action("resume", ())
        await pilot.press("8")
        await until(pilot, lambda: "The disk is full." in " ".join(shown(pilot.app).split()))

    drive(do)


def test_a_paste_of_a_megabyte_into_any_field_is_cut(record, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_run_module, "Planner", Asked)
    record("owl", steps(30))

    async def do(pilot: Pilot[None]) -> None:
        await home_of(pilot)
        await pilot.press("n")
        screen = pilot.app.screen
        assert isinstance(screen, NewRunScreen)
        for field in screen.query(Input):
            field.post_message(Paste("x" * 1_000_000 + "\x1b[2J"))
        await until(pilot, lambda: all(field.value for field in screen.query(Input)))
        await pilot.pause()
        assert max(len(field.value) for field in screen.query(Input)) <= 20_000
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))

    drive(do)


SMALL = ((20, 5), (1, 1), (80, 24))


async def shrink(pilot: Pilot[None], *keys: str) -> None:
    """Make the terminal smaller and larger again, and press keys at each size."""
    for size in SMALL:
        await pilot.resize_terminal(*size)
        await pilot.press(*keys)
        await pilot.pause()


def test_every_screen_of_a_run_survives_a_terminal_of_a_few_cells(
    record, drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_run_module, "Planner", Asked)
    run = record("owl", [started(), *steps(30), paused(30)])
    made: list[Callable[[], Screen[None]]] = [
        lambda: PlotScreen({"owl": run.path}),
        lambda: NewRunScreen(run.path.parent),
        lambda: RunSettingsScreen(run.path),
        lambda: InsideScreen(run.path),
    ]

    async def do(pilot: Pilot[None]) -> None:
        home = await home_of(pilot)
        for make in made:
            screen = make()
            pilot.app.push_screen(screen)
            await until(pilot, lambda screen=screen: screen.is_mounted)
            if isinstance(screen, InsideScreen):
                screen.query_one(TraceView).show(recorded_results.trace())
                screen.query_one(ScoreView).show(recorded_results.scores())
            await shrink(pilot, "tab", "end", "pageup")
            assert pilot.app.screen is screen
            pilot.app.pop_screen()
        assert pilot.app.screen is home

    drive(do)


def test_a_chat_survives_a_terminal_of_a_few_cells(chat) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        assert screen.talk is not None
        screen.talk.entries[:] = recorded_results.conversation()
        screen.view.show(screen.talk.entries)
        await shrink(pilot, "f4", "ctrl+t", "right", "escape")
        assert pilot.app.screen is screen and "The heron said" in shown(pilot.app)

    chat(do)
