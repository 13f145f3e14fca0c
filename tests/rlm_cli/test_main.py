"""Starting `rlm` beside packages of the same names."""

from pathlib import Path

import pytest

from rlm_cli.__main__ import package_conflict


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
