"""The loop as a front end sees it: which events, in which order, and what ends it."""

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from data.errors import CorpusError, UsageError
from data.progress import result_of
from models.architectures import ARCHITECTURES
from models.depth import is_trained
from models.errors import CheckpointError, RunBusyError
from models.evaluation.loss import evaluate
from models.runs.checkpoint import load_checkpoint
from models.runs.checkpoint_folder import pointers_in
from models.runs.evaluation import Evaluation
from models.runs.event_json import to_json
from models.runs.events import (
    CheckpointSaved,
    EvaluationAdvanced,
    EvaluationFinished,
    Event,
    RunFinished,
    RunPaused,
    RunStarted,
    SampleGenerated,
    StepFinished,
)
from models.runs.load import load_run
from models.runs.run import Run
from models.training.control import Control
from models.training.trainer import train

NewRun = Callable[..., Run]


def go(run: Run, act: Callable[[Control, Event], None] | None = None) -> list[Event]:
    """Train, letting `act` do something after each event."""
    control, events = Control(), []
    for event in train(run, control):
        events.append(event)
        if act is not None:
            act(control, event)
    return events


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_events_come_in_order_and_a_trained_model_is_left(
    new_run: NewRun, meadow: Path, architecture: str
) -> None:
    run = new_run("owl", architecture, steps=12, evaluations=4, samples=2, average_decay=0.8)
    events = go(run)
    assert_in_order(events, architecture)
    assert_trained(run, events, architecture, meadow.read_text(encoding="utf-8"))


def assert_in_order(events: list[Event], architecture: str) -> None:
    unplanned = [
        event
        for event in events
        if isinstance(event, EvaluationAdvanced) or getattr(event, "reason", "") == "best"
    ]
    spoken = [type(event).__name__ for event in events if event not in unplanned]
    while spoken[0] == "PreparationAdvanced":
        del spoken[0]
    part = ["StepFinished"] * 3 + ["EvaluationFinished"]
    sampled = [*part, "SampleGenerated"]
    wanted = ["RunStarted", "CheckpointSaved", *part, *sampled, *part, *sampled]
    assert spoken == [*wanted, "CheckpointSaved", "RunFinished"]

    (started,) = of(RunStarted, events)
    assert (started.architecture, started.start_step, started.total_steps) == (architecture, 0, 12)
    assert (started.number_format, started.threads, started.batch_size) == ("float32", 1, 4)
    steps = of(StepFinished, events)
    assert [event.step for event in steps] == list(range(1, 13))
    assert [event.tokens_seen for event in steps] == [64 * step for step in range(1, 13)]
    assert all(event.total_steps == 12 and event.tokens_per_second > 0 for event in steps)
    assert steps[-1].eta_s == 0 and all(event.eta_s > 0 for event in steps[:-1])
    assert [event.step for event in of(EvaluationFinished, events)] == [3, 6, 9, 12]
    times = [event.time for event in events]
    assert times == sorted(times)
    for event in events:
        assert json.loads(to_json(event))["event"]


