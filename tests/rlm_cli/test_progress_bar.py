"""The bar fits the terminal, and a short run says little."""

import io
from typing import Any

import pytest
from rich.console import Console

from models.runs import events
from models.runs.events import Event
from models.runs.history import History
from rlm_cli.pace import Pace
from rlm_cli.progress import step_details
from rlm_cli.progress_bar import bar_line


def a_step(step: int, total: int, eta_s: float = 65.0) -> events.StepFinished:
    return events.StepFinished(
        step=step, total_steps=total, epoch=0.1, loss=2.5, learning_rate=1e-3, gradient_norm=1.0, depth="2x2",
        tokens_seen=step * 100, tokens_per_second=12345.0, elapsed_s=1.0, eta_s=eta_s,
    )  # fmt: skip


def an_evaluation(step: int) -> events.EvaluationFinished:
    return events.EvaluationFinished(
        step=step,
        epoch=0.1,
        train_loss=1.4,
        validation_loss=1.5,
        perplexity=4.5,
        bits_per_byte=2.1,
        best=True,
    )


def a_sample(step: int) -> events.SampleGenerated:
    return events.SampleGenerated(step=step, prompt="Once", text=" more")


def console(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width)


@pytest.mark.parametrize("width", [10, 30, 40, 50, 80, 140])
def test_the_bar_has_a_bar_and_a_percentage_and_room_for_a_ctrl_c(width: int) -> None:
    history = History()
    history.add(an_evaluation(4))
    details = step_details(a_step(1234, 2468, 4000.0), history)
    line = bar_line("training", 1234, 2468, details, console(width)).plain
    assert len(line) <= width - 5
    if width >= 40:
        assert line.count("━") >= 6 and " 50%" in line and "1:06:40 left" in line
    if width >= 140:
        assert "step 1,234/2,468  loss 2.500  val 1.500  12.3k tok/s  1:06:40 left  until " in line


def test_the_least_important_detail_goes_first() -> None:
    lines = [
        bar_line("training", 1, 2, [(2, "step 1/2"), (1, "loss 2"), (3, "1:05 left")], console(width)).plain
        for width in (60, 50, 40, 20)
    ]
    shown = [[text for text in ("step", "loss", "left") if text in line] for line in lines]
    assert shown == [["step", "loss", "left"], ["step", "left"], ["left"], []]


def test_an_unknown_total_has_no_percentage() -> None:
    assert bar_line("compiling", 0, 0, [], console(40)).plain == "compiling "


def shown_by(pace: Pace, stream: list[Event]) -> list[Any]:
    return [
        event.step for event in stream if pace.shows(event) and not isinstance(event, events.StepFinished)
    ]


def test_a_short_run_shows_the_last_evaluation_and_sample_only() -> None:
    stream: list[Event] = []
    for step in range(1, 11):
        stream += [a_step(step, 10), an_evaluation(step), a_sample(step)]
    assert shown_by(Pace(clock=lambda: 0.0), stream) == [10, 10]


def test_a_long_run_shows_an_evaluation_every_few_seconds() -> None:
    now = 0.0
    pace = Pace(clock=lambda: now)
    shown: list[Event] = []
    for step in range(1, 61):
        now = 3.0 * step
        stream = (a_step(step, 60), an_evaluation(step), a_sample(step))
        shown += [event for event in stream if pace.shows(event)]
    assert len([event for event in shown if isinstance(event, events.EvaluationFinished)]) == 30
    assert len([event for event in shown if isinstance(event, events.SampleGenerated)]) == 12
    assert shown[-1] is stream[-1]


def test_a_sample_that_was_asked_for_is_shown() -> None:
    stream = [a_step(1, 9), an_evaluation(1), a_step(2, 9), a_sample(2)]
    assert shown_by(Pace(clock=lambda: 0.0), stream) == [2]
