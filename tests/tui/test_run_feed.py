"""What the dashboard shows of a run, without a screen."""

import contextlib
import math
import os
import time
from typing import get_args

import pytest

from models.errors import RunError
from models.runs.event_json import to_json
from models.runs.events import EvaluationAdvanced, NoticeGiven, PreparationAdvanced, RunFailed, StepSkipped
from models.runs.run import Run
from tests.models.runs.example_config import CREATED, WITH_TEXT
from tests.models.runs.example_events import evaluation, finished, paused, started, step
from tests.tui.conftest import steps
from tui.chart_view import Dials
from tui.run_charts import ChartName, chart_of_view
from tui.run_feed import MAX_LINES, RunFeed, RunView
from tui.run_list import RunList
from tui.run_words import figures, losses_by_mode, progress_words, share


def add(run: Run, *events) -> None:
    with run.events_path.open("a", encoding="utf-8") as log:
        log.write("".join(to_json(event) + "\n" for event in events))


def view(run: Run) -> RunView:
    found = RunFeed(run.path).poll()
    assert found is not None
    return found


def test_a_view_comes_when_the_log_or_the_lock_has_changed(record) -> None:
    run = record("owl", [started(), *steps(30)])
    feed = RunFeed(run.path)
    first = feed.poll()
    assert first is not None and (first.state, first.step) == ("killed", 30) and feed.poll() is None
    with run.lock():
        taken = feed.poll()
        assert taken is not None and taken.state == "training" and feed.poll() is None
        add(run, step(31))
        assert feed.poll().step == 31  # type: ignore[union-attr]
    add(run, paused(31))
    assert feed.poll().state == "paused"  # type: ignore[union-attr]
    assert first.step == 30, "a view does not change"


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], "created"),
        ([started(), *steps(10), paused(10)], "paused"),
        ([started(), *steps(10), RunFailed(kind="X", message="No.")], "failed"),
        ([started(), *steps(10), finished()], "finished"),
    ],
)
def test_the_state_of_an_idle_run_is_how_its_log_ends(record, events, state: str) -> None:
    run = record("owl", events, WITH_TEXT if events else CREATED)
    run.weights_path.write_bytes((2).to_bytes(8, "little") + b"{}")
    assert view(run).state == state


@pytest.mark.parametrize("is_locked", [False, True])
@pytest.mark.parametrize("config", [CREATED, WITH_TEXT])
@pytest.mark.parametrize(
    "events",
    [
        [],
        [started()],
        [started(), RunFailed(kind="X", message="No.")],
        [started(), *steps(10)],
        [started(), *steps(10), paused(10)],
        [started(), *steps(10), finished()],
    ],
)
def test_the_list_and_the_dashboard_agree_on_the_state(record, events, config, is_locked: bool) -> None:
    run = record("owl", events, config)
    with run.lock() if is_locked else contextlib.nullcontext():
        (row,) = RunList(run.path.parent).read()
        assert view(run).state == row.state
        if not is_locked and config is WITH_TEXT and not events:
            assert row.state == "paused"


def test_a_run_that_is_taken_and_has_no_new_step_prepares(record) -> None:
    run = record("owl", [started(), *steps(10), paused(10)])
    with run.lock():
        assert view(run).state == "preparing"
        assert progress_words(view(run)) == "step 10 of 100, preparing"


def test_what_a_training_is_at_between_two_steps_is_told_as_it_goes_on(record) -> None:
    run = record("owl", [started(), *steps(10, eta_s=90.0)])
    feed, path = RunFeed(run.path), run.path / "control" / "progress"
    path.parent.mkdir()
    said = []
    with run.lock():
        for event in (
            PreparationAdvanced(stage="compiling", done=0, total=0),
            EvaluationAdvanced(step=10, done=1, total=4),
            EvaluationAdvanced(step=10, done=2, total=4),
        ):
            path.write_text(to_json(event), encoding="utf-8")
            seen = feed.poll()
            assert seen is not None
            said.append((progress_words(seen), progress_words(seen, short=True)))
        assert feed.poll() is None
    assert [words for words, _ in said] == [f"step 10 of 100, {stage}" for _, stage in said]
    assert [stage for _, stage in said] == ["compiling", "evaluating 25%", "evaluating 50%"]
    idle = feed.poll()
    assert idle is not None and progress_words(idle) == "step 10 of 100"


