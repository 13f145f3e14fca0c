"""Requests to a training: by the process that runs it, and by another through the run's folder."""

from collections.abc import Callable, Generator
from types import SimpleNamespace

import pytest

from models.generation import samples
from models.runs import control_requests
from models.runs.control_requests import Request
from models.runs.events import (
    CheckpointSaved,
    EvaluationAdvanced,
    Event,
    NoticeGiven,
    PreparationAdvanced,
    RunFinished,
    RunPaused,
    SampleGenerated,
    StepFinished,
)
from models.runs.run import Run
from models.training import calibrate, learner, text_data
from models.training import control as control_module
from models.training.control import Control, until_paused
from models.training.trainer import train

NewRun = Callable[..., Run]
AT_STEP = 3


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that moves where a test moves it."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(control_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def train_with_request(run: Run, kind: Request, prompt: str = "") -> list[Event]:
    """Train a run to its end, with a request in its folder after step 3."""
    events = []
    for event in run.record(train(run)):  # training holds the lock, which a request needs
        events.append(event)
        if isinstance(event, StepFinished) and event.step == AT_STEP:
            control_requests.request(run, kind, prompt)
    return events


@pytest.fixture
def poll_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "POLL_S", 0.0)


def folder_of(run: Run) -> list[str]:
    return [path.name for path in (run.path / control_requests.CONTROL_FOLDER).iterdir()]


def test_a_requested_pause_saves_and_pauses(new_run: NewRun, poll_always: None) -> None:
    run = new_run(evaluations=1)
    *_, saved, paused = train_with_request(run, "pause")
    assert isinstance(saved, CheckpointSaved) and (saved.step, saved.reason) == (AT_STEP, "pause")
    assert isinstance(paused, RunPaused) and (paused.step, paused.total_steps) == (AT_STEP, 12)
    assert folder_of(run) == []
    last = list(run.record(train(run)))[-1]
    assert isinstance(last, RunFinished) and last.step == 12


def test_a_requested_stop_finishes_with_the_best_weights(new_run: NewRun, poll_always: None) -> None:
    run = new_run(evaluations=1)
    last = train_with_request(run, "stop")[-1]
    assert isinstance(last, RunFinished)
    assert (last.reason, last.step, last.best_step) == ("stopped", AT_STEP, AT_STEP)
    assert folder_of(run) == []


