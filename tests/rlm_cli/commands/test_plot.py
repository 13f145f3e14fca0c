"""`rlm plot`: curves of runs in text, in JSON and in files, and what it refuses."""

import json
from pathlib import Path

import pytest

from models.runs import events
from models.runs.events import Event
from models.runs.run import Run
from rlm_cli import training_session
from rlm_cli.app import main
from rlm_cli.output import Form, Output
from tests.models.runs.example_config import CREATED
from tests.models.runs.example_events import evaluation, finished, started, step


def a_log(steps: int) -> list[Event]:
    taken = [
        step(number, 1 + 3 / number, tokens_seen=64 * number, elapsed_s=2.0 * number)
        for number in range(1, steps + 1)
    ]
    return [started(), *taken, evaluation(1.5, step=steps)]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runs"
    monkeypatch.setenv("RLM_RUNS_DIR", str(folder))
    monkeypatch.chdir(tmp_path)
    for name, log in {"owl": a_log(40), "fox": a_log(30), "new": []}.items():
        run = Run.create(name, folder)
        run.save_config(CREATED)
        for _ in run.record(log):
            pass
    return folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["plot", *arguments]) in (1, 2)
    out, err = capsys.readouterr()
    assert not out and len(err.splitlines()) <= 2
    return err


def test_a_curve_is_drawn_in_plain_text(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert main(["plot", "owl", "fox", "--x", "time", "--log"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and max(map(len, out.splitlines())) <= 50
    assert "loss by time" in out and "owl validation" in out and "x fox" in out
    assert any(ord(one) > 0x2800 for one in out)


def test_json_has_the_points(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "owl", "--json", "--smooth", "0.5"]) == 0
    report = json.loads(capsys.readouterr().out)
    (one,) = report["runs"]
    assert report["x"] == "step" and one["run"] == "owl" and len(one["training"]) == 40
    assert one["training"][1] == {
        "step": 2, "tokens": 128, "elapsed_s": 4.0, "loss": 2.5, "smoothed": pytest.approx(3.0),
    }  # fmt: skip
    assert one["validation"] == [{"step": 40, "tokens": 2560.0, "elapsed_s": 80.0, "loss": 1.5}]


def test_a_file_is_written_and_not_overwritten_unless_forced(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("owl.svg", "owl.HTML"):
        assert main(["plot", "owl", "--out", name]) == 0
        assert "<svg" in Path(name).read_text(encoding="utf-8")
    capsys.readouterr()
    Path("owl.svg").write_text("mine", encoding="utf-8")
    assert "--force" in refused(capsys, "owl", "--out", "owl.svg")
    assert Path("owl.svg").read_text(encoding="utf-8") == "mine"
    assert main(["plot", "owl", "--out", "owl.svg", "--force"]) == 0
    assert "<svg" in Path("owl.svg").read_text(encoding="utf-8")


def test_what_cannot_be_drawn_is_refused_with_the_next_step(
    runs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "no step yet" in (err := refused(capsys, "new")) and "rlm train FILE --name new" in err
    assert "is not a run" in refused(capsys, str(tmp_path)) and "Did you mean owl" in refused(capsys, "owll")
    assert ".svg, .html or .png" in refused(capsys, "owl", "--out", "owl.gif")
    assert "below 1" in refused(capsys, "owl", "--smooth", "1")
    assert "--x" in refused(capsys, "owl", "--x", "epochs")
    assert not list(tmp_path.glob("owl.*"))


@pytest.mark.parametrize(
    ("form", "is_terminal", "steps", "shown"),
    [
        (Form.HUMAN, True, 30, True),
        (Form.HUMAN, True, 10, False),
        (Form.HUMAN, False, 30, False),
        (Form.JSON, True, 30, False),
        (Form.QUIET, True, 30, False),
    ],
)
def test_a_training_ends_with_a_small_curve_on_a_terminal(
    form: Form, is_terminal: bool, steps: int, shown: bool,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    log = [*a_log(steps), finished()]
    assert isinstance(log[-1], events.RunFinished)
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(training_session, f"{stream}_is_terminal", lambda: is_terminal)
    run = Run.create("owl", tmp_path)
    run.save_config(CREATED)
    list(run.record(log))
    training_session.show_end(log[-1], run, Output(form))
    out, err = capsys.readouterr()
    assert ("loss by step" in err) is shown and "loss by step" not in out