def test_an_error_that_the_log_could_not_take_is_told_by_what_the_process_printed(record) -> None:
    run = record("owl", [started(), *steps(10)])
    output = run.path / "detached.log"
    feed, runs = RunFeed(run.path), RunList(run.path.parent)
    output.write_text("error: of an earlier training\n", encoding="utf-8")
    os.utime(output, (1, 1))
    assert feed.poll().state == runs.read()[0].state == "killed"  # type: ignore[union-attr]
    output.write_text("step 9\nerror: The disk is full.\nFree some space.\n", encoding="utf-8")
    seen, (row,) = feed.poll(), runs.read()
    assert seen is not None and seen.state == row.state == "failed" and feed.poll() is None
    assert seen.failure == row.summary.failure
    assert (seen.failure.message, seen.failure.hint) == ("The disk is full.", "Free some space.")
    assert "disk is full" in seen.log[-1].text and seen.log[-1].level == "error"
    with run.lock():
        again = feed.poll()
        assert again is not None and again.is_busy and again.failure is None


def test_a_replaced_log_is_read_anew_and_a_lost_run_is_an_error(record) -> None:
    run = record("owl", [started(), *steps(30), NoticeGiven(message="old")])
    feed = RunFeed(run.path)
    assert "old" in [line.text for line in feed.poll().log]  # type: ignore[union-attr]
    run.events_path.write_text(to_json(step(1, time=5.0)) + "\n", encoding="utf-8")
    again = feed.poll()
    assert again is not None and (again.step, again.log) == (1, ())
    run.events_path.unlink()
    run.config_path.unlink()
    with pytest.raises(RunError):
        feed.poll()
        feed.poll()


def test_the_log_has_its_levels_and_stays_short(record) -> None:
    skipped = StepSkipped(step=3, loss=math.inf, gradient_norm=1.0, reason="no number")
    run = record("owl", [NoticeGiven(message="n", is_warning=True), skipped, evaluation(2.0), finished()])
    assert [line.level for line in view(run).log] == ["warning", "warning", "good", "good"]
    add(run, *(NoticeGiven(message=str(number)) for number in range(MAX_LINES + 50)))
    assert len(view(run).log) == MAX_LINES


def test_figures_and_progress_say_when_the_training_ends(record) -> None:
    now = time.time()
    run = record("owl", [started(), *steps(20, time=now, eta_s=90.0)])
    with run.lock():
        live = view(run)
    rows = dict(figures(live))
    assert rows["best"] == "3.7000 at 20" and rows["validation"] == "3.7000" and rows["rate"] == "1.00e-03"
    assert progress_words(live, now + 30).startswith("step 20 of 100  1:00 left, until ")
    assert progress_words(live, now + 30, short=True) == "1:00 left" and share(live) == 0.2
    assert losses_by_mode(live) == []
    add(run, finished())
    assert losses_by_mode(view(run)) == [("fast", "1.6000")]
    assert dict(figures(view(run)))["best"] == "1.4000 at 90", "as the list of runs has it"


@pytest.mark.parametrize("name", get_args(ChartName))
@pytest.mark.parametrize("axis", ["step", "tokens", "time"])
def test_every_chart_has_its_curve_on_every_axis(record, name, axis) -> None:
    depths = ("1x1", "2x1", "3x2")
    events = [
        step(n, 3.0 - n / 100, depth=depths[n % 3], tokens_seen=8 * n, elapsed_s=n / 2, passes_per_token=2.0)
        for n in range(1, 99)
    ]
    run = record("owl", [*events, evaluation(2.0, 50)])
    chart = chart_of_view(view(run), name, Dials(axis=axis, log=True))
    assert chart is not None and chart.series and not chart.x.log and chart.y.log
    names = [series.name for series in chart.series]
    if name == "modes":
        assert names == ["1 cycle (fast)", "2 cycles (normal)", "3 cycles (deep)"]
    if name == "loss":
        assert names == ["training, smoothed", "validation", "best"]


def test_values_that_are_not_finite_do_not_break_a_chart(record) -> None:
    run = record("owl", [step(1), step(2, gradient_norm=math.nan), step(3, loss=math.nan), step(4)])
    for name in ("loss", "gradient", "modes"):
        chart = chart_of_view(view(run), name, Dials())
        assert chart is not None and chart.series
