"""Starting `rlm` beside packages of the same names."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from models.runs.run import Run
from rlm_cli.__main__ import exit_at_signal, package_conflict
from rlm_cli.interrupts import no_lost_signal
from tests.models.runs.example_config import CREATED


def test_no_package_conflict() -> None:
    assert package_conflict() is None


@pytest.mark.parametrize("name", ["models", "data", "tui"])
@pytest.mark.parametrize("as_package", [True, False])
def test_conflicting_package_is_named(rlm, tmp_path: Path, name: str, as_package: bool) -> None:
    # `python -m` looks into the current folder first, as a user's own project would be.
    path = tmp_path / name / "__init__.py" if as_package else tmp_path / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise SystemExit('imported')")
    done = rlm("--help")
    assert done.returncode == 1
    assert str(path) in done.stderr
    assert "in the way" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_folder_without_code_is_no_conflict(rlm, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "book.txt").write_text("text")
    assert rlm("--help").returncode == 0


# Presses Ctrl-C while `rlm` imports its modules, in a part that ignores exceptions as torch has some.
INTERRUPTED = """
import contextlib, signal, sys
module = sys.argv.pop(1)
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            with contextlib.suppress(BaseException):
                signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Press())
from rlm_cli.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("rlm_cli.app", []),
        ("rlm_cli.commands.train", []),
        ("torch", ["resume", "owl"]),
        ("models.training.trainer", ["train-run", "owl"]),
    ],
)
def test_interrupt_while_starting_is_quiet(tmp_path: Path, module: str, words: list[str]) -> None:
    Run.create("owl", tmp_path).save_config(CREATED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", INTERRUPTED, module, *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_signal_waits_until_imports_are_done() -> None:
    steps = list[str]()
    with pytest.raises(KeyboardInterrupt), no_lost_signal():
        signal.raise_signal(signal.SIGINT)
        steps.append("imported")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    before = signal.signal(signal.SIGTERM, exit_at_signal)
    try:
        with pytest.raises(SystemExit) as end, no_lost_signal():
            signal.raise_signal(signal.SIGTERM)
            raise AttributeError("half imported")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert steps == ["imported"] and end.value.code == 143


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with no_lost_signal():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
