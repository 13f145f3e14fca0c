"""`rlm ls`, `show`, `resume` and shell completion, over runs that were never trained."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.runs import events
from models.runs.datasets import Dataset, Growth
from models.runs.evaluation import Evaluation
from models.runs.events import Event
from models.runs.run import Run
from models.runs.run_config import DataSection, ModelSection, RunConfig
from rlm_cli.app import main
from rlm_cli.completion import complete_modes, complete_presets, complete_runs

CONFIG = RunConfig(
    model=ModelSection(
        architecture="looped",
        foreign={"d_model": 64, "n_heads": 4, "context_length": 32, "vocab_size": 50},
    )
)
WITH_TEXT = replace(
    CONFIG, started_at=1.0, data=DataSection(paths=("a.txt",), content_hash="ab", kind="text")
)
EVALUATION = Evaluation(
    step=30,
    after_steps=40,
    validation_loss=1.5,
    validation_loss_by_mode={"fast": 1.6, "normal": 1.5},
)
HOSTILE = "\x1b]0;owned\x07[bold]"


def a_run(folder: Path, name: str, log: list[Event] | None = None, config: RunConfig = CONFIG) -> Run:
    """A run with an event log, without a training."""
    run = Run.create(name, folder)
    run.save_config(config)
    run.save_datasets([Dataset(name="tale", characters=1000)])
    for _ in run.record(log or []):
        pass
    return run


def a_start(run: str = "owl", **more: Any) -> events.RunStarted:
    fields: dict[str, Any] = {
        "run": run, "architecture": "looped", "parameters": 123456, "embedding_parameters": 100,
        "vocab_size": 50, "context_length": 32, "batch_size": 4, "device": "cpu", "number_format": "float32",
        "compiled": False, "threads": 1, "start_step": 0, "total_steps": 40, "train_tokens": 900,
        "validation_tokens": 100,
    }  # fmt: skip
    return events.RunStarted(**{**fields, **more})


def a_finish(run: str = "owl", **more: Any) -> events.RunFinished:
    fields: dict[str, Any] = {
        "run": run, "reason": "steps", "step": 40, "best_step": 30, "validation_loss": 1.5,
        "validation_loss_by_mode": {"fast": 1.6, "normal": 1.5}, "perplexity": 4.48, "bits_per_byte": 2.16,
        "parameters": 123456, "tokens_seen": 4000, "tokens_per_second": 1234.5, "elapsed_s": 75.0,
        "path": f"runs/{run}",
    }  # fmt: skip
    return events.RunFinished(**{**fields, **more})


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of runs, which every command here uses."""
    for variable in ("RLM_HOME", "RLM_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("RLM_RUNS_DIR", str(tmp_path / "runs"))
    return tmp_path / "runs"


def json_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    out = capsys.readouterr().out
    assert out.isascii() and out.count("\n") == 1
    return json.loads(out)


def test_listing_without_runs_gives_a_hint(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "rlm train FILE" in err
    assert json_of(capsys, "ls") == []


def test_listing_has_every_run_with_its_values(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_run(runs, "owl", [a_start()])
    a_run(runs, "new")
    listed = {run["name"]: run for run in json_of(capsys, "ls")}
    assert set(listed) == {"owl", "new"}
    assert listed["owl"]["parameters"] == 123456
    assert listed["new"]["parameters"] is None
    assert main(["ls"]) == 0
    out = capsys.readouterr().out
    assert re.split(r" {2,}", out.splitlines()[0]) == [
        "name", "status", "architecture", "parameters", "step", "validation loss", "text", "size", "changed",
    ]  # fmt: skip
    assert "123.5k" in out or "123k" in out


def test_damaged_run_is_listed_with_the_reason(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_run(runs, "owl", [a_start()])
    (a_run(runs, "broken").path / "config.json").write_text("{")
    assert {run["name"]: run["status"] for run in json_of(capsys, "ls")}["broken"] == "damaged"
    assert main(["ls"]) == 0
    out, err = capsys.readouterr()
    assert "owl" in out
    assert "broken:" in err


def test_details_of_a_run_are_shown(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(runs, "owl", [a_start(), a_finish()])
    run.save_evaluation(EVALUATION)
    report = json_of(capsys, "show", "owl")
    assert report["config"]["model"]["d_model"] == 64
    assert report["evaluation"]["validation_loss_by_mode"]["fast"] == 1.6
    assert report["bytes"]["run"] > 0
    assert report["checkpoints"] == []
    assert main(["show"]) == 0
    out = capsys.readouterr().out
    for words in (
        "looped, 123,456 parameters, width 64",
        "tale (1,000 characters)",
        "1.6000",
        "vocabulary 50",
    ):
        assert words in out


def test_failed_run_is_shown_with_the_reason(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = events.RunFailed(
        kind="StorageError", message=f"The disk is full.{HOSTILE}", hint="Free some space."
    )
    a_run(runs, "owl", [a_start(), failed], WITH_TEXT)
    (listed,) = json_of(capsys, "ls")
    assert (listed["status"], listed["problem"]) == ("paused", None)
    assert listed["failure"] == {"kind": failed.kind, "message": failed.message, "hint": failed.hint}
    assert json_of(capsys, "show")["failure"] == listed["failure"]
    assert main(["show"]) == 0
    out, err = capsys.readouterr()
    assert re.search(r"^stopped by +The disk is full\.", out, re.MULTILINE) and "\x1b" not in out
    assert "rlm resume owl" in err
    assert main(["ls"]) == 0
    assert "owl failed: The disk is full." in capsys.readouterr().err


def test_numbers_json_cannot_hold_become_null(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_run(runs, "owl", [a_start()]).save_evaluation(replace(EVALUATION, validation_loss=float("nan")))
    assert json_of(capsys, "show", "owl")["evaluation"]["validation_loss"] is None


def test_losses_not_finite_are_left_out(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    losses = {"fast": 1.5, "normal": float("nan"), "deep": float("inf")}
    a_run(runs, "owl", [a_start()]).save_evaluation(replace(EVALUATION, validation_loss_by_mode=losses))
    assert main(["show"]) == 0
    out = capsys.readouterr().out
    assert "fast" in out and not any(mode in out for mode in ("normal", "deep"))


def test_control_characters_in_a_run_are_replaced(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(runs, "owl", [a_start(architecture=HOSTILE)])
    run.save_datasets([Dataset(name=HOSTILE)])
    run.save_evaluation(replace(EVALUATION, validation_loss_by_mode={HOSTILE: 1.0}))
    assert main(["ls"]) == main(["show"]) == 0
    out, err = capsys.readouterr()
    assert not set(out + err) & {"\x1b", "\x07"}
    assert "[bold]" in out


@pytest.mark.parametrize(
    ("name", "content"),
    [("datasets.json", '{"name": "x"}'), ("datasets.json", "[4]"), ("evaluation.json", "[]"),
     ("evaluation.json", "{"), ("evaluation.json", '{"format_version": 99}')],
)  # fmt: skip
def test_run_with_a_damaged_file_shows_the_rest(
    runs: Path, capsys: pytest.CaptureFixture[str], name: str, content: str
) -> None:
    (a_run(runs, "owl", [a_start()]).path / name).write_text(content)
    assert {run["name"]: run["status"] for run in json_of(capsys, "ls")} == {"owl": "damaged"}
    assert main(["show", "owl"]) == 0
    out, err = capsys.readouterr()
    assert "looped, 123,456 parameters" in out
    assert name in "".join(err.split("\n"))
    report = json_of(capsys, "show", "owl")
    assert report[name.removesuffix(".json")] is None
    assert report["config"]["model"]["d_model"] == 64
    (note,) = report["notes"]
    assert name in note


@pytest.mark.parametrize("content", ['{"format_version": 1, "model": 5}', '{"format_version": 1}'])
def test_invalid_config_is_named_in_one_line(
    runs: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (a_run(runs, "owl", [a_start()]).path / "config.json").write_text(content)
    assert {run["name"]: run["status"] for run in json_of(capsys, "ls")} == {"owl": "damaged"}
    for command in ("show", "resume"):
        assert main([command, "owl"]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "config.json" in err.splitlines()[0]


def test_forgetting_is_shown_for_each_corpus(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(runs, "owl", [a_start(), a_finish()])
    grown = (
        Growth(what="layers", before=4, after=5),
        Growth(what="vocabulary", before=50, after=61),
        Growth(what="layers", before=5, after=6),
    )
    run.save_datasets(
        [
            Dataset(name="tale", content_hash="a", loss_when_learned=2.0, loss_now=2.05),
            Dataset(name="tale", content_hash="b", loss_when_learned=1.5, loss_now=1.5, grown=grown),
            Dataset(name="next", content_hash="c"),
        ]
    )
    datasets = json_of(capsys, "show")["datasets"]
    assert [(one["loss_when_learned"], one["loss_now"]) for one in datasets] == [
        (2.0, 2.05),
        (1.5, 1.5),
        (None, None),
    ]
    assert main(["show"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["tale", "2.0000", "2.0500", "+2.5", "%", "-"] in lines
    growth = ["layers", "4", "to", "6,", "vocabulary", "50", "to", "61"]
    assert ["tale", "(2)", "1.5000", "1.5000", "+0.0", "%", *growth] in lines
    assert ["next", "-", "-", "-", "-"] in lines


@pytest.mark.parametrize("content", ["{}", '{"step": "x"}', '{"validation_loss_by_mode": []}'])
def test_values_of_another_type_are_tolerated(
    runs: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    run = a_run(runs, "owl", [a_start()])
    (run.path / "evaluation.json").write_text(content)
    (run.path / "datasets.json").write_text('[{"name": 3}]')
    assert isinstance(json_of(capsys, "show"), dict)
    assert main(["show"]) == 0


def test_run_without_a_step_is_not_shown_as_trained(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_run(runs, "owl", [events.RunPaused(step=0, total_steps=0, path="x")], WITH_TEXT)
    assert main(["show"]) == 0
    out, err = capsys.readouterr()
    assert "trained on" not in out and "tale (1,000 characters)" in out
    assert "rlm resume owl" in err
    a_run(runs, "hen", [a_start(), a_finish()])
    assert main(["show", "hen"]) == 0
    assert "trained on" in capsys.readouterr().out


def test_best_step_is_shown(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(runs, "owl", [a_start(), a_finish()])
    assert json_of(capsys, "show")["best_step"] is None
    run.save_evaluation(EVALUATION)
    assert json_of(capsys, "show")["best_step"] == 30
    assert main(["show"]) == 0
    assert "1.5000 nats per token, best at step 30" in capsys.readouterr().out


def test_resume_finds_a_run_paused_before_its_first_step(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_run(runs, "owl", [events.RunPaused(step=0, total_steps=0, path="x")], WITH_TEXT)
    a_run(runs, "made")
    main(["resume"])
    assert "Resuming owl." in capsys.readouterr().err


def test_an_unknown_run_names_the_nearest(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_run(runs, "shakespeare")
    assert main(["show", "shakespear"]) == 2
    assert "shakespeare" in capsys.readouterr().err.splitlines()[1]


def test_resume_without_a_paused_run_gives_a_hint(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume"]) == 2
    assert "rlm train FILE" in capsys.readouterr().err
    owl = a_run(runs, "owl", [a_start(), a_finish()])
    assert main(["resume"]) == 2
    assert "See what there is: rlm ls" in capsys.readouterr().err, "it has no weights"
    owl.weights_path.write_bytes((2).to_bytes(8, "little") + b"{}")
    assert main(["resume"]) == 2
    assert "rlm resume owl --minutes" in capsys.readouterr().err


def test_the_shell_completes_runs_presets_and_modes(runs: Path, tmp_path: Path) -> None:
    a_run(runs, "owl")
    a_run(runs, "otter")
    elsewhere: Any = SimpleNamespace(params={"runs_dir": tmp_path / "none"})
    here: Any = SimpleNamespace(params={"runs_dir": None})
    assert {name for name, _ in complete_runs(here, "ow")} == {"owl"}
    assert {name for name, _ in complete_runs(here, "")} == {"owl", "otter"}
    assert list(complete_runs(elsewhere, "")) == []
    assert [name for name, _ in complete_modes("d")] == ["deep"]
    assert [name for name, _ in complete_modes("a")] == ["auto"]
    assert "hrm-4m" in {name for name, _ in complete_presets("")}
