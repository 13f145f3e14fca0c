"""`rlm doctor` over findings of every kind."""

import json

import pytest

from models import doctor
from models.doctor import Check
from rlm_cli.app import main


@pytest.mark.parametrize(("verdict", "status"), [("good", 0), ("note", 0), ("problem", 1)])
def test_a_problem_is_a_failure(
    verdict: doctor.Verdict, status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = Check("disk", "\x1b[31mfull", verdict, "" if verdict == "good" else "Make room.")
    monkeypatch.setattr(doctor, "examine", lambda runs: iter([check]))
    assert main(["doctor"]) == status
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert ("Make room." in out) == bool(check.advice)
    assert main(["doctor", "--json"]) == status
    assert json.loads(capsys.readouterr().out)[0]["verdict"] == verdict
