"""More training for a run that has some."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from data.errors import UsageError
from models.planning.extend import extend
from models.runs.events import (
    EvaluationFinished,
    Event,
    RunFinished,
    RunPaused,
    RunStarted,
    StepFinished,
)
from models.runs.run import Run
from models.training.control import Control
from models.training.length import REWARM_SAME_TEXT
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


def test_an_extension_of_a_finished_run_warms_up_again(new_run: NewRun) -> None:
    run = new_run(steps=10, cooldown=0.5, warmup_steps=4, learning_rate=1e-3)
    first = go(run)
    extend(run, steps=20)
    events = go(run)
    (started,) = of(RunStarted, events)
    assert (started.start_step, started.total_steps) == (10, 30)
    rates = [event.learning_rate for event in of(StepFinished, events)]
    assert of(StepFinished, first)[-1].learning_rate < 0.25e-3  # it had come down
    assert rates[:2] == pytest.approx([REWARM_SAME_TEXT * share * 1e-3 for share in (0.5, 1)])
    assert max(rates) == pytest.approx(REWARM_SAME_TEXT * 1e-3) and rates[-1] < 0.05e-3
    finished = events[-1]
    assert isinstance(finished, RunFinished) and finished.step == 30
    losses = [event.validation_loss for event in of(EvaluationFinished, first + events)]
    assert finished.validation_loss == pytest.approx(min(losses), abs=1e-5)
    evaluation = run.evaluation()
    assert evaluation is not None and evaluation.after_steps == 30
    with pytest.raises(UsageError, match="finished"):
        go(run)


def test_an_extension_of_a_paused_run_only_moves_its_end(new_run: NewRun) -> None:
    def pause(control: Control, event: Event) -> None:
        if isinstance(event, StepFinished) and event.step == 6:
            control.pause()

    run = new_run(steps=12, warmup_steps=3, cooldown=0.1)
    paused = go(run, pause)[-1]
    assert isinstance(paused, RunPaused) and (paused.step, paused.total_steps) == (6, 12)
    extend(run, steps=14)
    events = go(run)
    assert events[-1].step == 20  # type: ignore[attr-defined]
    rates = [event.learning_rate for event in of(StepFinished, events)]
    assert rates[:8] == pytest.approx([rates[0]] * 8), "no second warm-up"


@pytest.mark.parametrize(
    "length", [{}, {"steps": 0}, {"minutes": 0.0}, {"minutes": math.nan}, {"minutes": -1.0}]
)
def test_an_extension_has_one_length_above_nothing(new_run: NewRun, length: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        extend(new_run(), **length)
    with pytest.raises(UsageError):
        extend(new_run("other"), minutes=1.0, steps=1)


def test_a_run_without_a_text_cannot_be_trained_or_extended(new_run: NewRun) -> None:
    run = new_run()
    config = replace(run.config(), data=None)
    run.save_config(config)
    for more in (lambda: extend(run, steps=4), lambda: go(run)):
        with pytest.raises(UsageError, match="has no text yet") as caught:
            more()
        assert caught.value.hint == f"Train it: {{train FILE name={run.in_command}}}"
    assert run.config() == config
