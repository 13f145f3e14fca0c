"""The form for a new run: the text, the plan, and the command that starts it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from tests.tui.conftest import HOSTILE, SIZES, remarks, shown, until
from tui.launcher import Launch
from tui.screens import new_run
from tui.screens.home import HomeScreen
from tui.screens.new_run import NewRunScreen
from tui.text_files import matching_paths, train_arguments


def test_paths_are_folders_and_texts_and_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for name in ("a.txt", "B.MD", "c.py", ".hidden.txt", "e\x1b.txt"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    typed = f"{tmp_path}/"
    assert matching_paths(typed) == [f"{typed}notes/", f"{typed}B.MD", f"{typed}a.txt"]
    assert matching_paths(f"{typed}b") == [f"{typed}B.MD"] and matching_paths(f"{typed}.h") == [
        f"{typed}.hidden.txt"
    ]
    assert matching_paths(f"{tmp_path}/none/") == [] == matching_paths("zero\0byte/")


def test_the_command_has_what_is_filled_in_and_a_path_is_never_an_option() -> None:
    options = {"--name": " owl ", "--minutes": "", "--preset": "hrm-4m"}
    assert train_arguments("-x.txt", Path("runs"), options) == [
        "train", "--fresh", "--quiet", "--runs-dir", "runs",
        "--name", "owl", "--preset", "hrm-4m", "--", "-x.txt",
    ]  # fmt: skip
    assert train_arguments("~/a.txt", Path("runs"), {})[-1] == os.path.expanduser("~/a.txt")


class Planner:
    """Stands in for the process that plans."""

    calls: list[list[str]] = []  # noqa: RUF012
    refused: str | None = None

    def __init__(self, arguments: list[str]) -> None:
        self.calls.append(arguments)

    def refusal(self, wait_s: float, is_left: Callable[[], bool]) -> str | None:
        return self.refused

    def stop(self) -> None:
        pass

    def output(self) -> str:
        return f"text  a book {HOSTILE}"

    def close(self) -> None:
        pass


@pytest.mark.parametrize("size", SIZES[::2])
def test_a_text_is_chosen_planned_and_started(
    drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    (tmp_path / "books").mkdir()
    book = tmp_path / "books" / "owl.txt"
    book.write_text("the owl", encoding="utf-8")
    monkeypatch.setattr(new_run, "Launch", Planner)
    monkeypatch.setattr(Planner, "calls", calls := [])
    started: list[object] = []

    async def do(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        await pilot.press("n")
        screen = pilot.app.screen
        assert isinstance(screen, NewRunScreen)
        monkeypatch.setattr(screen.rlm, "start_training", lambda *arguments: started.append(arguments))
        await pilot.press("f10")
        assert remarks(pilot.app) == ["Choose a text first."] and not started
        screen.query_one("#path", Input).value = f"{tmp_path}/bo"
        await until(pilot, lambda: screen.query_one("#files", OptionList).option_count == 1)
        await pilot.press("enter", "enter")
        assert screen.query_one("#path", Input).value == f"{tmp_path}/books/"
        await pilot.press("enter")
        await until(pilot, lambda: calls and not screen.is_planning)
        assert calls[0][:2] == ["train", "--dry-run"] and calls[0][-2:] == ["--", str(book)]
        await pilot.pause()
        assert "a book [bold]no" in shown(pilot.app) and not set(shown(pilot.app)) & {"\x1b", "\x9b"}
        await pilot.press(*"tale", "enter", "2", "enter")
        await until(pilot, lambda: "--minutes" in calls[-1] and not screen.is_planning)
        await pilot.press("f10")
        assert isinstance(pilot.app.screen, HomeScreen)

    drive(do, size)
    ((name, arguments),) = started
    assert name == "tale" and arguments[-6:] == ["--name", "tale", "--minutes", "2", "--", str(book)]


def test_a_new_run_without_a_typed_name_has_none_yet(drive, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []

    async def do(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        await pilot.press("n")
        screen = pilot.app.screen
        monkeypatch.setattr(pilot.app, "start_training", lambda run, arguments: started.append(run))
        screen.query_one("#path", Input).value = "owl.txt"
        await pilot.press("f10")

    drive(do)
    assert started == [None]


def test_why_there_is_no_plan_is_shown(drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_run, "Launch", Planner)
    monkeypatch.setattr(Planner, "refused", "There is no such text.")

    async def do(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        await pilot.press("n")
        pilot.app.screen.query_one("#path", Input).value = "none.txt"
        await pilot.press("f5")
        await until(pilot, lambda: "There is no such text." in shown(pilot.app))
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, HomeScreen)

    drive(do)


def test_a_process_is_waited_for_until_the_form_is_left(tmp_path: Path) -> None:
    launch = Launch(["--version"])
    assert launch.refusal(60.0) is None and launch.output().startswith("rlm")
    launch.close()
    waiting = Launch(["train", "--dry-run", "--", str(tmp_path / "none.txt")])
    assert waiting.refusal(60.0, lambda: True) is None
    waiting.stop()
    waiting.close()
