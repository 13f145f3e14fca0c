"""`rlm pause`, `stop`, `save` and `sample` send a request to a training."""

from pathlib import Path

import pytest

from models.runs.control_requests import REQUESTS, Request, take
from models.runs.run import Run
from rlm_cli.app import main
from rlm_cli.exit_codes import ExitCode
from tests.models.runs.example_config import CREATED


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("RLM_RUNS_DIR", str(tmp_path))
    made = Run.create("owl", tmp_path)
    made.save_config(CREATED)
    return made


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("named", [["owl"], []])
def test_the_training_gets_the_request(
    run: Run, kind: Request, named: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    idle = Run.create("hen", run.path.parent)
    idle.save_config(CREATED)
    with run.lock():
        assert main([kind, *named]) == ExitCode.OK
        assert set(take(run)) == {kind}
    assert capsys.readouterr().err.startswith("Asked owl to ")


def test_a_sample_may_have_a_prompt(run: Run) -> None:
    with run.lock():
        assert main(["sample", "owl", "-p", "One evening"]) == ExitCode.OK
        assert take(run) == {"sample": "One evening"}


def test_watching_a_run_without_text_says_how_to_train_it(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.config().data is None
    assert main(["watch", "owl"]) == ExitCode.FAILED
    assert "train FILE --name owl" in capsys.readouterr().err


def test_request_to_a_run_not_in_training_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pause", "owl"]) == ExitCode.FAILED
    assert "Run 'owl' is not training." in capsys.readouterr().err
    assert main(["pause"]) == ExitCode.FAILED
    assert "is training." in capsys.readouterr().err
