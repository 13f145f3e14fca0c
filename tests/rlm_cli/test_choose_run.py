"""How `rlm train` decides which model learns a text."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.planning.continuation_plan import ContinuationPlan
from models.planning.resume_plan import ResumePlan
from models.planning.text_plan import TextPlan
from models.runs.listing import list_runs
from models.runs.run import Run
from rlm_cli import choose_run
from rlm_cli.app import main

TEXT = "the owl sees the fox, the fox hears the hen.\n" * 40
SMALL = "--d-model 16 --heads 2 --context 16 --steps 2 --set training.batch_size=2 --threads 1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two texts, and the run `owl` that has learned the first."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RLM_CACHE_DIR", str(folder / "cache"))
        (folder / "meadow.txt").write_text(TEXT, encoding="utf-8")
        (folder / "river.txt").write_text(TEXT.replace("hen", "bee"), encoding="utf-8")
        assert main(f"train meadow.txt --quiet --name owl {SMALL}".split()) == 0
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `trained`. A new model is as small, by variables, which answer no question."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLM_CACHE_DIR", str(tmp_path / "cache"))
    for name, value in {"D_MODEL": "16", "HEADS": "2", "CONTEXT": "16", "BATCH_SIZE": "2"}.items():
        monkeypatch.setenv(f"RLM_{name}", value)
    return tmp_path


def answering(monkeypatch: pytest.MonkeyPatch, *answers: str | None) -> list[str]:
    """Answer the questions like a user on a terminal. Returns the questions."""
    left: Iterator[str | None] = iter(answers)
    questions: list[str] = []

    def ask(output: Any, question: str) -> str | None:
        questions.append(question)
        return next(left)

    monkeypatch.setattr(choose_run, "may_ask", lambda: True)
    monkeypatch.setattr("rlm_cli.output.Output.ask", ask)
    return questions


def names(folder: Path) -> set[str]:
    return {run.name for run in list_runs(folder / "runs")}


def knows(folder: Path) -> list[str]:
    return [one.name for one in Run.open("owl", folder / "runs").datasets()]


def test_without_a_terminal_it_is_a_new_run(folder: Path) -> None:
    before = Run.open("owl", folder / "runs").config()
    assert main(["train", "river.txt", "--steps", "2", "--quiet", "--threads", "1"]) == 0
    assert names(folder) == {"owl", "river"} and Run.open("owl", folder / "runs").config() == before


def test_fresh_and_continue_choose_the_model(folder: Path) -> None:
    fresh = ["train", "river.txt", "--fresh", "--quiet", "--steps", "2", "--threads", "1", "--context", "16"]
    assert main(fresh) == 0
    assert names(folder) == {"owl", "river"}
    assert main(fresh) == 0
    assert names(folder) == {"owl", "river", "river-2"}, "nothing is ever overwritten"
    assert main(["train", "river.txt", "--continue", "owl", "--quiet", "--steps", "2"]) == 0
    assert knows(folder) == ["meadow", "river"]


PREFERENCES = "[model]\nd_model = 16\n[training]\nbatch_size = 2\nthreads = 1\n"


def test_settings_do_not_answer_the_question(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "usual.toml").write_text(PREFERENCES, encoding="utf-8")
    questions = answering(monkeypatch, "", "", "", "")
    assert main(["train", "river.txt", "--steps", "2", "--config", "usual.toml"]) == 0
    monkeypatch.setenv("RLM_D_MODEL", "24")
    monkeypatch.setenv("RLM_PRESET", "looped-small")
    monkeypatch.setenv("RLM_MINUTES", "5")
    assert main(["train", "river.txt", "--steps", "2"]) == 0
    assert main(["train", "river.txt", "--steps", "2", "--heads", "2"]) == 0
    assert names(folder) == {"owl"} and len(questions) == 3, "no flag of a setting answers the question"
    shape = ["--heads", "2", "--context", "16", "--quiet"]
    assert main(["train", "river.txt", "--steps", "2", *shape]) == 0
    assert names(folder) == {"owl", "river"} and len(questions) == 3, "quiet, it asks nobody"
    assert Run.open("river", folder / "runs").config().model.dials["d_model"] == 24


@pytest.mark.parametrize("typed", [["--name", "river"], ["--preset", "looped-small"], ["--fresh"]])
def test_flags_that_name_the_model_skip_the_question(
    folder: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str]
) -> None:
    answering(monkeypatch)
    small = ["--steps", "2", "--threads", "1", "--context", "16"]
    assert main(["train", "river.txt", *small, *typed]) == 0
    assert names(folder) == {"owl", "river"}


def test_new_model_settings_do_not_affect_a_continued_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "usual.toml").write_text(PREFERENCES.replace("= 2", "= 3"), encoding="utf-8")
    monkeypatch.delenv("RLM_BATCH_SIZE")
    for variable, value in (("D_MODEL", "24"), ("PRESET", "hrm-4m"), ("TOKENIZER", "bpe"), ("STEPS", "3")):
        monkeypatch.setenv(f"RLM_{variable}", value)
    assert main(["train", "river.txt", "--continue", "owl", "--config", "usual.toml", "--quiet"]) == 0
    config = Run.open("owl", folder / "runs").config()
    assert config.model.dials["d_model"] == 16 and config.training["steps"] == 3
    assert config.training["batch_size"] == 3, "dials of the training are for any model"
    assert main(["train", "meadow.txt", "--continue", "owl", "--d-model", "24"]) == 2
    assert "drop --d-model" in capsys.readouterr().err


def test_continuation_settings_do_not_affect_a_new_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLM_REPLAY", "0.2")
    monkeypatch.setenv("RLM_GROW_BY", "1000")
    assert main(f"train river.txt --fresh --quiet {SMALL}".split()) == 0


@pytest.mark.parametrize("line", ['continue = "owl"', "fresh = true"])
def test_config_file_cannot_choose_the_model(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    (folder / "usual.toml").write_text(line, encoding="utf-8")
    assert main(["train", "river.txt", "--steps", "2", "--config", "usual.toml"]) == 2
    assert "which only the command line may set" in " ".join(capsys.readouterr().err.split())
    assert names(folder) == {"owl"} and knows(folder) == ["meadow"]


def test_same_corpus_accepts_equal_settings_and_refuses_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    again = ["train", "meadow.txt", "--continue", "owl", "--steps", "2", "--quiet"]
    assert main([*again, "--threads", "1", "--set", "training.batch_size=2", "--optimizer", "muon"]) == 0
    monkeypatch.setenv("RLM_PATIENCE", "2")
    assert main(again) == 0, "a preference is for a training that begins"
    for typed, flag in (
        (["--set", "training.beta1=0.3"], "--set training.beta1"),
        (["--grow-vocab", "3"], "--grow-vocab"),
    ):
        capsys.readouterr()
        assert main([*again, *typed]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert f"already training on this text; drop {flag}." in said


def test_impossible_choice_shows_the_error_and_asks_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, "1", "n")
    assert main(["train", "meadow.txt", "--steps", "2", "--threads", "1", "--patience", "3"]) == 0
    assert "already training on this text" in capsys.readouterr().err
    assert names(folder) == {"owl", "meadow"}


def test_grow_by_needs_grow_every(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in (["--fresh"], ["--continue", "owl"]):
        assert main(["train", "river.txt", "--steps", "2", "--grow-by", "1000", *more]) == 2
        assert "not how often" in capsys.readouterr().err
    grows = ["--set", "training.grow_every=100000"]
    assert main(["train", "river.txt", "--continue", "owl", "--steps", "2", "--quiet", *grows]) == 0
    assert (
        main(["train", "meadow.txt", "--continue", "owl", "--steps", "2", "--quiet", "--grow-by", "1000"])
        == 0
    )


def test_run_with_odd_datasets_is_tolerated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, "", "", "")
    run = Run.open("owl", folder / "runs")
    shutil.copytree(run.path, folder / "runs" / "hen")
    path = run.path / "datasets.json"
    entries = json.loads(path.read_text(encoding="utf-8"))["datasets"]
    for odd in ([*entries, *entries], [{"name": "a"}, {"name": "b", "loss_now": None}, *entries], [3]):
        run.write_json("datasets.json", odd)
        capsys.readouterr()
        assert main(["train", "river.txt", "--steps", "2"]) == 0
        assert "hen" in capsys.readouterr().err


def test_fresh_and_continue_exclude_each_other(folder: Path) -> None:
    assert main(["train", "river.txt", "--continue", "owl", "--fresh"]) == 2


def test_without_continue_it_is_a_new_model(folder: Path) -> None:
    assert main(f"train river.txt --quiet {SMALL}".split()) == 0
    named = ["train", "river.txt", "--name", "other", "--quiet", "--steps", "2", "--threads", "1"]
    assert main([*named, "--context", "16"]) == 0
    assert names(folder) == {"owl", "river", "other"}


def test_terminal_question_is_asked_and_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = answering(monkeypatch, "maybe", "1")
    assert main(["train", "river.txt", "--steps", "2"]) == 0
    assert questions == ["1 for owl, n for a new one, Enter to cancel:"] * 2
    shown = capsys.readouterr().err
    assert "Which model should learn river?" in shown
    assert "owl" in shown and "meadow" in shown and "looped" in shown
    assert knows(folder) == ["meadow", "river"]


def test_run_name_is_a_valid_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folder / "runs/owl", folder / "runs/fox")
    questions = answering(monkeypatch, "owl")
    assert main(["train", "river.txt", "--steps", "2"]) == 0
    assert questions == ["1 to 2 or a name, n for a new one, Enter to cancel:"]
    assert knows(folder) == ["meadow", "river"]


@pytest.mark.parametrize("answer", ["1", "my run"])
def test_run_with_an_invalid_folder_name_can_continue(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    (folder / "runs/owl").rename(folder / "runs/my run")
    answering(monkeypatch, answer)
    assert main(["train", "river.txt", "--steps", "2"]) == 0
    known = Run.open(folder / "runs/my run", folder / "runs").datasets()
    assert [one.name for one in known] == ["meadow", "river"]
    assert "rlm chat './runs/my run'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["meadow.txt", "river.txt"])
def test_ctrl_c_while_starting_gives_a_true_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    def interrupted(plan: Any) -> None:
        raise KeyboardInterrupt

    for kind in (ContinuationPlan, ResumePlan, TextPlan):
        monkeypatch.setattr(kind, "start", interrupted)
    assert main(["train", text, "--continue", "owl", "--steps", "2"]) == 130
    said = capsys.readouterr().err
    assert "Nothing was created" not in said and "rlm resume owl" in said
    assert main(["train", text, "--fresh", "--steps", "2"]) == 130
    assert "Stopped. Nothing was created." in capsys.readouterr().err


def test_a_damaged_run_is_named_before_the_question(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "runs/owl/datasets.json").write_bytes(b"{")
    answering(monkeypatch)
    assert main(["train", "river.txt", "--steps", "2", "--dry-run"]) == 0
    assert "Run 'owl' is damaged" in capsys.readouterr().err.replace("\n", " ")


def test_answer_n_trains_a_new_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "n")
    assert main(["train", "river.txt", "--steps", "2", "--threads", "1"]) == 0
    assert names(folder) == {"owl", "river"} and knows(folder) == ["meadow"]


@pytest.mark.parametrize("nothing", ["", None])
def test_empty_answer_cancels(folder: Path, monkeypatch: pytest.MonkeyPatch, nothing: str | None) -> None:
    answering(monkeypatch, nothing)
    assert main(["train", "river.txt", "--steps", "2"]) == 0
    assert names(folder) == {"owl"} and knows(folder) == ["meadow"]


def test_json_asks_no_question(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch)
    assert main(["train", "river.txt", "--steps", "2", "--json", "--threads", "1"]) == 0
    assert names(folder) == {"owl", "river"}


def test_show_has_the_loss_of_each_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "river.txt", "--continue", "owl", "--quiet", "--steps", "2"]) == 0
    capsys.readouterr()
    assert main(["show", "owl", "--json"]) == 0
    datasets = json.loads(capsys.readouterr().out)["datasets"]
    assert [entry["name"] for entry in datasets] == ["meadow", "river"]
    assert all(entry["loss_when_learned"] > 0 and entry["loss_now"] > 0 for entry in datasets)
