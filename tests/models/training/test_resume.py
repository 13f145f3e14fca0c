"""A run that was paused, however often and wherever, is the run that never was: bit for bit."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.architectures import ARCHITECTURES
from models.evaluation import loss as loss_module
from models.planning.extend import extend
from models.runs.checkpoint import Snapshot, load_checkpoint, load_weights
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
from models.runs.run import Run
from models.runs.run_state import RunState
from models.training.control import Control
from models.training.trainer import train

NewRun = Callable[..., Run]
RECIPE = {"steps": 11, "evaluations": 3, "samples": 3, "average_decay": 0.9, "weight_decay": 0.01}
DROPOUT = {"dropout": 0.1}
numbers = itertools.count()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation has several moments to be paused in."""
    monkeypatch.setattr(loss_module, "BATCH_TOKENS", 80)


def go(run: Run, pause_at: int | None = None) -> list[Event]:
    """Train until the end, or pause at the event of that number, counted from RunStarted."""
    control, events = Control(), []
    started = None
    for number, event in enumerate(run.record(train(run, control))):
        if isinstance(event, RunStarted):
            started = number
        if started is not None:  # what comes before depends on what is in the cache
            events.append(event)
            if number - started == pause_at:
                control.pause()
    return events


def go_with_pauses(run: Run, pauses: list[int]) -> list[Event]:
    """Train to the end through pauses, each at that many events after the last one."""
    events: list[Event] = []
    for pause_at in [*pauses, None]:
        events += go(run, pause_at)
        if isinstance(events[-1], RunFinished):
            return events
        assert isinstance(events[-1], RunPaused)
    raise AssertionError("it never finished")


def story_of(events: list[Event]) -> list[tuple[Any, ...]]:
    """What a user sees of the training itself, in order."""
    story: list[tuple[Any, ...]] = []
    for event in events:
        match event:
            case StepFinished():
                story.append((event.step, event.loss, event.gradient_norm, event.learning_rate, event.depth))
                story.append((event.total_steps, event.tokens_seen, event.epoch))
            case EvaluationFinished():
                story.append((event.step, event.validation_loss, event.train_loss, event.best))
            case SampleGenerated():
                story.append((event.step, event.prompt, event.text))
            case RunFinished():
                story.append((event.best_step, event.validation_loss, *event.validation_loss_by_mode.items()))
    return story


def place_of(kind: type[Event], events: list[Event]) -> int:
    return next(number for number, event in enumerate(events) if isinstance(event, kind))


def assert_same_end(run: Run, reference: Run) -> None:
    found, expected = final(run), final(reference)
    assert found.step == expected.step
    assert state_of(found) == state_of(expected)
    for ours, theirs in ((found.model, expected.model), (found.training, expected.training)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    weights, other_weights = (load_weights(one.weights_path)[0] for one in (run, reference))
    assert all(torch.equal(tensor, other_weights[name]) for name, tensor in weights.items())


def final(run: Run) -> Snapshot:
    snapshot, notes = load_checkpoint(run)
    assert notes == []
    return snapshot


def state_of(snapshot: Snapshot) -> RunState:
    """The state without what the clock says."""
    return replace(snapshot.state, counters=replace(snapshot.state.counters, elapsed_s=0.0, finish_s=0.0))


@pytest.mark.parametrize(
    ("architecture", "optimizer"),
    [
        ("looped", "muon"),
        ("hrm", "muon"),
        ("transformer", "adamw"),
        *(
            pytest.param(name, "muon", marks=pytest.mark.slow)
            for name in ARCHITECTURES
            if name not in ("looped", "hrm")
        ),
    ],
)
def test_pauses_change_nothing(new_run: NewRun, architecture: str, optimizer: str) -> None:
    def another() -> Run:
        return new_run(f"run-{next(numbers)}", architecture, model=DROPOUT, optimizer=optimizer, **RECIPE)

    reference = another()
    uninterrupted = go(reference)
    story = story_of(uninterrupted)
    assert len({loss for _, loss, *_ in story}) > 10, "a story to tell"
    steps = [number for number, event in enumerate(uninterrupted) if isinstance(event, StepFinished)]
    evaluations = [n for n, event in enumerate(uninterrupted) if isinstance(event, EvaluationAdvanced)]
    assert len(evaluations) > 8

    @settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.sampled_from(steps),
        st.sampled_from(evaluations),
        st.lists(st.integers(0, len(uninterrupted)), max_size=3),
    )
    def through_pauses(step: int, evaluation: int, more: list[int]) -> None:  # a pause in each
        for pauses in ([step, *more], [evaluation, *more]):
            run = another()
            assert story_of(go_with_pauses(run, pauses)) == story
            assert_same_end(run, reference)

    through_pauses()