def assert_trained(run: Run, events: list[Event], architecture: str, text: str) -> None:
    finished = events[-1]
    assert isinstance(finished, RunFinished) and finished.reason == "steps"
    trained = load_run(run)
    modes = trained.model.modes()
    assert finished.validation_loss_by_mode.keys() == modes.keys()
    evaluation = run.evaluation()
    assert isinstance(evaluation, Evaluation)
    assert evaluation.validation_loss_by_mode == finished.validation_loss_by_mode
    assert evaluation.after_steps == 12 and evaluation.step == finished.best_step
    extrapolated = {
        "looped": ("thorough", "extreme"),
        "hrm": ("thorough", "extreme"),
        "trm": ("thorough", "extreme"),
        "transformer": (),
    }
    beyond = tuple(mode for mode, depth in modes.items() if not is_trained(trained.model, depth))
    assert evaluation.extrapolated_modes == extrapolated.get(architecture, beyond) == beyond
    best = min(of(EvaluationFinished, events), key=lambda event: event.validation_loss)
    assert finished.best_step == best.step
    assert finished.validation_loss == pytest.approx(best.validation_loss, abs=1e-5)
    assert finished.perplexity == pytest.approx(math.exp(finished.validation_loss))
    assert finished.bits_per_byte == pytest.approx(best.bits_per_byte, abs=1e-5)
    # One byte a character, one token a character.
    assert finished.bits_per_byte == pytest.approx(finished.validation_loss / math.log(2))
    # The saved weights are those that were evaluated.
    held_out = trained.tokenizer.encode(text[int(0.9 * len(text)) :])
    loss = result_of(evaluate(trained.model, held_out, modes["normal"], "float32"))
    assert loss == pytest.approx(finished.validation_loss, abs=1e-5)


def test_the_same_run_twice_is_the_same(new_run: NewRun) -> None:
    def losses(name: str, **dials: Any) -> list[float]:
        run = new_run(name, model={"dropout": 0.1}, steps=5, **dials)
        return [event.loss for event in of(StepFinished, go(run))]

    first = losses("one")
    assert first == losses("two")
    assert first != losses("three", seed=1)


def test_training_learns(new_run: NewRun) -> None:
    events = go(new_run(steps=40, batch_size=8, evaluations=2))
    first, last = of(EvaluationFinished, events)
    assert last.validation_loss < min(1.9, first.validation_loss)


def test_patience_ends_a_run_that_gets_no_better(new_run: NewRun) -> None:
    # A rate that ruins everything: after the first evaluations nothing is ever better.
    run = new_run(steps=400, evaluations=200, patience=3, learning_rate=0.3, matrix_learning_rate=2.0)
    events = go(run)
    finished = events[-1]
    assert isinstance(finished, RunFinished) and finished.reason == "patience"
    bests = [event.best for event in of(EvaluationFinished, events)]
    assert bests[-3:] == [False] * 3 and finished.step < 400
    assert not any(list(group)[3:] for best, group in itertools.groupby(bests) if not best)


def test_without_patience_a_run_goes_to_its_end(new_run: NewRun) -> None:
    finished = go(new_run(steps=40, evaluations=20, learning_rate=0.3, matrix_learning_rate=2.0))[-1]
    assert isinstance(finished, RunFinished) and (finished.reason, finished.step) == ("steps", 40)


def test_a_target_loss_ends_the_run(new_run: NewRun) -> None:
    events = go(new_run(steps=300, evaluations=100, batch_size=8, target_loss=2.4))
    finished = events[-1]
    assert isinstance(finished, RunFinished) and finished.reason == "target-loss"
    *before, last = [event.validation_loss for event in of(EvaluationFinished, events)]
    assert last <= 2.4 and all(loss > 2.4 for loss in before)
    assert finished.step < 300


@pytest.mark.parametrize("after", [0, 1, 5])
def test_stopping_ends_with_the_best_weights_so_far(new_run: NewRun, after: int) -> None:
    def stop(control: Control, event: Event) -> None:
        step = 0 if isinstance(event, CheckpointSaved) else getattr(event, "step", -1)
        if isinstance(event, CheckpointSaved | StepFinished) and step == after:
            control.stop()

    run = new_run(steps=12, evaluations=2)
    events = go(run, stop)
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert (finished.reason, finished.step, finished.best_step) == ("stopped", after, after)
    assert load_run(run).model is not None
    with pytest.raises(UsageError, match="finished"):
        go(run)


def test_a_withdrawn_pause_changes_nothing(new_run: NewRun) -> None:
    def pause_and_go_on(control: Control, event: Event) -> None:
        control.pause()
        control.go_on()

    assert isinstance(go(new_run(steps=4), pause_and_go_on)[-1], RunFinished)


