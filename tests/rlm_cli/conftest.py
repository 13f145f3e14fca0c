"""Running `rlm` in a process of its own, and folders to train in."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rlm_cli.trainings import processes_in

ROOT = Path(__file__).resolve().parents[2]
# Read when the help's renderer is first imported, so no fixture comes early enough.
for forced in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TERMINAL_WIDTH"):
    os.environ.pop(forced, None)

Rlm = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def own_cache(tmp_path: Path, compiled: Path) -> Path:
    """The cache of one test. Kernels take seconds to compile, so all tests share them."""
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "compiled").symlink_to(compiled, target_is_directory=True)
    return cache


@pytest.fixture
def rlm(tmp_path: Path, own_cache: Path) -> Rlm:
    """`rlm("ls", "--json", env={...})`, started in an empty folder."""

    def run(*arguments: str, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("RLM_", "_RLM"))
        }
        environment = {**inherited, "PYTHONPATH": str(ROOT), "RLM_CACHE_DIR": str(own_cache), **more}
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


@pytest.fixture
def home(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with a book in it, for this process and those that it starts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLM_CACHE_DIR", str(own_cache))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    sentences = [f"The owl {n} counted {n * 7 % 31} mice by the old mill. " for n in range(400)]
    (tmp_path / "book.txt").write_text("".join(sentences))
    return tmp_path


@pytest.fixture
def background_home(home: Path) -> Iterator[Path]:
    """As `home`. No training in it outlives the test."""
    yield home
    for process in processes_in(home):
        process.kill()
