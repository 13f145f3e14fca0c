"""Following a log: the same history as reading it whole, whatever happens to it meanwhile."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import RunError
from models.runs import event_log, history, live_progress
from models.runs.control_requests import CONTROL_FOLDER
from models.runs.event_json import to_json
from models.runs.event_log import LineAppender, append_event
from models.runs.events import EvaluationAdvanced, Event, NoticeGiven, PreparationAdvanced, RolledBack
from models.runs.follow import Follower
from models.runs.run import Run
from tests.models.runs.example_config import CREATED
from tests.models.runs.example_events import evaluation, finished, paused, started, step

BACK_TO_1 = RolledBack(step=9, to_step=1, learning_rate_scale=0.5)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return new_run(tmp_path)


def new_run(folder: Path) -> Run:
    made = Run.create("owl", folder)
    made.save_config(CREATED)
    return made


def write(run: Run, events: Sequence[Event]) -> None:
    with LineAppender(run.events_path) as log:
        for event in events:
            append_event(log, event)


def content(history: history.History) -> dict[str, Any]:
    return {"steps": history.steps, "phase": history.phase, **vars(history), "_points": None}


def test_a_log_is_folded_as_it_grows(run: Run) -> None:
    follower = Follower(run.path)
    assert follower.poll() == [] and follower.history.phase == "new"
    first = [started(), step(1), step(2), step(3)]
    write(run, first)
    assert follower.poll() == first and follower.history.step == 3
    more = [
        RolledBack(step=3, to_step=1, learning_rate_scale=0.5),
        step(2, 1.5),
        paused(2),
        started(2),
        step(3),
    ]
    write(run, more)
    assert follower.poll() == more and follower.poll() == []
    assert content(follower.history) == content(run.history())
    assert follower.restarts == 0


def test_a_torn_line_waits_for_its_end(run: Run) -> None:
    follower = Follower(run.path)
    line = to_json(step(1))
    run.events_path.write_text(line[:40])
    assert follower.poll() == []
    run.events_path.write_text(line)
    assert follower.poll() == []
    run.events_path.write_text(line + "\n")
    assert [event.step for event in follower.poll()] == [1]


def test_a_replaced_log_gives_a_new_history(run: Run) -> None:
    follower = Follower(run.path)
    write(run, [started(), step(1), step(2), NoticeGiven(message="old")])
    follower.poll()
    run.events_path.unlink()
    write(run, [started(), step(1)])
    assert len(follower.poll()) == 2
    assert (follower.history.step, follower.history.notices, follower.restarts) == (1, [], 1)


def test_a_run_that_disappears_is_an_error(run: Run) -> None:
    follower = Follower(run.path)
    write(run, [started()])
    follower.poll()
    shutil.rmtree(run.path)
    with pytest.raises(RunError, match="Run 'owl' is no longer there"):
        follower.poll()
    with pytest.raises(RunError):
        Follower(run.path)


def test_a_log_that_is_a_link_is_an_error(run: Run, tmp_path: Path) -> None:
    follower = Follower(run.path)
    (tmp_path / "other").write_text(to_json(step(1)) + "\n")
    run.events_path.symlink_to(tmp_path / "other")
    with pytest.raises(RunError, match="cannot be read"):
        follower.poll()


steps = st.lists(st.integers(1, 60), max_size=40).map(
    lambda found: [step(number) for number in sorted(found)]
)
others = st.sampled_from([started(), started(5), paused(4), finished(), evaluation(2.0, 7), BACK_TO_1])


@settings(max_examples=40)
@given(parts=st.lists(steps | others.map(lambda event: [event]), max_size=12), is_torn=st.booleans())
def test_what_is_left_out_of_a_long_log_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[Event]], is_torn: bool
) -> None:
    run = new_run(tmp_path_factory.mktemp("runs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "MAX_POINTS", 4)
        patch.setattr(event_log, "_PIECE", 2000)
        for part in parts:
            write(run, part)
            if is_torn:
                run.events_path.write_bytes(run.events_path.read_bytes()[:-9])
        follower = Follower(run.path)
        follower.poll()
        assert content(follower.history) == content(run.history())


def test_most_steps_of_a_long_log_are_left_out(run: Run) -> None:
    count = 20_000
    line = to_json(step(1)).replace('"step": 1,', '"step": {},')
    run.events_path.write_text(
        "".join(line.replace("{}", str(number)) + "\n" for number in range(1, count + 1))
    )
    follower = Follower(run.path)
    assert len(follower.poll()) < count / 2
    assert content(follower.history) == content(run.history())


def test_every_event_leaves_no_step_out(run: Run) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_log, "_PIECE", 2000)
        patch.setattr(history, "MAX_POINTS", 4)
        written = [started(), *(step(number) for number in range(1, 101))]
        write(run, written)
        assert list(Follower(run.path).every_event()) == written
        assert len(Follower(run.path).poll()) < 60


def test_progress_between_two_events_is_followed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_progress, "INTERVAL_S", 0.0)
    tokenizing = PreparationAdvanced(stage="tokenizing", done=1, total=3)

    def training() -> Iterator[Event]:
        yield tokenizing
        yield started()
        yield EvaluationAdvanced(step=0, done=1, total=2)

    follower = Follower(run.path)
    recorded = run.record(training())
    next(recorded)
    assert follower.poll() == [] and follower.history.progress == tokenizing
    assert follower.history.phase == "preparing"
    next(recorded)
    assert len(follower.poll()) == 1 and follower.history.progress is None
    assert not list((run.path / CONTROL_FOLDER).iterdir())
    evaluating = next(recorded)
    follower.poll()
    assert follower.history.progress == evaluating
    with run.lock():  # the next process removes what the last one left
        assert not list((run.path / CONTROL_FOLDER).iterdir())


def test_old_and_foreign_progress_is_ignored(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run, [started()])
    outside = tmp_path / "outside"
    outside.mkdir()
    (run.path / CONTROL_FOLDER).mkdir()
    place = run.path / CONTROL_FOLDER / "progress"
    old = PreparationAdvanced(stage="compiling", done=1, total=3, time=1.0)
    for text in (to_json(old), to_json(step(1)), "{", "", " " * 10_000):
        place.write_text(text)
        follower = Follower(run.path)
        follower.poll()
        assert follower.history.progress is None
    place.unlink()
    place.parent.rmdir()
    place.parent.symlink_to(outside)
    monkeypatch.setattr(live_progress, "INTERVAL_S", 0.0)
    live_progress.ProgressFile(run.path).note(PreparationAdvanced(stage="compiling", done=1, total=3))
    assert not list(outside.iterdir())
