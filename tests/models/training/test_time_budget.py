"""How many steps fit into the minutes, planned and planned again, on a clock that a test moves."""

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.architectures import build_model, model_config
from models.config import TrainingConfig
from models.depth import Depth
from models.losses import LossParts
from models.planning.extend import extend
from models.runs.events import RunFinished, RunPaused, SchedulePlanned, StepFinished
from models.runs.run import Run
from models.runs.run_config import Calibration
from models.training import control as control_module
from models.training import session as session_module
from models.training.control import Control
from models.training.length import Length
from models.training.open import open_session
from models.training.session import Session
from models.training.time_budget import MIN_STEPS, TimeBudget, is_worth_replanning
from models.training.trainer import train, training_loop
from tests.models.training.sessions import session_of

NewRun = Callable[..., Run]
QUIET = {"evaluations": 0, "samples": 0}
SHALLOW_S, DEEP_S = 1.0, 3.0


def budget_of(architecture: str = "looped", deadline: float | None = 100.0, **training: Any) -> TimeBudget:
    shape = {"d_model": 16, "n_heads": 2, "vocab_size": 11, "context_length": 8, "ngram": 1}
    model = build_model(model_config({"architecture": architecture, **shape}))
    calibration = Calibration(
        device="cpu",
        number_format="float32",
        compiled=False,
        threads=1,
        micro_batch=4,
        shallow_step_s=SHALLOW_S,
        deep_step_s=DEEP_S,
    )
    config = TrainingConfig(batch_size=4, **training)
    budget = TimeBudget(model, config, calibration, Length(minutes=100 / 60, deadline=deadline))
    budget.save_s = 0.0
    return budget


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still until a test moves it."""
    clock = SimpleNamespace(now=1000.0)
    fake = SimpleNamespace(monotonic=lambda: clock.now)
    for module in (control_module, session_module):
        monkeypatch.setattr(module, "time", fake)
    return clock


@pytest.fixture
def slow_disk(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A disk on which a checkpoint takes 2 seconds; when each was begun."""
    saved, save_checkpoint = [], session_module.save_checkpoint

    def save(*arguments: Any, **settings: Any) -> Any:
        saved.append(clock.now - 1000.0)
        clock.now += 2.0
        return save_checkpoint(*arguments, **settings)

    monkeypatch.setattr(session_module, "save_checkpoint", save)
    return saved


@pytest.fixture
def timed_session(
    new_run: NewRun, changed_calibration: NewRun, clock: SimpleNamespace
) -> Callable[..., Session]:
    """`timed_session(2.0)`: a minute of training, whose steps take 2 seconds and were calibrated with 1."""

    def make(seconds: float) -> Session:
        run = new_run("owl", "transformer", minutes=1, **QUIET)
        session = session_of(changed_calibration(run, shallow_step_s=1.0, deep_step_s=1.0), Control())
        _take_steps_of(seconds, session, clock)
        return session

    return make


def _take_steps_of(seconds: float, session: Session, clock: SimpleNamespace) -> None:
    """Let each step of `session` take so long."""
    training_loss = session.model.training_loss

    def slow(*arguments: Any) -> LossParts:
        clock.now += seconds
        return training_loss(*arguments)

    session.model.training_loss = slow  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0, 4.0])
def test_a_training_ends_in_time_however_fast_the_machine_is(
    timed_session: Callable[..., Session], clock: SimpleNamespace, seconds: float
) -> None:
    session = timed_session(seconds)
    planned, deadline = session.schedule.last_step, session.time_budget.deadline
    assert deadline == 1060.0 and 50 <= planned < 60
    events = list(training_loop(session))
    last = events[-1]
    assert isinstance(last, RunFinished) and last.reason == "time"
    assert 55 - 2 * seconds <= clock.now - 1000.0 <= 60  # 5 seconds are kept for the end
    assert last.step == pytest.approx(planned / seconds, rel=0.1)
    replanned = [event for event in events if isinstance(event, SchedulePlanned)]
    assert bool(replanned) == (seconds != 1.0)
    assert not replanned or replanned[-1].total_steps == last.step
    word = "slower" if seconds > 1 else "faster"
    said = [event for event in replanned if event.instead_of]
    totals = [planned, *(event.total_steps for event in said)]
    assert [event.instead_of for event in said] == totals[:-1] and bool(said) == bool(replanned)
    assert not said or said[0].reason == f"the machine has become {word}"
    assert not replanned or replanned[-1].seconds_per_step == pytest.approx(seconds, rel=0.1)