@pytest.mark.parametrize("kind", ["text", "messages"])
def test_a_requested_sample_continues_the_prompt_of_the_request(
    new_run: NewRun, poll_always: None, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    open_task = text_data.open_task

    def open_as(*arguments):
        task, config = yield from open_task(*arguments)
        task.kind = kind
        return task, config

    monkeypatch.setattr(text_data, "open_task", open_as)
    run = new_run(evaluations=1, samples=1)
    events = train_with_request(run, "sample", "The owl ")
    samples = [event for event in events if isinstance(event, SampleGenerated)]
    assert [(one.step, one.prompt == "The owl ") for one in samples] == [(AT_STEP, True), (12, False)]


def test_a_requested_save_saves_once_and_goes_on(new_run: NewRun, poll_always: None) -> None:
    run = new_run(evaluations=1)
    events = train_with_request(run, "save")
    saved = [event for event in events if isinstance(event, CheckpointSaved)]
    assert [event.step for event in saved if event.reason == "request"] == [AT_STEP]
    last = events[-1]
    assert isinstance(last, RunFinished) and last.step == 12 and folder_of(run) == []


def test_a_requested_sample_is_written_once_and_the_training_goes_on(
    new_run: NewRun, poll_always: None
) -> None:
    run = new_run(evaluations=1, samples=0)
    events = train_with_request(run, "sample")
    samples = [event for event in events if isinstance(event, SampleGenerated)]
    assert [event.step for event in samples] == [AT_STEP]
    last = events[-1]
    assert isinstance(last, RunFinished) and last.step == 12 and folder_of(run) == []


def is_preparing(stage: str) -> Callable[[Event, list[Event]], bool]:
    return lambda event, before: isinstance(event, PreparationAdvanced) and event.stage == stage


def is_evaluating(event: Event, before: list[Event]) -> bool:
    return isinstance(event, EvaluationAdvanced) and event.total != samples.SAMPLE.max_tokens


def is_sampling(event: Event, before: list[Event]) -> bool:
    return isinstance(event, EvaluationAdvanced) and event.total == samples.SAMPLE.max_tokens


def is_at_the_end(event: Event, before: list[Event]) -> bool:
    return is_evaluating(event, before) and any(
        isinstance(one, CheckpointSaved) and one.reason == "final" for one in before
    )


PLACES = {
    **{stage: is_preparing(stage) for stage in ("tokenizing", "measuring", "compiling")},
    "evaluation": is_evaluating,
    "sampling": is_sampling,
    "last evaluation": is_at_the_end,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_pause_is_honoured_in_everything_that_takes_long(
    new_run: NewRun,
    poll_always: None,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    monkeypatch.setattr(samples, "TOLD_EVERY_S", 0.0)
    monkeypatch.setattr(calibrate, "compiler_problem", lambda device: None)
    for module in (calibrate, learner):  # compiles nothing
        monkeypatch.setattr(module, "compile_blocks", lambda model: None)
    run, events = new_run(evaluations=2, samples=2, calibrated=False, compile="yes"), list[Event]()
    after = None
    for event in run.record(train(run)):
        events.append(event)
        if after is None and PLACES[place](event, events):
            control_requests.request(run, "pause")
            after = len(events)
    *between, paused = events[after:]
    assert after is not None and isinstance(paused, RunPaused)
    assert all(isinstance(one, CheckpointSaved) and one.reason == "pause" for one in between), between
    assert folder_of(run) == []
    more = list(run.record(train(run)))
    assert isinstance(more[-1], RunFinished)
    steps = [event.step for event in events + more if isinstance(event, StepFinished)]
    assert steps == list(range(1, 13))


def test_a_save_and_a_stop_that_come_within_long_work_follow_it(
    new_run: NewRun, poll_always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "TOLD_EVERY_S", 0.0)
    run, events = new_run(evaluations=2, samples=2), list[Event]()
    coming: list[tuple[Request, str]] = [("save", "tokenizing"), ("stop", "sampling")]
    for event in run.record(train(run)):
        events.append(event)
        if coming and PLACES[coming[0][1]](event, events):
            control_requests.request(run, coming.pop(0)[0])
    assert coming == folder_of(run) == []
    saved = [(event.step, event.reason) for event in events if isinstance(event, CheckpointSaved)]
    assert saved == [(0, "interval"), (6, "final")]
    last = events[-1]
    assert isinstance(last, RunFinished) and (last.reason, last.step) == ("stopped", 6)


def test_a_request_from_before_the_training_does_nothing(new_run: NewRun, poll_always: None) -> None:
    run = new_run(steps=3)
    with run.lock():
        control_requests.request(run, "pause")
    assert isinstance(list(train(run))[-1], RunFinished)


def test_the_folder_is_looked_at_twice_a_second(new_run: NewRun, clock: SimpleNamespace) -> None:
    run, control = new_run(), Control()
    with run.lock():
        control.listen(run)
        assert not control.wants("pause")
        control_requests.request(run, "pause")
        clock.now += 0.4
        assert not control.wants("pause")
        clock.now += 0.2
        assert control.wants("pause") and folder_of(run) == []


def test_going_on_withdraws_a_pause_and_a_stop_but_not_a_save() -> None:
    control = Control()
    control.pause()
    control.stop()
    control.save()
    control.interrupted = True
    control.go_on()
    assert not control.interrupted
    assert [control.wants(kind) for kind in ("pause", "stop", "save")] == [False, False, True]
    control.done("save")
    assert not control.wants("save")


def test_the_clock_of_a_training_stands_still_while_its_user_is_asked(clock: SimpleNamespace) -> None:
    control = Control()
    before = control.now()
    clock.now += 5.0
    with pytest.raises(KeyboardInterrupt), control.waiting():
        clock.now += 70.0
        raise KeyboardInterrupt
    clock.now += 1.0
    assert control.now() - before == pytest.approx(6.0)


def work(closed: list[str]) -> Generator[Event, None, int]:
    try:
        yield NoticeGiven(message="one")
        yield PreparationAdvanced(stage="reading", done=1, total=2)
        yield EvaluationAdvanced(step=0, done=1, total=2)
        return 7
    finally:
        closed.append("closed")


@pytest.mark.parametrize(("pause_after", "passed_on"), [(0, 2), (1, 2), (2, 3)])
def test_work_is_left_at_the_next_event_that_tells_progress(pause_after: int, passed_on: int) -> None:
    control, closed, events, outcome = Control(), list[str](), 0, list[int | None]()

    def remembered() -> Generator[Event, None, None]:
        outcome.append((yield from until_paused(work(closed), control)))

    for number, _ in enumerate(remembered()):
        events += 1
        if number == pause_after:
            control.pause()
    assert (events, outcome, closed) == (passed_on, [None], ["closed"])


def test_work_that_is_not_paused_returns_its_outcome() -> None:
    outcome: list[int | None] = []

    def remembered() -> Generator[Event, None, None]:
        outcome.append((yield from until_paused(work([]), Control())))

    assert len(list(remembered())) == 3 and outcome == [7]
