"""Running `rlm` in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Read when the help's renderer is first imported, so no fixture comes early enough.
for forced in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TERMINAL_WIDTH"):
    os.environ.pop(forced, None)

Rlm = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def rlm(tmp_path: Path) -> Rlm:
    """`rlm("ls", "--json", env={...})`, started in an empty folder."""

    def run(*arguments: str, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("RLM_", "_RLM"))
        }
        environment = {**inherited, "PYTHONPATH": str(ROOT), "RLM_CACHE_DIR": str(tmp_path / "cache"), **more}
        return subprocess.run(
            [sys.executable, "-m", "rlm_cli", *arguments],
            cwd=tmp_path, env=environment, input=stdin, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip

    return run


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove RLM_ variables of the person who runs the tests."""
    for name in list(os.environ):
        if name.startswith("RLM_") and name != "RLM_CACHE_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