@pytest.mark.parametrize("seconds", [0.5, 2.0, 4.0])
def test_a_pause_keeps_the_minutes_that_are_left(
    timed_session: Callable[..., Session], clock: SimpleNamespace, seconds: float
) -> None:
    """Of a minute, a pause after ten steps; a day later the training goes on, and takes the rest of it."""
    session = timed_session(seconds)
    for event in training_loop(session):
        if isinstance(event, StepFinished) and event.step == 10:
            session.control.pause()
    assert isinstance(event, RunPaused)
    trained_s = clock.now - 1000.0
    clock.now += 86_400
    later = session_of(session.run, Control())
    assert later.schedule == session.schedule, "a pause alone changes no plan"
    assert later.time_budget.deadline == pytest.approx(clock.now + 60 - trained_s)
    _take_steps_of(seconds, later, clock)
    last = list(training_loop(later))[-1]
    assert isinstance(last, RunFinished) and last.reason == "time"
    assert 55 - 2 * seconds <= clock.now - 86_400 - 1000.0 <= 60


def test_processes_that_start_again_have_the_minutes_that_are_left(
    timed_session: Callable[..., Session], clock: SimpleNamespace
) -> None:
    """They are told when the first ones began. What passed until the checkpoint counts once."""
    session = timed_session(1.0)
    for event in training_loop(session):
        if isinstance(event, StepFinished) and event.step == 40:
            session.control.pause()
    left_s = 60 - (clock.now - 1000.0)
    clock.now += 5  # until the failure
    again = session_of(session.run, Control(began=1000.0))
    assert again.time_budget.deadline == pytest.approx(clock.now + left_s)


def test_the_minutes_of_more_training_are_kept_too(
    new_run: NewRun, changed_calibration: NewRun, clock: SimpleNamespace
) -> None:
    run = new_run("owl", "transformer", steps=2, **QUIET)
    for _ in run.record(train(run)):
        pass
    extend(run, minutes=1)
    session = session_of(changed_calibration(run, shallow_step_s=1.0, deep_step_s=1.0), Control())
    _take_steps_of(1.0, session, clock)
    for event in training_loop(session):
        if isinstance(event, StepFinished) and event.step == 22:
            session.control.pause()
    later = session_of(run, Control())
    assert later.time_budget.deadline == clock.now + 40 and later.time_budget.max_step is None
    assert later.schedule == session.schedule


def test_a_training_in_steps_has_no_deadline_after_a_pause(new_run: NewRun, clock: SimpleNamespace) -> None:
    session = session_of(new_run("owl", "transformer", steps=5, **QUIET), Control())
    for event in training_loop(session):
        if isinstance(event, StepFinished) and event.step == 2:
            session.control.pause()
    assert session.snapshot().state.seconds_left is None
    assert session_of(session.run, Control()).time_budget.deadline is None


@pytest.mark.parametrize(
    ("calibrated", "first", "others", "evaluations"),
    [(8.0, 8.0, 2.0, 10), (2.0, 60.0, 1.0, 0)],
)
def test_a_slow_first_step_does_not_end_a_training_early(
    new_run: NewRun,
    changed_calibration: NewRun,
    clock: SimpleNamespace,
    calibrated: float,
    first: float,
    others: float,
    evaluations: int,
) -> None:
    run = new_run("owl", "transformer", minutes=2, evaluations=evaluations, samples=0)
    run = changed_calibration(run, shallow_step_s=calibrated, deep_step_s=calibrated)
    session = session_of(run, Control())
    training_loss = session.model.training_loss

    def slow_at_first(*arguments: Any) -> LossParts:
        clock.now += others if session.counters.step else first
        return training_loss(*arguments)

    session.model.training_loss = slow_at_first  # type: ignore[method-assign,assignment]
    last = list(training_loop(session))[-1]
    assert isinstance(last, RunFinished) and last.reason == "time"
    assert 105 <= clock.now - 1000.0 <= 120


def test_a_training_goes_on_where_more_than_a_little_time_is_left() -> None:
    budget = budget_of("transformer", deadline=200.0)  # 100 seconds, from 100 on
    budget.config = replace(budget.config, evaluations=0)
    assert budget.spare_steps(10, now=194.0, reserve_s=0.0) == 6
    assert budget.spare_steps(10, now=194.0, reserve_s=2.0) == 0  # 4 seconds are little
    assert budget.spare_steps(10, now=210.0, reserve_s=0.0) == 0
    budget.max_step = 10
    assert budget.spare_steps(10, now=150.0, reserve_s=0.0) == 0


