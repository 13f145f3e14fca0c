"""`rlm doctor` with checks of every verdict."""

import json

import pytest

from models import doctor
from models.doctor import Check
from rlm_cli.app import main
from rlm_cli.commands.doctor import check_terminal


@pytest.mark.parametrize(("verdict", "status"), [("good", 0), ("note", 0), ("problem", 1)])
def test_problem_gives_exit_code_1(
    verdict: doctor.Verdict, status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = Check("disk", "\x1b[31mfull", verdict, "" if verdict == "good" else "Make room.")
    monkeypatch.setattr(doctor, "examine", lambda runs, environment: iter([check]))
    assert main(["doctor"]) == status
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert ("Make room." in out) == bool(check.advice)
    assert main(["doctor", "--json"]) == status
    assert json.loads(capsys.readouterr().out)[0]["verdict"] == verdict


def test_terminal_check_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlm_cli.commands.doctor.stdout_is_terminal", lambda: False)
    check = check_terminal()
    assert (check.name, check.verdict) == ("terminal", "good")
    assert check.found.startswith("none (output is piped)")
