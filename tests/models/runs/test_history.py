"""What is true now, folded out of logs with rollbacks, crashes, resumes and a second text."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.runs.events import (
    CorporaMeasured,
    CorpusStarted,
    EvaluationAdvanced,
    Event,
    ModelExpanded,
    NoticeGiven,
    PreparationAdvanced,
    RolledBack,
    RunFailed,
    SampleGenerated,
    SchedulePlanned,
)
from models.runs.history import MAX_POINTS, History
from models.runs.run import Run
from tests.models.runs.example_config import CREATED
from tests.models.runs.example_events import evaluation, finished, paused, started, step

BACK_TO_4 = RolledBack(step=9, to_step=4, learning_rate_scale=0.5)
FAILED = RunFailed(kind="StorageError", message="The disk is full.")


def history_of(events: Iterable[Event], since: float | None = None) -> History:
    history = History(since)
    for event in events:
        history.add(event)
    return history


def sample(number: int, text: str = "a") -> SampleGenerated:
    return SampleGenerated(step=number, prompt="", text=text)


def growth(number: int) -> ModelExpanded:
    return ModelExpanded(
        step=number,
        characters_seen=1,
        parameters_before=1,
        parameters=2,
        largest_logit_change=0.0,
        grown={"width": "1 -> 2"},
    )


def second_text(corpus: str = "russian") -> CorpusStarted:
    return CorpusStarted(
        corpus=corpus, known_corpora=1, replay_share=0.3, replay_reason="its script is new", vocab_size=99
    )


def test_nothing_is_known_before_the_first_event() -> None:
    history = History()
    assert (history.phase, history.step, history.total_steps) == ("new", 0, None)
    assert history.steps == history.evaluations == history.loss_curve() == []
    assert history.best is history.last_step is history.validation_loss is history.started is None


def test_a_training_without_trouble_is_all_there() -> None:
    planned = SchedulePlanned(step=0, total_steps=3, seconds_per_step=0.5)
    start = started(total_steps=3)
    events = [
        planned, start, step(1, 3.0), step(2, 2.5), evaluation(2.6, 2), sample(2), growth(2), step(3, 2.0),
        evaluation(2.4, 3), finished(2.3, step=3),
    ]  # fmt: skip
    history = history_of(events)
    assert history.loss_curve() == [(1, 3.0), (2, 2.5), (3, 2.0)]
    assert history.validation_curve() == [(2, 2.6), (3, 2.4)]
    assert (history.started, history.ended, history.phase) == (start, events[-1], "finished")
    assert (history.step, history.seconds_per_step) == (3, 0.5)
    assert history.validation_loss == 2.3
    assert [len(found) for found in (history.samples, history.growths)] == [1, 1]


@pytest.mark.parametrize(
    "way_back",
    [[BACK_TO_4], [started(4)], [FAILED, started(4)], [paused(4)], [paused(4), started(4)]],
    ids=["rollback", "crash", "failure", "pause", "pause and resume"],
)
def test_what_came_after_the_step_it_went_back_to_is_undone(way_back: list[Event]) -> None:
    before = [step(number) for number in range(1, 9)]
    during = [evaluation(2.5, 3), sample(3), growth(4), evaluation(1.5, 8), sample(8), growth(8)]
    history = history_of([started(), *before, *during, *way_back])
    assert history.step == 4 and history.last_step == before[3]
    assert history.loss_curve() == [(number, 2.0) for number in range(1, 5)]
    assert [event.step for event in history.evaluations] == [3]
    assert [event.step for event in history.samples] == [3]
    assert [event.step for event in history.growths] == [4]
    assert history.validation_loss == 2.5
    history.add(step(5, loss=1.0))
    assert history.loss_curve()[-1] == (5, 1.0) and history.phase == "training"


def test_of_a_step_that_is_there_twice_the_later_line_counts() -> None:
    history = history_of([started(), step(1), step(2), step(3), evaluation(1.0, 3), step(2, 9.0)])
    assert history.loss_curve() == [(1, 2.0), (2, 9.0)] and history.evaluations == []
    twice = history_of([evaluation(3.0, 2), evaluation(2.0, 2), sample(2, "a"), sample(2, "b")])
    assert [event.validation_loss for event in twice.evaluations] == [2.0]
    assert [event.text for event in twice.samples] == ["b"]


def test_a_second_text_starts_from_nothing() -> None:
    first = [started(), step(1), evaluation(2.0, 1), sample(1), growth(1), finished(step=1)]
    history = history_of([*first, started(), second_text(), step(1, 5.0)])
    assert history.loss_curve() == [(1, 5.0)]
    assert history.evaluations == history.samples == history.growths == []
    assert history.validation_loss is None and history.phase == "training"
    assert [text.corpus for text in history.texts] == ["russian"]


def test_a_second_text_that_crashed_before_its_first_step_is_one_text() -> None:
    history = history_of([started(), second_text(), started(), second_text(), step(1)])
    assert [text.corpus for text in history.texts] == ["russian"]


def test_the_losses_on_all_texts_are_those_measured_last() -> None:
    before = CorporaMeasured(step=0, losses={"a": 2.0, "b": 5.0}, losses_before={})
    after = CorporaMeasured(step=2, losses={"a": 2.1, "b": 3.0}, losses_before=before.losses)
    history = history_of([started(), second_text(), before, step(1), step(2)])
    assert history.measured == before
    history.add(after)
    assert history.measured == after
    history.add(RolledBack(step=2, to_step=1, learning_rate_scale=0.5))
    assert history.measured is None


def test_events_from_before_the_current_text_are_ignored() -> None:
    old = [replace(event, time=5.0) for event in (started(), step(1), evaluation(2.0), finished())]
    history = history_of(old, since=10.0)
    assert (history.phase, history.step, history.validation_loss) == ("new", 0, None)
    history.add(replace(started(), time=10.0))
    assert history.phase == "training"


@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ([PreparationAdvanced(stage="reading", done=1, total=2)], "preparing"),
        ([started()], "training"),
        ([started(), step(1), EvaluationAdvanced(step=1, done=1, total=2)], "training"),
        ([started(), paused(0)], "paused"),
        ([paused(0, total_steps=0)], "paused"),
        ([started(), step(1), FAILED], "failed"),
        ([started(), step(1), FAILED, PreparationAdvanced(stage="reading", done=1, total=2)], "preparing"),
        ([started(), step(1), FAILED, started(1)], "training"),
        ([finished(), started(100)], "training"),
    ],
)
def test_the_phase_follows_the_events(events: list[Event], phase: str) -> None:
    assert history_of(events).phase == phase


def test_the_number_of_steps_is_the_one_planned_last() -> None:
    history = history_of([SchedulePlanned(step=0, total_steps=50, seconds_per_step=1.0)])
    assert history.total_steps == 50
    history.add(started(total_steps=60))
    assert history.total_steps == 60
    history.add(SchedulePlanned(step=3, total_steps=55, seconds_per_step=1.1))
    assert (history.total_steps, history.seconds_per_step) == (55, 1.1)
    history.add(paused(0, total_steps=0))
    assert history.total_steps is None


def test_the_best_is_the_evaluation_that_was_marked_last() -> None:
    marked = [evaluation(2.0, 1), evaluation(1.8, 2), evaluation(1.9, 3, best=False)]
    assert history_of(marked).best == marked[1]
    # Of puzzles the best is not the one with the lowest loss.
    puzzles = [evaluation(0.1, 1, exact_accuracy=0.2), evaluation(0.4, 2, exact_accuracy=0.9)]
    assert history_of(puzzles).best == puzzles[1]
    unmarked = [evaluation(loss, n, best=False) for n, loss in enumerate([3.0, 2.0, math.nan], 1)]
    assert history_of(unmarked).best == unmarked[1]
    assert history_of([evaluation(math.nan)]).validation_loss is None


def test_a_notice_is_there_once_and_the_number_of_notices_is_bounded() -> None:
    history = history_of(NoticeGiven(message=text) for text in ("a", "b", "a"))
    assert history.notices == ["b", "a"]
    for number in range(500):
        history.add(NoticeGiven(message=str(number)))
    assert len(history.notices) <= 100 and history.notices[-1] == "499"


@settings(max_examples=15)
@given(total=st.integers(MAX_POINTS + 1, 3 * MAX_POINTS), back_to=st.integers(0, 3 * MAX_POINTS))
def test_a_long_log_is_held_in_bounded_memory(total: int, back_to: int) -> None:
    template = step(1)
    history = history_of(replace(template, step=number, loss=float(number)) for number in range(1, total + 1))
    for last in (total, back_to):
        if last < total:
            history.add(RolledBack(step=total, to_step=last, learning_rate_scale=0.5))
        numbers = [number for number, _ in history.loss_curve()]
        assert numbers == sorted(set(numbers)) and len(numbers) <= MAX_POINTS + 1
        if numbers:
            assert numbers[0] == 1 and numbers[-1] <= last
            assert all(after - before <= 8 for before, after in itertools.pairwise(numbers))
            assert last >= total or last - numbers[-1] <= 8
    assert all(number == loss for number, loss in history.loss_curve())


@given(
    path=st.lists(
        st.one_of(
            st.just("step"),
            st.tuples(st.sampled_from(["rollback", "resume"]), st.integers(0, 10)),
        ),
        max_size=40,
    )
)
def test_the_curve_is_that_of_the_steps_that_were_not_undone(
    path: list[str | tuple[str, int]],
) -> None:
    history, curve, at = history_of([started()]), {}, 0
    for number, move in enumerate(path):
        if isinstance(move, str):
            at += 1
            curve[at] = float(number)
            history.add(step(at, loss=float(number)))
        else:
            kind, back = move
            to = max(0, at - back)
            back_event = RolledBack(step=at, to_step=to, learning_rate_scale=0.5)
            history.add(back_event if kind == "rollback" else started(to))
            curve, at = {key: loss for key, loss in curve.items() if key <= to}, to
    assert dict(history.loss_curve()) == curve
    assert history.step == at


def test_a_run_has_the_history_of_its_log(tmp_path: Path) -> None:
    run = Run.create("owl", tmp_path)
    run.save_config(CREATED)
    events = [started(), step(1), evaluation(2.0), EvaluationAdvanced(step=1, done=1, total=1), step(2)]
    assert list(run.record(events)) == events
    history = run.history()
    assert (history.step, history.validation_loss, history.phase) == (2, 2.0, "training")
    assert history.progress is None, "progress is not in the log"


def test_a_step_has_a_sample_of_each_prompt() -> None:
    history = History()
    for event in (step(1), sample(1, "a"), replace(sample(1, "b"), prompt="own"), sample(1, "c")):
        history.add(event)
    assert [(one.prompt, one.text) for one in history.samples] == [("own", "b"), ("", "c")]
    history.add(sample(0))
    assert [one.step for one in history.samples] == [0]