def test_a_new_plan_is_explained_by_the_plan_it_replaces() -> None:
    budget = budget_of("transformer")
    plans = [(400, None), (492, 400), (471, 492), (300, 471), (350, 300), (392, 350)]
    found = [budget.planned(1, last, 0.1, before) for last, before in plans]
    words = ["", "faster", "slower", "slower", "faster", "faster"]
    assert [plan.reason.removeprefix("the machine has become ") for plan in found] == words
    assert [plan.instead_of for plan in found] == [0, 0, 0, 400, 0, 300]


def test_minutes_that_are_too_few_blame_no_machine(new_run: NewRun, clock: SimpleNamespace) -> None:
    """A new training has a few steps planned in any case. The next plan has only those that fit."""
    session = session_of(new_run("owl", minutes=0.001, samples=0), Control())
    assert session.schedule.last_step == MIN_STEPS
    _take_steps_of(1.0, session, clock)
    events = list(training_loop(session))
    plans = [event for event in events if isinstance(event, SchedulePlanned)]
    assert plans and {plan.reason for plan in plans} == {"no more fit into the time"}
    assert isinstance(events[-1], RunFinished) and events[-1].step < MIN_STEPS


def test_a_machine_that_is_faster_than_it_seemed_is_said_to_be_so() -> None:
    budget = budget_of(deadline=200.0)
    assert budget.steps_left(0.0, 0, now=199.9, reserve_s=0.0) == MIN_STEPS
    budget.planned(0, MIN_STEPS, 0.0)
    assert budget.planned(1, 30, 0.1, before=MIN_STEPS).reason == "the machine has become faster"
    assert budget.planned(2, 5, 0.2, before=30).reason == "no more fit into the time"


def test_what_is_kept_for_evaluations_leaves_time_for_steps() -> None:
    budget = budget_of("transformer")
    assert budget.on_the_way_s(10.0, progress=0.5, left_s=80.0) == 5.0
    assert budget.on_the_way_s(1000.0, progress=0.5, left_s=80.0) == 20.0
    assert budget.on_the_way_s(1000.0, progress=0.5, left_s=-1.0) == 0.0
    assert budget.on_the_way_s(10.0, progress=1.0, left_s=80.0) == 1.0, "one of ten follows the last step"


def test_slow_checkpoints_are_rare_and_in_the_plan(
    new_run: NewRun, changed_calibration: NewRun, slow_disk: list[float], clock: SimpleNamespace
) -> None:
    run = new_run("owl", "transformer", minutes=5, checkpoint_minutes=0.05, evaluations=10, samples=0)
    session = session_of(changed_calibration(run, shallow_step_s=1.0, deep_step_s=1.0))
    _take_steps_of(1.0, session, clock)
    last = list(training_loop(session))[-1]
    assert isinstance(last, RunFinished) and clock.now <= 1300.0
    first, *on_the_way, final = slow_disk
    assert first == 0.0 and final > 280
    assert [round(at) for at in on_the_way] == [102, 204]  # 2 seconds in 102


def test_time_in_which_a_user_is_asked_changes_no_plan(
    timed_session: Callable[..., Session], clock: SimpleNamespace
) -> None:
    session = timed_session(1.0)
    planned, events = session.schedule.last_step, []
    for event in training_loop(session):
        events.append(event)
        if isinstance(event, StepFinished) and event.step == 20:
            with session.control.waiting():
                clock.now += 10_000.0
    last = events[-1]
    assert isinstance(last, RunFinished) and last.step == planned
    assert not any(isinstance(event, SchedulePlanned) for event in events)


def test_the_wait_before_a_training_counts(new_run: NewRun, clock: SimpleNamespace) -> None:
    steps = []
    for name, began in (("now", 1000.0), ("earlier", 970.0)):
        run = new_run(name, "transformer", minutes=1, **QUIET)
        session = session_of(run, Control(began=began))
        steps.append(session.schedule.last_step)
        assert session.time_budget.deadline == began + 60
    assert steps[0] - steps[1] == pytest.approx(30 / 0.01, rel=0.01)  # a step takes 0.01 seconds


def test_minutes_become_steps_when_a_training_is_opened(new_run: NewRun, clock: SimpleNamespace) -> None:
    run = new_run("owl", "transformer", minutes=0.001, **QUIET)
    (planned,) = (event for event in open_session(run, Control()) if isinstance(event, SchedulePlanned))
    # Too few seconds for any step, and a few are planned all the same.
    assert (planned.step, planned.total_steps, planned.seconds_per_step) == (0, MIN_STEPS, 0.01)


