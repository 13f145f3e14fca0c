"""The checks of the machine, as data."""

from pathlib import Path

import pytest

from data.cache import set_cache_dir
from models import doctor
from models.doctor import check_cache, check_compiler, check_folder, check_kernels, check_threads
from models.kernels import library
from models.kernels.library import MissingLibrary


def test_every_check_has_a_verdict(tmp_path: Path) -> None:
    set_cache_dir(tmp_path / "cache")
    checks = list(doctor.examine(tmp_path / "runs", {}))
    names = [check.name for check in checks]
    assert len(set(names)) == len(names) >= 9
    assert {check.verdict for check in checks} <= {"good", "note", "problem"}
    assert all(check.found for check in checks)
    assert all(check.advice for check in checks if check.verdict != "good")
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert check_folder("runs", tmp_path / "file" / "runs").verdict == "problem"
    set_cache_dir(tmp_path / "file" / "cache")
    assert check_cache().verdict == "problem"


def test_a_full_disk_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_MINIMUM_FREE_BYTES", 1 << 62)
    assert check_folder("runs", tmp_path / "a" / "b").verdict == "note"


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [
        (MissingLibrary("gcc for the cache folder fails", "compiler"), "Install a C compiler"),
        (MissingLibrary("it cannot be written", "cache folder"), "RLM_CACHE_DIR"),
    ],
    ids=lambda value: getattr(value, "cause", ""),
)
def test_without_kernels_answers_are_slower(
    missing: MissingLibrary, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "_library_or_reason", lambda: (None, missing))
    check = check_kernels()
    assert check.verdict == "note" and check.found == f"none, since {missing.reason}"
    assert remedy in check.advice


def test_without_a_compiler_training_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert check_compiler({}).verdict == "note"
    check = check_compiler({"CXX": "no-such-compiler"})
    assert check.verdict == "note" and "'no-such-compiler' (from CXX)" in check.found


def test_a_limit_on_the_threads_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.cpu_count", lambda logical: 64)
    monkeypatch.setattr(doctor, "usable_cores", lambda: 64)
    assert "OMP_NUM_THREADS=1 limits it" in check_threads({"OMP_NUM_THREADS": "1"}).advice
    assert "{training.threads}" in check_threads({}).advice
