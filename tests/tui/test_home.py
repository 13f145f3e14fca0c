"""The home screen: what it shows, and its keys."""

import threading
from pathlib import Path

import pytest
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from models.errors import RunError
from models.runs.events import RunFailed
from tests.models.runs.example_config import CREATED
from tests.models.runs.example_events import paused, started
from tests.tui.conftest import HOSTILE, SIZES, confirm, remarks, shown, steps, until
from tui import app as app_module
from tui.app import RlmApp
from tui.chart_view import Dials
from tui.messages import TrainingAtWork, TrainingRefused
from tui.palette import LONGEST_SEARCH
from tui.screens import home as home_module
from tui.screens import new_run as new_run_module
from tui.screens.confirm import ConfirmScreen
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen
from tui.screens.new_run import NewRunScreen
from tui.screens.plot import PlotScreen
from tui.screens.teach import TeachScreen
from tui.widgets.curve_chart import CurveChart
from tui.widgets.form_field import FormField
from tui.widgets.no_runs import NoRuns


async def ready(pilot: Pilot[None], runs: int) -> HomeScreen:
    home = pilot.app.screen
    assert isinstance(home, HomeScreen)
    await until(pilot, lambda: len(home.table.rows_shown) == runs)
    await pilot.pause()
    return home


async def select(pilot: Pilot[None], home: HomeScreen, name: str) -> None:
    names = [row.summary.name for row in home.table.rows_shown]
    home.table.move_cursor(row=names.index(name))
    await pilot.pause()
    assert home.table.selected.summary.name == name


@pytest.mark.parametrize("size", SIZES)
def test_runs_and_damaged_ones_among_them_are_shown(record, drive, size: tuple[int, int]) -> None:
    record("owl", [started(), *steps(30), paused(30)])
    (record("broken").path / "config.json").write_text("{", encoding="utf-8")
    record("hare", [started(), RunFailed(kind="X", message=HOSTILE)])

    async def do(pilot: Pilot[None]) -> None:
        home = await ready(pilot, 3)
        text = shown(pilot.app)
        for word in ("owl", "paused", "broken", "damaged", "failed", "3.5" if size[0] < 80 else "▇"):
            assert word in text
        await select(pilot, home, "hare")
        await pilot.pause()
        text = shown(pilot.app)
        assert "\x1b" not in text and "\x9b" not in text and "\u202e" not in text
        assert size[1] < 18 or "[bold]no[/bold] ␛[31mred" in text

    drive(do, size)


def test_a_folder_without_runs_says_what_to_type(drive, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def do(pilot: Pilot[None]) -> None:
        empty = pilot.app.screen.query_one(NoRuns)
        await until(pilot, lambda: empty.display)
        await pilot.pause()
        assert "There is no run" in shown(pilot.app) and "train FILE" in shown(pilot.app)
        await pilot.press("t", "r", "d")
        assert isinstance(pilot.app.screen, HomeScreen)

    drive(do)


def test_without_runs_a_text_nearby_is_two_keys_from_its_training(
    drive, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(new_run_module, "_PAUSE_S", 60.0)  # no plan
    (tmp_path / "owl.txt").write_text("the owl " * 500, encoding="utf-8")
    begun: list[list[str]] = []

    async def do(pilot: Pilot[None]) -> None:
        monkeypatch.setattr(pilot.app, "start_training", lambda run, words, form: begun.append(words))
        nearby = pilot.app.screen.query_one("#nearby", OptionList)
        await until(pilot, lambda: nearby.has_focus)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, NewRunScreen))
        await pilot.press("f10")
        assert begun[0][-2:] == ["--", "owl.txt"]

    drive(do)


