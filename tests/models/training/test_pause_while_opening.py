"""A pause before the first step, and while a resumed run is opened: nothing is lost."""

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from models.planning.extend import extend
from models.runs.datasets import Dataset
from models.runs.events import (
    CheckpointSaved,
    Event,
    PreparationAdvanced,
    RunFinished,
    RunPaused,
    RunStarted,
    StepFinished,
)
from models.runs.listing import list_runs
from models.runs.run import Run
from models.training import control as control_module
from models.training import open as opening
from models.training.control import Control
from models.training.trainer import train

NewRun = Callable[..., Run]
Act = Callable[[Control, Event], None]


def go(run: Run, act: Act | None = None) -> list[Event]:
    control, events = Control(), []
    for event in run.record(train(run, control)):
        events.append(event)
        if act is not None:
            act(control, event)
    return events


def pause_in_preparation(control: Control, event: Event) -> None:
    if isinstance(event, PreparationAdvanced):
        control.pause()


def pause_at(step: int) -> Act:
    def act(control: Control, event: Event) -> None:
        if isinstance(event, StepFinished) and event.step == step:
            control.pause()

    return act


def losses(events: list[Event]) -> list[tuple[int, float]]:
    return [(event.step, event.loss) for event in events if isinstance(event, StepFinished)]


def forget_the_text(run: Run) -> None:
    """As if the cache had been emptied: the text is prepared again."""
    config = run.config()
    assert config.data is not None
    run.save_config(replace(config, data=replace(config.data, prepared=None)))


def test_a_training_paused_before_its_first_checkpoint_goes_on(new_run: NewRun) -> None:
    expected = losses(go(new_run("reference", model={"dropout": 0.1})))
    run = new_run(model={"dropout": 0.1})
    paused = go(run, pause_in_preparation)[-1]
    assert isinstance(paused, RunPaused) and (paused.step, paused.total_steps) == (0, 0)
    assert not run.checkpoints_path.exists()
    summary = next(one for one in list_runs(run.path.parent) if one.name == run.name)
    assert (summary.status, summary.step) == ("paused", 0)
    assert losses(go(run)) == expected


def test_a_pause_before_the_first_checkpoint_can_be_given_another_length(new_run: NewRun) -> None:
    expected = losses(go(new_run("reference", steps=4)))
    run = new_run(epochs=3)
    go(run, pause_in_preparation)
    extend(run, steps=4)
    events = go(run)
    assert losses(events) == expected
    timed = new_run("timed")
    go(timed, pause_in_preparation)
    extend(timed, minutes=0.02)
    assert timed.config().training["steps"] is None
    assert isinstance(go(timed)[-1], RunFinished)


def test_the_rest_of_a_killed_first_save_does_no_harm(new_run: NewRun) -> None:
    run = new_run(steps=2)
    (run.checkpoints_path / ".tmp-step_000000").mkdir(parents=True)
    assert isinstance(go(run)[-1], RunFinished)


def test_a_pause_while_a_resumed_run_prepares_again_says_where_it_stands(new_run: NewRun) -> None:
    reference = losses(go(new_run("reference")))
    run = new_run()
    first = go(run, pause_at(5))
    forget_the_text(run)
    paused = go(run, pause_in_preparation)[-1]
    assert isinstance(paused, RunPaused) and (paused.step, paused.total_steps) == (5, 12)
    summary = next(one for one in list_runs(run.path.parent) if one.name == run.name)
    assert (summary.status, summary.step, summary.total_steps) == ("paused", 5, 12)
    assert losses(first) + losses(go(run)) == reference


@pytest.mark.parametrize("trained_to", [0, 5])
def test_a_stop_while_opening_finishes_with_the_weights_there_are(new_run: NewRun, trained_to: int) -> None:
    def stop(control: Control, event: Event) -> None:
        if isinstance(event, PreparationAdvanced):
            control.stop()

    run = new_run()
    if trained_to:
        go(run, pause_at(trained_to))
        forget_the_text(run)
    finished = go(run, stop)[-1]
    assert isinstance(finished, RunFinished)
    assert (finished.reason, finished.step) == ("stopped", trained_to)


def test_the_threads_are_set_before_any_tensor_is_read(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    go(run, pause_at(2))
    calls: list[str] = []

    def noted(name: str) -> None:
        kept = getattr(opening, name)

        def call(*arguments: Any) -> Any:
            calls.append(name)
            return kept(*arguments)

        monkeypatch.setattr(opening, name, call)

    for name in ("prepare_process", "load_checkpoint", "build_model"):
        noted(name)
    go(run)
    assert calls[:3] == ["prepare_process", "load_checkpoint", "build_model"]


def test_the_time_in_which_a_user_is_asked_does_not_count(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)

    def monotonic() -> float:
        clock.now += 1e-3
        return float(clock.now)

    monkeypatch.setattr(control_module, "time", SimpleNamespace(monotonic=monotonic))

    def draw_or_ask(control: Control, event: Event) -> None:
        if getattr(event, "step", 0) == 6 and isinstance(event, StepFinished):
            with control.waiting():
                clock.now += 500.0
        elif isinstance(event, RunStarted | StepFinished):
            clock.now += 0.5

    events = go(new_run(checkpoint_minutes=5.0), draw_or_ask)
    elapsed = [event.elapsed_s for event in events if isinstance(event, StepFinished)]
    assert 5.0 < elapsed[-1] < 10.0, "drawing counts, asking does not"
    finished = events[-1]
    assert isinstance(finished, RunFinished) and finished.elapsed_s < 20.0
    saved = [event for event in events if isinstance(event, CheckpointSaved)]
    assert [event.step for event in saved if event.reason == "interval"] == [0]


def test_a_run_killed_around_its_last_evaluation_can_be_finished(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    write_json = Run.write_json
    for last_written in ("datasets.json", "evaluation.json"):
        run = new_run(last_written.partition(".")[0], steps=3)
        run.save_datasets([Dataset(name="meadow", content_hash=run.config().content_hash)])

        def killed_after(self: Run, name: str, value: Any, last: str = last_written) -> None:
            write_json(self, name, value)
            if name == last:
                raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Run, "write_json", killed_after)
            go(run)
        summary = next(one for one in list_runs(run.path.parent) if one.name == run.name)
        is_evaluated = last_written == "evaluation.json"
        assert summary.status == ("finished" if is_evaluated else "paused")
        if not is_evaluated:
            assert isinstance(go(run)[-1], RunFinished)
        (dataset,), evaluation = run.datasets(), run.evaluation()
        assert evaluation is not None
        assert dataset.loss_when_learned == dataset.loss_now == evaluation.validation_loss < math.inf
        extend(run, steps=1)
        assert go(run)[-1].step == 4  # type: ignore[attr-defined]
