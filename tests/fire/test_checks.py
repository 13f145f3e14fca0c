"""The loops would notice what they look for."""

from pathlib import Path

import pytest

from tests.fire.commands import Outcome
from tests.fire.test_damaged_folders import faults_of
from tests.fire.test_payloads import faults_on_terminal


def outcome(output: str = "fine\n", code: int = 0, *, hung: bool = False) -> Outcome:
    return Outcome(code=code, hung=hung, output=output.encode().decode("latin-1"), operations=0)


def test_a_sound_outcome_has_no_faults() -> None:
    assert outcome().faults() == []
    assert faults_on_terminal(outcome("\x1b[1mname\x1b[0m ␛]0;OWNED␇\r\n"), "\x1b]0;OWNED\x07") == []


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (outcome("Traceback (most recent call last):"), "a traceback"),
        (outcome(code=70), "exit code 70"),
        (outcome(code=-11), "exit code -11"),
        (outcome(hung=True, code=-9), "it hung"),
        (outcome("a\x1b[31mb"), "control characters"),
        (outcome("\u009b"), "control characters"),
    ],
)
def test_a_fault_is_found(found: Outcome, fault: str) -> None:
    assert found.faults() == [fault]


@pytest.mark.parametrize("sent", ["\x1b]0;OWNED\x07", "\x9b31mOWNED", "\u202eOWNED", "\x00OWNED"])
def test_a_payload_that_is_alive_is_found(sent: str) -> None:
    written = f"\x1b[1mname\x1b[0m {sent}\r\n"
    assert "the payload reached the terminal" in faults_on_terminal(outcome(written), sent)


def test_a_write_where_none_may_be_is_found(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("new")
    (found,) = faults_of(outcome(), ["show", "pair"], {}, tmp_path)
    assert found.startswith("wrote outside the run")


def test_a_failed_command_that_changed_the_run_is_found(tmp_path: Path) -> None:
    (tmp_path / "runs" / "pair").mkdir(parents=True)
    (tmp_path / "runs" / "pair" / "config.json").write_text("{}")
    assert faults_of(outcome(code=1), ["resume", "pair"], {}, tmp_path)
    assert not faults_of(outcome(code=0), ["resume", "pair"], {}, tmp_path)
    assert faults_of(outcome(code=0), ["show", "pair"], {}, tmp_path)
