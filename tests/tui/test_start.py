"""Starting the application: what it needs, and what it does not load."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

import rlm_cli.commands.tui as tui_command
import tui.app as app_module
from models.runs.run import Run
from rlm_cli.app import main
from rlm_cli.exit_codes import ExitCode
from tests.tui.conftest import until
from tui.app import RlmApp
from tui.screens.chat import ChatScreen
from tui.screens.dashboard import DashboardScreen
from tui.screens.expand import ExpandScreen
from tui.screens.home import HomeScreen
from tui.screens.inside import InsideScreen
from tui.screens.puzzle import PuzzleScreen

ROOT = Path(__file__).resolve().parents[2]

PROBE = """
import asyncio, sys
from pathlib import Path
from rlm_cli.commands.tui import tui
assert "textual" not in sys.modules
from tui.app import RlmApp
app = RlmApp(Path(sys.argv[1]))
async def go():
    async with app.run_test() as pilot:
        while not app.screen.table.rows_shown:
            await pilot.pause(0.02)
        await pilot.press("p")
        while not app.screen.curves:
            await pilot.pause(0.02)
asyncio.run(go())
print(sorted({"torch", "numpy"} & sys.modules.keys()))
"""


def test_neither_home_nor_curves_load_torch_or_numpy(record) -> None:
    from tests.tui.conftest import steps

    run = record("owl", steps(30))
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(run.path.parent)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("name", ["tui", "ui"])
def test_without_a_terminal_it_names_the_plain_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert "needs a terminal" in error and "rlm ls" in error


def test_chat_in_the_application_needs_a_terminal_and_takes_no_other_option(
    chatty: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(chatty.path.parents[1])
    assert main(["chat", "chatty", "--tui"]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert "needs a terminal" in error and "rlm chat" in error
    for more, named in ((["--temp", "0.5"], "--temp"), (["Once"], "a prompt"), (["-c"], "--continue")):
        assert main(["chat", "chatty", *more, "--tui"]) == ExitCode.USAGE
        assert f"--tui and {named} exclude each other" in capsys.readouterr().err


def test_the_application_begins_with_a_chat(chatty: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[Path, Path | None]] = []
    monkeypatch.chdir(chatty.path.parents[1])
    monkeypatch.setattr(tui_command, "require_terminal", lambda plain: None)
    monkeypatch.setattr(app_module, "run_app", lambda folder, words, run, chat: begun.append((folder, chat)))
    assert main(["chat", "chatty", "--tui"]) == ExitCode.OK
    ((folder, chat),) = begun
    assert chat is not None and chat.samefile(chatty.path)
    app = RlmApp(folder, chat=chat)

    async def go() -> None:
        async with app.run_test() as pilot:
            await pilot.pause()
            screen = app.screen
            assert isinstance(screen, ChatScreen) and screen.folder == chat
            await until(pilot, lambda: screen.talk is not None)
            await pilot.press("escape")
            assert isinstance(app.screen, HomeScreen)

    asyncio.run(go())


@pytest.mark.parametrize("kind", [ChatScreen, DashboardScreen, ExpandScreen, InsideScreen, PuzzleScreen])
def test_leaving_while_a_screen_is_opened(drive, record, kind: type[Screen[None]]) -> None:
    run = record("owl")

    async def do(pilot: Pilot[None]) -> None:
        pilot.app.push_screen(kind(run.path))
        await asyncio.sleep(0)
        await pilot.app.run_action("quit")
        await until(pilot, lambda: not pilot.app.is_running)

    assert drive(do).return_code == 0


def test_a_crash_of_the_application_is_an_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RlmApp, "run", lambda app: setattr(app, "_return_code", 1))
    with pytest.raises(SystemExit) as ended:
        app_module.run_app(tmp_path, str)
    assert ended.value.code == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_the_application_in_order(drive, name: str, code: int) -> None:
    async def do(pilot: Pilot[None]) -> None:
        os.kill(os.getpid(), getattr(signal, name))
        await until(pilot, lambda: not pilot.app.is_running)

    assert drive(do).return_code == code
