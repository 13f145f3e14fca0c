"""The checks of the machine, as data."""

from pathlib import Path

import pytest

from models import doctor
from models.doctor import check_cache, check_compiler, check_folder


def test_every_check_has_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_CACHE_DIR", str(tmp_path / "cache"))
    checks = list(doctor.examine(tmp_path / "runs"))
    names = [check.name for check in checks]
    assert len(set(names)) == len(names) >= 9
    assert {check.verdict for check in checks} <= {"good", "note", "problem"}
    assert all(check.found for check in checks)
    assert all(check.advice for check in checks if check.verdict != "good")
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_made_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert check_folder("runs", tmp_path / "file" / "runs").verdict == "problem"
    monkeypatch.setenv("RLM_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert check_cache().verdict == "problem"


def test_a_full_disk_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_MINIMUM_FREE_BYTES", 1 << 62)
    assert check_folder("runs", tmp_path / "a" / "b").verdict == "note"


def test_without_a_compiler_training_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    assert check_compiler().verdict == "note"