def test_a_pause_at_every_single_event_changes_nothing(new_run: NewRun) -> None:
    dials = {**RECIPE, "steps": 2, "evaluations": 1, "samples": 1}
    reference = new_run("reference", "transformer", model=DROPOUT, **dials)
    uninterrupted = go(reference)
    for number, event in enumerate(uninterrupted[:-1]):
        run = new_run(f"paused-{number}", "transformer", model=DROPOUT, **dials)
        assert story_of(go_with_pauses(run, [number])) == story_of(uninterrupted), event
        assert_same_end(run, reference)


@pytest.mark.parametrize("length", [{"steps": 7}, {"epochs": 0.4}])
def test_the_length_is_kept_when_paused_before_the_first_step(
    new_run: NewRun, length: dict[str, Any]
) -> None:
    reference = go(new_run("reference", **length))
    run = new_run("paused", **length)
    paused = go(run, place_of(CheckpointSaved, reference))[-1]
    assert isinstance(paused, RunPaused) and paused.step == 0
    rest = go(run)
    assert story_of(rest) == story_of(reference)
    assert paused.total_steps == rest[-1].step  # type: ignore[attr-defined]


def test_a_minute_long_run_keeps_its_steps_when_paused(new_run: NewRun) -> None:
    """Minutes become steps; a resumed run goes on with those, until it is time to plan again."""
    run = new_run(minutes=3, evaluations=0)
    first = go(run, 12)
    paused = first[-1]
    assert isinstance(paused, RunPaused) and paused.total_steps > 50
    later = go(run, 12)[-1]
    assert isinstance(later, RunPaused)
    assert later.step > paused.step and later.total_steps == paused.total_steps


def test_a_pause_is_a_checkpoint_of_its_own(new_run: NewRun) -> None:
    run = new_run()
    paused = go(run, 8)[-1]
    assert isinstance(paused, RunPaused)
    for pointer in ("pause", "latest"):
        snapshot, notes = load_checkpoint(run, pointer)
        assert snapshot.step == paused.step and notes == []
        assert snapshot.state.ended is None


def test_a_resumed_run_keeps_its_calibration(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run(calibrated=False, number_format="auto", steps=6)
    go(run, 10)
    calibration = run.config().calibration
    assert calibration is not None
    assert calibration.device == "cpu" and calibration.deep_step_s > 0
    monkeypatch.setattr("models.training.text_task.calibrate", None)
    go(run)
    assert run.config().calibration == calibration


def test_the_best_loss_and_nan_survive_the_file(new_run: NewRun) -> None:
    run = new_run()
    go(run, pause_at=0)
    counters = final(run).state.counters
    assert counters.best_loss == math.inf and math.isnan(counters.mean_loss)


def test_an_extension_can_be_paused_too(new_run: NewRun) -> None:
    dials = {**RECIPE, "steps": 6}
    runs = [new_run(name, "looped", model=DROPOUT, **dials) for name in ("whole", "in-parts")]
    for run in runs:
        go(run)
        extend(run, steps=8)
    whole = go(runs[0])
    first = place_of(StepFinished, whole)
    parts = go_with_pauses(runs[1], [first - 1, first + 2, 3])
    assert story_of(parts) == story_of(whole)
    assert_same_end(runs[1], runs[0])
    last = whole[-1]
    assert isinstance(last, RunFinished) and last.step == 14


def test_what_followed_the_last_step_counts_in_later_sittings(new_run: NewRun) -> None:
    run = new_run(**RECIPE)
    ended = go(run)[-1]
    assert isinstance(ended, RunFinished)
    steps_s = final(run).state.counters.elapsed_s
    log = run.events_path.read_text(encoding="utf-8")
    taken = f'"elapsed_s": {ended.elapsed_s}'
    assert taken in log.splitlines()[-1]
    run.events_path.write_text(log.replace(taken, f'"elapsed_s": {steps_s + 1000}'), encoding="utf-8")
    for _ in range(2):
        extend(run, steps=3)
        paused = go(run, pause_at=3)[-1]
        ended = go(run)[-1]
        assert isinstance(paused, RunPaused) and isinstance(ended, RunFinished)
        counters = final(run).state.counters
        assert counters.elapsed_s < 1000 <= counters.finish_s
        assert ended.elapsed_s >= counters.elapsed_s + counters.finish_s