def test_a_finished_run_refuses_to_be_resumed_without_more(new_run: NewRun) -> None:
    run = new_run(steps=3)
    go(run)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*.safetensors")}
    with pytest.raises(UsageError) as caught:
        go(run)
    assert caught.value.hint == f"Go on with it: {{resume {run.in_command} training.minutes=5}}"
    assert before == {path: path.stat().st_mtime_ns for path in run.path.rglob("*.safetensors")}


@pytest.mark.usefixtures("impatient")
def test_two_trainers_of_one_run_exclude_each_other(new_run: NewRun) -> None:
    run = new_run(steps=4)
    first = train(run)
    next(first)
    with pytest.raises(RunBusyError):
        next(iter(train(run)))
    first.close()  # type: ignore[attr-defined]
    assert isinstance(go(run)[-1], RunFinished)


def test_a_closed_training_leaves_a_run_that_goes_on(new_run: NewRun) -> None:
    run = new_run(steps=4)
    training = train(run)
    for event in training:
        if isinstance(event, EvaluationAdvanced):
            break
    training.close()  # type: ignore[attr-defined]
    assert isinstance(go(run)[-1], RunFinished)


def test_a_text_that_changed_is_refused(new_run: NewRun, meadow: Path) -> None:
    run = new_run()
    meadow.write_text(meadow.read_text(encoding="utf-8") + "more\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="no longer"):
        go(run)


def test_weights_of_another_model_are_refused(new_run: NewRun) -> None:
    def pause(control: Control, event: Event) -> None:
        if isinstance(event, StepFinished):
            control.pause()

    run = new_run()
    go(run, pause)
    config = run.config()
    dials = {**config.model.foreign, "d_model": 64}
    run.save_config(replace(config, model=replace(config.model, foreign=dials)))
    with pytest.raises(CheckpointError, match="does not fit"):
        go(run)


def test_a_pause_before_the_first_step_loses_nothing(new_run: NewRun) -> None:
    run = new_run(calibrated=False, steps=3)
    events = go(run, lambda control, event: control.pause())
    assert len(events) == 2 and isinstance(events[-1], RunPaused)
    assert isinstance(go(run)[-1], RunFinished)


def test_samples_do_not_disturb_the_training(new_run: NewRun) -> None:
    def losses(name: str, **dials: Any) -> list[float]:
        events = go(new_run(name, model={"dropout": 0.1}, steps=8, **dials))
        assert bool(of(SampleGenerated, events)) == (dials["samples"] > 0)
        return [event.loss for event in of(StepFinished, events)]

    assert losses("silent", samples=0, evaluations=2) == losses("talking", samples=4, evaluations=4)


@pytest.mark.parametrize(("evaluations", "samples", "written"), [(6, 4, 4), (6, 1, 1), (2, 5, 2), (5, 0, 0)])
def test_the_number_of_samples_is_as_configured(
    new_run: NewRun, evaluations: int, samples: int, written: int
) -> None:
    events = go(new_run(steps=7, evaluations=evaluations, samples=samples))
    found = of(SampleGenerated, events)
    assert len(found) == written
    assert not found or found[-1].step == 7


def test_checkpoints_are_saved_at_every_interval(new_run: NewRun) -> None:
    run = new_run(steps=5, checkpoint_minutes=0.0)
    events = go(run)
    saved = of(CheckpointSaved, events)
    assert [event.step for event in saved] == [0, *range(6)]
    assert [event.reason for event in saved if event.reason != "best"][-1] == "final"
    pointed = set(pointers_in(run.checkpoints_path).values())
    newest = [Path(event.path).name for event in saved[-3:]]
    assert {path.name for path in run.checkpoints_path.glob("step_*")} == pointed | set(newest)
    snapshot, _ = load_checkpoint(run)
    assert snapshot.step == 5 and snapshot.state.ended == "steps"
    assert all(torch.isfinite(weight).all() for weight in snapshot.model.values())
