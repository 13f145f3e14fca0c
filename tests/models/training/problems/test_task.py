"""Training on problems: it learns, it resumes bit for bit, and its figures are right."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from data.errors import CorpusError, RlmError, UsageError
from data.problems.problem import held_out_problems
from data.progress import result_of
from models.analysis.soundness.verify import verify
from models.depth import MODES
from models.errors import RunError
from models.generation.generate import GeneratedToken
from models.generation.problem_solver import answer_problem, load_problem_solver
from models.planning.extend import extend
from models.planning.plan import plan
from models.planning.relocate import relocate
from models.recovery.recover import recover_tokenizer
from models.runs.checkpoint import load_weights
from models.runs.events import (
    EvaluationFinished,
    Event,
    RunFinished,
    RunPaused,
    SampleGenerated,
    StepFinished,
)
from models.runs.run import Run
from models.training.control import Control
from models.training.problems import task as task_module
from models.training.problems.task import ProblemTrainingTask
from models.training.trainer import train
from tests.models.training.sessions import session_of
from tests.requests import SAME_EVERYWHERE, train_request

SMALL = {
    **SAME_EVERYWHERE, "model.d_model": 16, "model.n_heads": 2, "training.evaluations": 2,
    "training.samples": 0, "training.batch_size": 8,
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def few_problems() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_module, "CHOOSING", 8)
        patch.setattr(task_module, "FINAL", 16)
        yield


@pytest.fixture(scope="module")
def trained(few_problems: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[Event]]:
    """A run that was trained to its end, and its events. Only to read."""
    run = new_run(tmp_path_factory.mktemp("trained"), settings={"training.samples": 1})
    return run, go(run)


@pytest.fixture
def finished(trained: tuple[Run, list[Event]], tmp_path: Path) -> Run:
    """A run that was trained to its end."""
    run, _ = trained
    return Run(shutil.copytree(run.path, tmp_path / run.name))


def new_run(folder: Path, task: str = "compose:s3:4", **typed: Any) -> Run:
    settings = {**SMALL, **typed.pop("settings", {})}
    request = train_request(**{"paths": (), "task": task, "steps": 8, **typed}, settings=settings)
    return result_of(plan(request, folder)).start()


def go(run: Run, pause_after: int | None = None) -> list[Event]:
    control, events, steps = Control(), [], 0
    for event in run.record(train(run, control)):
        events.append(event)
        steps += isinstance(event, StepFinished)
        if steps == pause_after:
            control.pause()
    return events


def test_a_run_reports_right_answers_by_difficulty_and_mode(trained: tuple[Run, list[Event]]) -> None:
    run, events = trained
    assert run.name == "compose-s3-4"
    last = events[-1]
    assert isinstance(last, RunFinished) and last.accuracy_by_mode is not None
    assert list(last.accuracy_by_mode) == ["fast", "normal", "deep", "thorough", "extreme"]
    for accuracy in last.accuracy_by_mode.values():
        assert list(accuracy) == ["1", "2", "3", "4", "6", "8"]
        assert all(0 <= share <= 1 for share in accuracy.values())
    evaluations = [event for event in events if isinstance(event, EvaluationFinished)]
    assert len(evaluations) == 2 and all(list(one.accuracy or {}) for one in evaluations)
    samples = [event for event in events if isinstance(event, SampleGenerated)]
    assert samples and samples[0].prompt.endswith("=") and len(samples[0].prompt) == 5
    evaluation = json.loads((run.path / "evaluation.json").read_text())
    assert evaluation["accuracy_by_mode"] == last.accuracy_by_mode
    assert evaluation["trained_difficulty"] == 4 and evaluation["problems_each"] == 16
    assert evaluation["extrapolated_modes"] == []


@pytest.mark.parametrize("step_s", [1e-5, 5.0, 50.0])
def test_the_time_of_the_fewest_problems_is_kept_for_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    """They are answered in any case, also where that takes more than a tenth of the time."""
    monkeypatch.setattr(task_module, "FINAL", 512)
    session = session_of(new_run(tmp_path, steps=None, minutes=0.25, settings={"training.evaluations": 0}))
    task, budget, model = session.task, session.time_budget, session.model
    assert isinstance(task, ProblemTrainingTask)
    budget.calibration = replace(budget.calibration, shallow_step_s=step_s, deep_step_s=step_s)
    calls = sum(model.attention_calls(depth) for depth in model.modes().values())
    assert task.reserve_s(budget, 0.0, 15.0) >= task._scoring_s(budget, task_module.FEWEST, calls)


def test_what_is_written_is_what_is_counted(tmp_path: Path) -> None:
    run = new_run(tmp_path, "sums:1", steps=30)
    last = go(run)[-1]
    assert isinstance(last, RunFinished) and last.accuracy_by_mode is not None
    solver = load_problem_solver(run)
    problems = held_out_problems(solver.task, 1, 16, seed=task_module.FINAL_SEED)
    right = [answer_problem(solver, one, MODES["deep"]).right for one in problems]
    assert last.accuracy_by_mode["deep"]["1"] == sum(right) / 16


def test_the_passes_of_an_answer_are_those_of_its_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(tmp_path, steps=1)
    go(run)
    solver = load_problem_solver(run)
    tokens = [GeneratedToken(0, 16, "a", 1.0, 1.0, None), GeneratedToken(0, 3, "", 1.0, 2.0, "eos")]
    monkeypatch.setattr("models.generation.problem_solver.generate", lambda *_: iter(tokens))
    answer = answer_problem(solver, solver.task.read("cab"), MODES["extreme"])
    assert answer.text == "a" and answer.passes == 1.5


def test_a_sample_of_a_prompt_has_its_mark(tmp_path: Path) -> None:
    run = new_run(tmp_path, steps=2)
    control = Control()
    control.sample("cab")
    samples = [event for event in train(run, control) if isinstance(event, SampleGenerated)]
    assert samples[0].prompt == "cab="


@pytest.mark.parametrize("path", ["training.loss_on", "training.easy_first"])
def test_what_is_for_problems_is_refused_elsewhere(tmp_path: Path, path: str) -> None:
    value = {"training.loss_on": "answers", "training.easy_first": "no"}[path]
    with pytest.raises(UsageError, match="is for problems"):
        result_of(plan(train_request(paths=("a.txt",), settings={path: value}), tmp_path))


def test_it_learns(tmp_path: Path) -> None:
    wide = {"model.d_model": 32, "training.batch_size": 32}
    run = new_run(tmp_path, "compose:s3:2", steps=120, settings=wide)
    last = go(run)[-1]
    assert isinstance(last, RunFinished) and last.accuracy_by_mode is not None
    assert last.accuracy_by_mode["extreme"]["2"] >= 0.9  # one in six is chance


@pytest.mark.parametrize("architecture", ["hrm", "trm", "ouroboros", "recursive_router", "transformer"])
def test_every_text_architecture_learns_problems(tmp_path: Path, architecture: str) -> None:
    run = new_run(tmp_path, "chains:2", architecture=architecture, steps=3)
    last = go(run)[-1]
    assert isinstance(last, RunFinished) and last.accuracy_by_mode


def test_the_loss_is_that_of_the_trained_depth_where_no_mode_has_it(tmp_path: Path) -> None:
    run = new_run(tmp_path, steps=2, settings={"model.max_cycles": 5})
    last = go(run)[-1]
    evaluation = json.loads((run.path / "evaluation.json").read_text())
    assert isinstance(last, RunFinished) and last.validation_loss == evaluation["validation_loss"]
    assert evaluation["validation_loss"] not in evaluation["validation_loss_by_mode"].values()
    assert evaluation["passes_per_token"] == 5


def test_a_paused_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole, paused = new_run(tmp_path, name="whole"), new_run(tmp_path, name="paused")
    end = go(whole)[-1]
    assert isinstance(go(paused, 3)[-1], RunPaused)
    other = go(paused)[-1]
    assert isinstance(end, RunFinished) and isinstance(other, RunFinished)
    assert end.accuracy_by_mode == other.accuracy_by_mode
    one, two = load_weights(whole.weights_path)[0], load_weights(paused.weights_path)[0]
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_answers_alone_can_be_the_target(tmp_path: Path) -> None:
    losses = []
    for name, on in (("all", "all"), ("answers", "answers")):
        run = new_run(tmp_path, name=name, steps=1, settings={"training.loss_on": on})
        losses.append(next(event.loss for event in go(run) if isinstance(event, StepFinished)))
    assert losses[0] != losses[1]


def test_a_finished_run_is_sound_and_goes_on(finished: Run) -> None:
    results = list(verify(finished))
    assert {one.verdict for one in results if one.check != "depth"} == {"sound"}, results
    assert sum(one.check == "loss" for one in results) == 5
    assert not any("cache" in one.found for one in results if one.check == "tokenizer")
    extend(finished, steps=2)
    assert isinstance(go(finished)[-1], RunFinished)


def test_a_lost_tokenizer_follows_from_the_problems(tmp_path: Path) -> None:
    run = new_run(tmp_path, "sums:2", steps=1)
    go(run)
    whole = run.tokenizer_path.read_bytes()
    run.tokenizer_path.unlink()
    save_file(load_file(run.weights_path), run.weights_path)  # without its metadata
    shutil.rmtree(run.checkpoints_path)
    found = result_of(recover_tokenizer(run))
    assert (found.source, found.verified) == ("problems", "hash")
    assert run.tokenizer_path.read_bytes() == whole


@pytest.mark.parametrize("paths", [[], ["nonsense"], ["sums:2"], ["compose:s4:4"], ["compose:s3:40"]])
def test_a_config_that_names_other_problems_is_an_error(finished: Run, paths: list[str]) -> None:
    run = finished
    config = json.loads((run.path / "config.json").read_text())
    config["data"]["paths"] = paths
    (run.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RlmError, match=f"'{run.name}'"):
        load_problem_solver(run)
    (loss,) = (one for one in verify(run) if one.check == "loss")
    assert loss.verdict == "not measured" and "config.json" in loss.found
    before = (run.path / "config.json").read_text()
    with pytest.raises(CorpusError, match=r"config\.json"):
        extend(run, steps=1)
    assert (run.path / "config.json").read_text() == before


def test_problems_of_another_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run(tmp_path)
    monkeypatch.setattr("data.problems.compose.Compose.version", 99)
    with pytest.raises(CorpusError, match="another version"):
        go(run)


@pytest.mark.parametrize(
    "typed",
    [
        {"paths": ("a.txt",)}, {"count": 5}, {"tokenizer": "bpe"}, {"vocab_size": 40}, {"context_length": 8},
        {"continue_run": "owl"}, {"grow_every": 100}, {"task": "compose:s9"}, {"task": "compose:s3:0"},
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path: Path, typed: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        new_run(tmp_path, **{"task": "compose:s3", **typed})
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_run_of_problems_has_no_file_and_learns_no_text(tmp_path: Path, finished: Run) -> None:
    run = finished
    with pytest.raises(UsageError, match="have no file"):
        result_of(relocate(run, ["a.txt"]))
    (tmp_path / "book.txt").write_text("One evening a stone spoke. " * 40)
    request = train_request(paths=(str(tmp_path / "book.txt"),), continue_run=str(run.path))
    with pytest.raises(RunError, match="learned problems"):
        result_of(plan(request, tmp_path))
