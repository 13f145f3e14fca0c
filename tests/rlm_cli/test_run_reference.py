"""How a command in a hint names a run."""

from pathlib import Path

import pytest

from rlm_cli.run_reference import reference_to


@pytest.mark.parametrize(
    ("folder", "expected"),
    [(".", "owl"), ("runs", "./owl"), ("runs/owl", "."), ("runs/owl/replay", None)],
)
def test_a_run_is_named_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, expected: str | None
) -> None:
    for variable in ("RLM_RUNS_DIR", "RLM_HOME"):
        monkeypatch.delenv(variable, raising=False)
    run = tmp_path / "runs" / "owl"
    (run / "replay").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / folder)
    assert reference_to(run) == (expected or str(run))
