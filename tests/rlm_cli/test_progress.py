"""The same events as JSON Lines, as plain lines, and as a bar."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from models.runs import events
from models.runs.event_json import to_json
from models.runs.events import Event
from rlm_cli import progress, progress_bar
from rlm_cli.output import Form, Output
from rlm_cli.progress import (
    JsonLines,
    LiveBar,
    PlainLines,
    SilentView,
    WarningsOnly,
    event_lines,
    progress_view,
)

TOTAL = 40


def a_step(step: int, **more: Any) -> events.StepFinished:
    fields: dict[str, Any] = {
        "step": step, "total_steps": TOTAL, "epoch": 0.1, "loss": 2.5, "learning_rate": 1e-3,
        "gradient_norm": 1.0, "depth": "2x2", "tokens_seen": step * 100, "tokens_per_second": 12345.0,
        "elapsed_s": step * 0.3, "eta_s": 65.0,
    }  # fmt: skip
    return events.StepFinished(**{**fields, **more})


def an_evaluation(step: int, loss: float = 1.5) -> events.EvaluationFinished:
    return events.EvaluationFinished(
        step=step,
        epoch=0.1,
        train_loss=1.4,
        validation_loss=loss,
        perplexity=4.5,
        bits_per_byte=2.1,
        best=True,
    )


def a_stream() -> Iterator[Event]:
    """A short training, with control characters in its text."""
    yield events.PreparationAdvanced(stage="reading", done=1, total=2)
    yield events.PreparationAdvanced(stage="compiling", done=0, total=0)
    yield events.NoticeGiven(message="Read as latin-1.\x1b[2J")
    yield events.SchedulePlanned(step=0, total_steps=TOTAL, seconds_per_step=0.1)
    for step in range(1, TOTAL + 1):
        yield a_step(step)
    yield events.StepSkipped(step=9, loss=float("nan"), gradient_norm=1.0, reason="loss is not finite")
    yield events.RolledBack(step=9, to_step=5, learning_rate_scale=0.5)
    yield events.MicroBatchHalved(micro_batch=8, accumulation=2)
    yield events.EvaluationAdvanced(step=TOTAL, done=1, total=2)
    yield an_evaluation(TOTAL)
    yield events.SampleGenerated(step=TOTAL, prompt="Once", text=" upon\x1b]0;x\x07 [bold]a\ntime")
    yield events.CheckpointSaved(step=TOTAL, path="checkpoints/step_000040", reason="final")


def shown_by(view: Any, stream: Iterator[Event]) -> None:
    with view:
        for event in stream:
            view.show(event)


def test_json_lines_are_the_events_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    shown_by(JsonLines(), a_stream())
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert [json.loads(line)["event"] for line in lines] == [
        json.loads(to_json(event))["event"] for event in a_stream()
    ]
    assert out.isascii()


def test_plain_lines_come_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter(range(1000))
    shown_by(PlainLines(Output(), clock=lambda: float(next(now))), a_stream())
    out, err = capsys.readouterr()
    assert out == ""
    steps = [line for line in err.splitlines() if line.startswith("step ") and f"/{TOTAL}" in line]
    assert TOTAL / 8 < len(steps) < TOTAL / 3
    assert steps[-1].startswith(f"step {TOTAL}/{TOTAL}")
    assert "\x1b" not in err
    assert "\r" not in err
    assert [line for line in err.splitlines() if "..." in line] == ["reading...", "compiling..."]
    assert "validation loss 1.5000" in err
    assert "[bold]a" in err


def test_bar_shows_loss_and_speed_and_replaces_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    output = Output()
    output.__dict__["stderr"] = Console(
        file=screen,
        force_terminal=True,
        width=100,
        markup=False,
        highlight=False,
        emoji=False,
        color_system=None,
    )
    monkeypatch.setattr(progress_bar, "_REDRAW_INTERVAL_S", 0.0)
    view = LiveBar(output)
    with view:
        for event in a_stream():
            view.show(event)
        with view.suspended():
            screen.write("[the menu]")
        view.show(a_step(TOTAL - 1))
    drawn = screen.getvalue()
    assert f"step 9/{TOTAL}  loss 2.500  12.3k tok/s  1:05 left  until " in drawn
    assert "val 1.500" in drawn.split("[the menu]")[1]
    assert "upon␛]0;x␇ [bold]a" in drawn
    assert "\x1b[2J" not in drawn


def test_every_kind_of_event_can_be_shown_by_every_view(capsys: pytest.CaptureFixture[str]) -> None:
    events_shown = len(list(a_stream()))
    for view, is_silent in ((SilentView(), True), (PlainLines(Output()), False), (LiveBar(Output()), False)):
        shown_by(view, a_stream())
        out, err = capsys.readouterr()
        assert out == "" and (err == "") == is_silent
    shown_by(JsonLines(), a_stream())
    assert len(capsys.readouterr().out.splitlines()) == events_shown


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_step_with_values_not_finite_is_shown(capsys: pytest.CaptureFixture[str], value: float) -> None:
    step = a_step(1, loss=value, tokens_per_second=value, elapsed_s=value, eta_s=value)
    shown_by(PlainLines(Output()), iter([step]))
    assert "loss not finite  - tokens/s  unknown time left" in capsys.readouterr().err


def test_resumed_run_shows_its_start_step() -> None:
    fields: dict[str, Any] = {
        "run": "a", "architecture": "looped", "parameters": 1, "embedding_parameters": 1, "vocab_size": 1,
        "context_length": 1, "batch_size": 1, "device": "cpu", "number_format": "float32", "compiled": False,
        "threads": 1, "total_steps": 9, "train_tokens": 1, "validation_tokens": 1,
    }  # fmt: skip
    assert event_lines(events.RunStarted(**fields, start_step=0)) == []
    assert event_lines(events.RunStarted(**fields, start_step=4)) == ["Going on from step 4 of 9."]


@pytest.mark.parametrize(
    ("prompt", "text", "lines"),
    [
        ("the owl", " sees\n  the hen \n\n", ["Sample, step 4: the owl sees", "    the hen"]),
        ("the owl", "   \n \n", ["Sample, step 4: the owl (nothing but blanks)"]),
        ("", "\n\n", ["Sample, step 4: (nothing but blanks)"]),
        ("w" * 50 + "\nx", "a", [f"Sample, step 4: ...{'w' * 38} xa"]),
    ],
)
def test_blank_sample_is_described(prompt: str, text: str, lines: list[str]) -> None:
    assert event_lines(events.SampleGenerated(step=4, prompt=prompt, text=text)) == ["", *lines, ""]


@pytest.mark.parametrize(
    ("form", "kind"), [(Form.JSON, JsonLines), (Form.QUIET, WarningsOnly), (Form.HUMAN, PlainLines)]
)
def test_the_view_fits_the_form(form: Form, kind: type) -> None:
    assert type(progress_view(Output(form))) is kind


def test_a_terminal_gets_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "stderr_is_terminal", lambda: True)
    assert type(progress_view(Output())) is LiveBar


def test_a_warning_is_shown_even_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    view = progress_view(Output(Form.QUIET))
    view.show(events.NoticeGiven(message="3 lines were lost.", is_warning=True))
    view.show(events.NoticeGiven(message="The text is short."))
    captured = capsys.readouterr()
    assert captured.err == "warning: 3 lines were lost.\n" and captured.out == ""