def test_a_step_that_takes_no_time_on_a_coarse_clock_has_a_speed(
    new_run: NewRun, clock: SimpleNamespace
) -> None:
    steps = [event for event in train(new_run(steps=2)) if isinstance(event, StepFinished)]
    assert len(steps) == 2 and all(0 < event.tokens_per_second < math.inf for event in steps)


@given(st.floats(0.01, 100), st.floats(0, 200), st.floats(0, 50))
def test_steps_fit_before_the_deadline(step_s: float, now: float, reserve_s: float) -> None:
    budget = budget_of("transformer")
    budget.slowdown = step_s / SHALLOW_S  # a transformer has one depth
    steps = budget.steps_left(0.5, 10, now, reserve_s)
    seconds = 100.0 - now - reserve_s
    assert steps == 1 or (steps * step_s <= seconds * (1 + 1e-9) and (steps + 1) * step_s > seconds)
    assert budget.steps_left(0.0, 0, now, reserve_s) == max(MIN_STEPS, steps)


def test_steps_end_where_the_text_was_read_often_enough() -> None:
    budget = budget_of("transformer")
    budget.max_step = 30
    assert budget.steps_left(0.5, 10, 0.0, 0.0) == 20
    assert budget.steps_left(0.5, 30, 0.0, 0.0) == 1  # a training under way takes at least one


def test_real_seconds_move_the_slowdown() -> None:
    budget = budget_of("transformer")
    budget.update()
    assert budget.slowdown == 1.0, "no step was taken"
    for _ in range(5):
        budget.count_step(Depth(1), 2 * SHALLOW_S)
    budget.update()
    assert budget.slowdown == pytest.approx(0.3 + 0.7 * 2)
    budget.update()
    assert budget.slowdown == pytest.approx(0.3 + 0.7 * 2), "each step counts once"


@pytest.mark.parametrize(("step_s", "steps", "slowdown"), [(0.1, 1, 1.43), (0.1, 20, 3.0), (2.0, 1, 2.4)])
def test_one_short_slow_step_changes_a_plan_less_than_seconds_of_them(
    step_s: float, steps: int, slowdown: float
) -> None:
    """Where a step takes three times as long as calibrated."""
    budget = budget_of()
    budget.calibration = replace(budget.calibration, shallow_step_s=step_s, deep_step_s=step_s)
    for _ in range(steps):
        budget.count_step(Depth(1), 3 * step_s)
        budget.update()
    assert budget.slowdown == pytest.approx(slowdown, rel=0.02)


@pytest.mark.parametrize(
    ("planned", "possible", "worth"), [(100, 103, False), (100, 104, True), (5, 7, False), (5, 2, True)]
)
def test_a_small_difference_is_not_worth_another_plan(planned: int, possible: int, worth: bool) -> None:
    assert is_worth_replanning(planned, possible) == worth


def test_shallow_first_steps_take_less_time() -> None:
    budget = budget_of(shallow_fraction=0.5, full_depth_prob=1.0)
    assert budget.mean_step_s(0.0) == pytest.approx((SHALLOW_S + DEEP_S) / 2)
    assert budget.mean_step_s(0.25) == pytest.approx(SHALLOW_S / 3 + DEEP_S * 2 / 3)
    assert budget.mean_step_s(0.5) == budget.mean_step_s(1.0) == pytest.approx(DEEP_S)


def test_steps_at_the_trained_depth_take_more_time() -> None:
    drawn, mixed, deepest = (budget_of(full_depth_prob=share).mean_step_s(0.0) for share in (0.0, 0.5, 1.0))
    assert SHALLOW_S < drawn < deepest == pytest.approx(DEEP_S)
    assert mixed == pytest.approx((drawn + deepest) / 2)


def test_minutes_read_a_text_no_more_often_than_configured(new_run: NewRun) -> None:
    run = new_run(minutes=10_000, max_epochs=0.5, **QUIET)
    opening, session = list(open_session(run, Control())), session_of(run)
    steps = round(0.5 * session.task.sampler.blocks_per_epoch / 4)
    (plan,) = (event for event in opening if isinstance(event, SchedulePlanned))
    assert plan.reason == "the text has been read 0.5 times by then"
    assert session.time_budget.max_step == session.schedule.last_step == steps > MIN_STEPS
    last = list(train(run))[-1]
    assert isinstance(last, RunFinished) and (last.step, last.reason) == (steps, "epochs")
    extend(run, minutes=10_000)
    longer = session_of(run)
    assert longer.time_budget.max_step is None and longer.schedule.last_step > 100 * steps
