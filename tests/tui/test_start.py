"""Starting the application: what it needs, and what it does not load."""

import subprocess
import sys
from pathlib import Path

import pytest

from rlm_cli.app import main
from rlm_cli.exit_codes import ExitCode

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
print("torch" in sys.modules)
"""


def test_neither_home_nor_curves_load_torch(record) -> None:
    from tests.tui.conftest import steps

    run = record("owl", steps(30))
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(run.path.parent)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("name", ["tui", "ui"])
def test_without_a_terminal_it_names_the_plain_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert "needs a terminal" in error and "rlm ls" in error