def test_a_trained_run_is_given_another_text_or_more_of_its_own(
    record, drive, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record("owl", [started(), *steps(30), paused(30)])
    record("new", config=CREATED)
    monkeypatch.setattr(new_run_module, "_PAUSE_S", 60.0)
    begun: list[tuple[str | None, list[str]]] = []

    async def do(pilot: Pilot[None]) -> None:
        home = await ready(pilot, 2)
        await select(pilot, home, "new")
        assert home.check_action("teach", ()) is None
        await select(pilot, home, "owl")
        monkeypatch.setattr(pilot.app, "start_training", lambda run, words, form: begun.append((run, words)))
        await pilot.press("t")
        screen = pilot.app.screen
        assert isinstance(screen, TeachScreen)
        await pilot.pause()
        assert "teach owl" in shown(pilot.app) and not screen.query("#preset")
        screen.query_one("#field-training-minutes", FormField).value = "5"
        await pilot.press("f10")
        screen.is_starting = False
        screen.query_one("#field-name", FormField).value = "owl-2"
        screen.query_one("#field-replay", FormField).value = "0.2"
        screen.picker.field.value = "other.txt"
        await pilot.press("f10")

    drive(do)
    paths = run.config().data.paths
    start = ["train", "--detach", "--quiet", "--continue", str(run.path), "--runs-dir", str(run.path.parent)]
    of_owl, of_copy = begun
    assert of_owl == ("owl", [*start, "--set", "training.minutes=5", "--", *paths])
    assert of_copy[0] == "owl-2" and of_copy[1][-2:] == ["--", "other.txt"]
    assert {"--name", "owl-2", "--replay", "0.2"} < set(of_copy[1])


def test_a_new_run_appears_and_the_cursor_stays_on_its_run(
    record, drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_module, "_INTERVAL_S", 0.05)
    record("owl", [started(), *steps(30), paused(30)])
    record("fox", [started(), *steps(30), paused(30)])

    async def do(pilot: Pilot[None]) -> None:
        home = await ready(pilot, 2)
        await select(pilot, home, home.table.rows_shown[1].summary.name)
        before = home.table.selected.summary.name
        record("hen")
        await ready(pilot, 3)
        assert home.table.selected.summary.name == before
        await pilot.press("end", "up", "down", "home")
        assert home.table.cursor_row == 0
        await pilot.press("end")
        assert home.table.cursor_row == 2

    drive(do)


def test_deleting_asks_and_names_what_goes(record, drive) -> None:
    run, kept = record("owl", steps(30)), record("fox", steps(30))

    async def do(pilot: Pilot[None]) -> None:
        home = await ready(pilot, 2)
        await select(pilot, home, "owl")
        await pilot.press("d")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert "Delete owl?" in shown(pilot.app) and "checkpoints" in shown(pilot.app)
        await pilot.press("enter")  # the first choice keeps it
        assert isinstance(pilot.app.screen, HomeScreen) and run.path.exists()
        await pilot.press("d")
        await confirm(pilot, "y")
        await until(pilot, lambda: not run.path.exists())
        await ready(pilot, 1)
        assert kept.path.exists()

    drive(do)


def test_the_cursor_keeps_its_place_where_its_run_goes(record, drive) -> None:
    for name in ("owl", "fox", "hen", "hare"):
        record(name, steps(30))

    async def do(pilot: Pilot[None]) -> None:
        home = await ready(pilot, 4)
        for rows, place in ((4, 2), (3, 2), (2, 1)):
            home.table.move_cursor(row=place)
            await pilot.pause()
            await pilot.press("d")
            await confirm(pilot, "y")
            await ready(pilot, rows - 1)
            assert home.table.cursor_row == min(place, rows - 2)

    drive(do)


def test_a_run_with_a_name_that_rlm_would_not_give_is_deleted_too(record, drive) -> None:
    run = record("owl", steps(30))
    odd = run.path.rename(run.path.with_name("my owl [1] \x1b[31m"))

    async def do(pilot: Pilot[None]) -> None:
        await ready(pilot, 1)
        await pilot.press("d")
        await confirm(pilot, "y")
        await until(pilot, lambda: not odd.exists())
        await until(pilot, lambda: pilot.app.screen.query_one(NoRuns).display)

    drive(do)


def test_a_training_is_not_deleted_and_only_an_interrupted_run_is_resumed(record, drive) -> None:
    run = record("owl", [started(), *steps(30)])
    record("fox", config=CREATED)

    async def do(pilot: Pilot[None]) -> None:
        home = await ready(pilot, 2)
        await select(pilot, home, "owl")
        assert home.table.selected.state == "training"
        assert home.check_action("delete", ()) is None and home.check_action("resume", ()) is None
        await pilot.press("d")
        assert pilot.app.screen is home
        await select(pilot, home, "fox")
        assert home.check_action("delete", ()) and home.check_action("resume", ()) is None

    with run.lock():
        drive(do)


@pytest.mark.parametrize("refusal", [None, HOSTILE])
def test_resuming_starts_one_process_and_says_how_that_went(
    record, drive, monkeypatch: pytest.MonkeyPatch, refusal: str | None
) -> None:
    run = record("owl", [started(), *steps(30), paused(30)])
    calls: list[list[str]] = []
    is_decided = threading.Event()

    class Starting:
        def __init__(self, arguments: list[str]) -> None:
            calls.append(arguments)

        def refusal(self, wait_s: float) -> str | None:
            is_decided.wait(30)
            return refusal

        def output(self) -> str:
            return "runs/owl"

        def close(self) -> None:
            pass

    monkeypatch.setattr(app_module, "Launch", Starting)
    messages: list[object] = []

    async def do(pilot: Pilot[None]) -> None:
        await ready(pilot, 1)
        monkeypatch.setattr(RlmApp, "on_training_refused", lambda app, message: messages.append(message))
        monkeypatch.setattr(RlmApp, "on_training_at_work", lambda app, message: messages.append(message))
        await pilot.press("r", "r", "enter", "r")
        await pilot.pause()
        assert remarks(pilot.app) == ["Starting owl …", *["owl is starting already."] * 2] and not messages
        is_decided.set()
        await until(pilot, lambda: messages)
        assert pilot.app.starting_besides([]) == []

    try:
        drive(do)
    finally:
        is_decided.set()
    assert calls == [["resume", str(run.path), "--detach", "--quiet"]]
    (message,) = messages
    assert isinstance(message, TrainingAtWork if refusal is None else TrainingRefused)
    assert message.run == "owl"


def test_a_training_is_starting_until_its_run_trains_or_its_process_ends(
    record, drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("owl", [started(), *steps(30)])
    ends = threading.Event()

    class Starting:
        def __init__(self, arguments: list[str]) -> None:
            pass

        def refusal(self, wait_s: float) -> str:
            ends.wait()
            return "No room."

        def close(self) -> None:
            pass

    monkeypatch.setattr(app_module, "Launch", Starting)

    async def do(pilot: Pilot[None]) -> None:
        app, home = pilot.app, await ready(pilot, 1)
        assert isinstance(app, RlmApp)
        home._timer.pause()
        await until(pilot, lambda: not home._reading)
        await pilot.pause()
        assert app.starting_besides(["hen"]) == []
        app.start_training(None, [])
        app.start_training("owl", [])
        assert app.starting_besides(["hen", "owl"]) == ["a new run"]  # these trained before, or are named
        assert app.starting_besides(["hen", "owl", "tale"]) == []
        app.start_training(None, [])
        home._write_texts()
        assert "starting a new run …" in str(home.query_one("#title", Static).content)
        ends.set()
        await until(pilot, lambda: "The new run does not train. No room." in remarks(app))
        assert app.starting_besides([]) == []

    try:
        drive(do)
    finally:
        ends.set()


def test_leaving_while_a_deletion_fails_is_no_crash(record, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    record("owl", steps(30))
    left = threading.Event()

    def remove(run: object) -> None:
        left.wait(30)
        raise RunError("It is in use.")

    def gone(*arguments: object) -> None:
        raise RuntimeError("App is not running")

    monkeypatch.setattr(home_module, "remove_run", remove)

    async def do(pilot: Pilot[None]) -> None:
        home = await ready(pilot, 1)
        monkeypatch.setattr(pilot.app, "call_from_thread", gone)
        worker = home._delete(home.table.selected.summary.path)
        left.set()
        await worker.wait()  # raises what the worker raised

    drive(do)


def test_marked_runs_are_plotted_together(record, drive) -> None:
    record("owl", steps(60))
    record("fox", steps(60))
    record("new", config=CREATED)

    async def do(pilot: Pilot[None]) -> None:
        home = await ready(pilot, 3)
        for name in ("owl", "fox"):
            await select(pilot, home, name)
            await pilot.press("space")
        assert len(home.table.marked) == 2 and "● owl" in shown(pilot.app)
        await pilot.press("p")
        screen = pilot.app.screen
        assert isinstance(screen, PlotScreen) and set(screen.runs) == {"owl", "fox"}
        await until(pilot, lambda: screen.curves)
        await pilot.pause()
        assert "owl training" in shown(pilot.app) and "⠉" in shown(pilot.app)
        chart = screen.query_one(CurveChart)
        await pilot.press("l", "x", "m", "m")
        assert chart.dials == Dials("tokens", log=True, smoothing=0.0)
        await pilot.press("x", "x", "v", "left", "plus")
        assert chart.view.window is not None and "step " in shown(pilot.app)
        await pilot.press("escape", "escape")
        assert pilot.app.screen is home

    drive(do)


def test_the_names_of_many_curves_leave_room_for_the_curves(record, drive) -> None:
    for name in ("owl", "fox", "hen", "hare"):
        record(name, steps(60))

    async def do(pilot: Pilot[None]) -> None:
        home = await ready(pilot, 4)
        await pilot.press(*("space", "down") * 4, "p")
        screen = pilot.app.screen
        assert isinstance(screen, PlotScreen) and len(screen.runs) == 4 and home.table.marked
        await until(pilot, lambda: screen.curves)
        await pilot.press("v")
        await pilot.pause()
        text = shown(pilot.app)
        assert "step 60" in text and "└" in text and text.count("│") > 3

    drive(do, (40, 12))


def test_help_lists_the_keys_and_the_palette_what_can_run(record, drive) -> None:
    record("owl", steps(30))

    async def do(pilot: Pilot[None]) -> None:
        await ready(pilot, 1)
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        await pilot.pause()
        assert "Draw the losses" in shown(pilot.app)
        await pilot.press("escape")
        await pilot.press("ctrl+p", *"plot")
        results = pilot.app.screen.query_one(OptionList)
        await until(pilot, lambda: results.option_count)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, PlotScreen))

    drive(do)


def test_a_paste_into_the_palette_is_cut_and_shown_as_it_is(record, drive) -> None:
    record("owl", steps(30))

    async def do(pilot: Pilot[None]) -> None:
        await ready(pilot, 1)
        await pilot.press("ctrl+p")
        pilot.app.post_message(Paste(HOSTILE + "x" * 1_000_000))
        field = pilot.app.screen.query_one(Input)
        await until(pilot, lambda: field.value)
        assert field.value.startswith("[bold]no[/bold] ␛[31mred") and len(field.value) == LONGEST_SEARCH

    drive(do)


def test_the_bottom_line_ends_with_the_key_of_the_palette(record, drive) -> None:
    record("owl", [started(), *steps(30), paused(30)])

    async def do(pilot: Pilot[None]) -> None:
        home = await ready(pilot, 1)
        await until(pilot, lambda: home.query("FooterKey"))
        await pilot.pause()
        last = shown(pilot.app).splitlines()[-1]
        assert last.rstrip().endswith("Quit ? Help     ▏^p Find") and len(last.rstrip()) == 80
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        assert shown(pilot.app).splitlines()[-1].endswith("▏^p Find")

    drive(do)


def test_a_run_without_steps_says_so_where_a_curve_would_be(record, drive) -> None:
    record("new", config=CREATED)

    async def do(pilot: Pilot[None]) -> None:
        await ready(pilot, 1)
        await pilot.press("p")
        await until(pilot, lambda: "No step yet: new." in shown(pilot.app))

    drive(do)


def test_the_application_survives_every_size_and_both_themes(record, drive) -> None:
    record("owl", steps(30))

    async def do(pilot: Pilot[None]) -> None:
        await ready(pilot, 1)
        for width, height in ((20, 5), (200, 60), (40, 12)):
            await pilot.resize_terminal(width, height)
        await pilot.press("f2")
        assert pilot.app.theme == "rlm-light"
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert pilot.app.is_running

    drive(do)


def test_a_folder_that_cannot_be_read_is_said(drive, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file", encoding="utf-8")

    async def do(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "cannot be read" in " ".join(shown(pilot.app).split()))

    drive(do)
