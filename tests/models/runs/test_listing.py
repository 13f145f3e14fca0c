import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import UsageError
from data.storage import write_file
from models.errors import RunError
from models.runs.checkpoint_folder import MODEL_FILE, STATE_FILE, TRAINING_FILE, state_text
from models.runs.evaluation import Evaluation
from models.runs.event_json import to_json
from models.runs.events import (
    Event,
    NoticeGiven,
    PreparationAdvanced,
    RolledBack,
    RunFailed,
    RunFinished,
    RunStarted,
    SchedulePlanned,
)
from models.runs.listing import glance, list_runs
from models.runs.lock import require_unlocked
from models.runs.run import Run
from models.runs.run_config import ModelSection
from models.runs.run_folder import find_folder
from models.runs.run_names import run_names
from models.runs.run_state import Counters, RunState, Schedule
from tests.models.runs.example_config import CREATED, WITH_TEXT
from tests.models.runs.example_events import evaluation, finished, paused, started, step

NO_TENSORS = (2).to_bytes(8, "little") + b"{}"  # the shortest whole weights file


def make_run(folder: Path, name: str = "owl", recorded: tuple[Event, ...] = (), text: bool = False) -> Run:
    run = Run.create(name, folder)
    run.save_config(WITH_TEXT if text else CREATED)
    for _ in run.record(recorded):
        pass
    return run


def test_a_run_without_training_speaks_through_its_configuration(tmp_path: Path) -> None:
    make_run(tmp_path)
    (summary,) = list_runs(tmp_path)
    assert (summary.name, summary.architecture, summary.parameters, summary.vocab_size) == (
        "owl",
        "looped",
        99,
        65,
    )
    assert (summary.status, summary.step, summary.total_steps, summary.corpus) == (
        "created",
        0,
        None,
        "alice",
    )
    assert summary.validation_loss is None and summary.problem is None


def test_a_trained_run_speaks_through_its_log(tmp_path: Path) -> None:
    run = make_run(
        tmp_path,
        recorded=(started(), step(1), evaluation(2.5), step(2), evaluation(2.7, 2, best=False), step(3)),
    )
    (summary,) = list_runs(tmp_path)
    assert summary.architecture == "hrm"
    assert (summary.parameters, summary.vocab_size) == (99, 65), "a model that grew says so in config.json"
    assert (summary.status, summary.step, summary.total_steps, summary.validation_loss) == (
        "created",
        3,
        100,
        2.5,
    )
    with run.lock():
        assert list_runs(tmp_path)[0].status == "training"


def test_paused_crashed_finished_and_resumed(tmp_path: Path) -> None:
    make_run(tmp_path, "paused", (started(), step(7), paused(7)), text=True)
    make_run(tmp_path, "crashed", (started(), step(8)), text=True)
    done = make_run(tmp_path, "finished", (started(), evaluation(1.3), finished(1.4)))
    done.weights_path.write_bytes(NO_TENSORS)
    make_run(tmp_path, "lost", (started(), finished()))
    make_run(tmp_path, "extended", (started(), finished(), started(100), step(101)), text=True)
    found = {summary.name: (summary.status, summary.step) for summary in list_runs(tmp_path)}
    assert found == {
        "paused": ("paused", 7),
        "crashed": ("paused", 8),
        "finished": ("finished", 100),
        "lost": ("damaged", 100),
        "extended": ("paused", 101),
    }
    assert {summary.validation_loss for summary in list_runs(tmp_path) if summary.name == "finished"} == {1.4}


def test_a_run_that_was_rolled_back_is_at_the_step_it_went_back_to(tmp_path: Path) -> None:
    back = RolledBack(step=9, to_step=4, learning_rate_scale=0.5)
    make_run(tmp_path, "back", (started(), *map(step, range(1, 9)), back), text=True)
    make_run(tmp_path, "on", (started(), *map(step, range(1, 9)), back, step(5)), text=True)
    assert {summary.name: summary.step for summary in list_runs(tmp_path)} == {"back": 4, "on": 5}


def test_a_failed_run_is_paused_and_has_the_reason(tmp_path: Path) -> None:
    failed = RunFailed(kind="StorageError", message="The disk is full.", hint="Free some space.")
    make_run(tmp_path, "failed", (started(), step(7), failed), text=True)
    make_run(tmp_path, "resumed", (started(), step(7), failed, started(7), step(8)), text=True)
    found = {summary.name: (summary.status, summary.step, summary.failure) for summary in list_runs(tmp_path)}
    assert found == {"failed": ("paused", 7, failed), "resumed": ("paused", 8, None)}


def test_logs_of_earlier_versions_with_progress_in_them_are_read(tmp_path: Path) -> None:
    run = make_run(tmp_path, text=True)
    progress = PreparationAdvanced(stage="reading", done=1, total=2)
    run.events_path.write_text(
        "".join(to_json(event) + "\n" for event in (progress, started(), step(3), progress))
    )
    (summary,) = list_runs(tmp_path)
    assert (summary.status, summary.step) == ("paused", 3)


def test_how_many_steps_there_are_to_be_is_what_was_planned_last(tmp_path: Path) -> None:
    settled = SchedulePlanned(step=0, total_steps=100, seconds_per_step=0.1)
    more = replace(started(100), total_steps=102)
    ended = replace(finished(), step=102)
    recorded: dict[str, tuple[Event, ...]] = {
        "asked for more": (settled, started(), finished(), more),
        "and done": (settled, started(), finished(), more, ended),
        "grown when it was finished": (finished(),),
    }
    for name, events in recorded.items():
        make_run(tmp_path, name.replace(" ", "-"), events, text=True).weights_path.write_bytes(NO_TENSORS)
    found = {
        summary.name.replace("-", " "): (summary.step, summary.total_steps) for summary in list_runs(tmp_path)
    }
    assert found == dict(zip(recorded, [(100, 102), (102, 102), (100, 100)], strict=True))


def test_a_finished_run_whose_weights_are_cut_short_is_damaged(tmp_path: Path) -> None:
    run = judged_run(tmp_path, "owl", "steps", 100)
    assert list_runs(tmp_path)[0].status == "finished"
    run.weights_path.write_bytes(NO_TENSORS[:-1])
    (summary,) = list_runs(tmp_path)
    assert summary.status == "damaged"
    assert summary.problem == (
        "it is finished, but its model.safetensors is cut short, or not a weights file; "
        f"get it back: {{resume {run.in_command}}}"
    )


def test_a_run_paused_or_killed_before_its_first_step_is_paused(tmp_path: Path) -> None:
    make_run(tmp_path, "killed", text=True)
    make_run(tmp_path, "paused", (paused(0, total_steps=0),), text=True)
    found = {summary.name: summary for summary in list_runs(tmp_path)}
    for name in ("killed", "paused"):
        assert (found[name].status, found[name].step, found[name].total_steps) == ("paused", 0, None)


def judged_run(folder: Path, name: str, ended: str | None, after_steps: int) -> Run:
    """A run whose last word was never written: checkpoint and evaluation are there."""
    run = make_run(folder, name, (started(), step(100), evaluation(1.3)), text=True)
    run.weights_path.write_bytes(NO_TENSORS)
    checkpoint = run.checkpoints_path / "step_000100"
    checkpoint.mkdir(parents=True)
    files = {file: write_file(checkpoint / file, [b"x"]) for file in (MODEL_FILE, TRAINING_FILE)}
    state = RunState(counters=Counters(step=100), schedule=Schedule.over(0, 100), ended=ended)
    write_file(checkpoint / STATE_FILE, [state_text(100, 1, files, state.to_json())])
    run.save_evaluation(Evaluation(step=100, after_steps=after_steps, validation_loss=1.3))
    return run


@pytest.mark.parametrize(
    ("ended", "after_steps", "status"),
    [("steps", 100, "finished"), (None, 100, "paused"), ("steps", 60, "paused")],
)
def test_a_run_killed_before_its_last_word_is_finished_where_it_is_judged(
    tmp_path: Path, ended: str | None, after_steps: int, status: str
) -> None:
    judged_run(tmp_path, "owl", ended, after_steps)
    assert list_runs(tmp_path)[0].status == status


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", '{"format_version": 1}'),
        ("config.json", '{"format_version": 1, "model": 5}'),
        ("datasets.json", '{"name": "alice"}'),
        ("datasets.json", '["alice"]'),
        ("evaluation.json", "[]"),
        ("generation_config.json", "7"),
    ],
)
def test_a_file_of_another_shape_makes_a_run_damaged(tmp_path: Path, name: str, content: str) -> None:
    (make_run(tmp_path).path / name).write_text(content)
    (summary,) = list_runs(tmp_path)
    assert summary.status == "damaged" and name in str(summary.problem)


def test_newest_first_and_foreign_folders_left_out(tmp_path: Path) -> None:
    for age, name in enumerate(["a", "b", "c"]):
        os.utime(make_run(tmp_path, name).config_path, (1000 - age, 1000 - age))
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert [summary.name for summary in list_runs(tmp_path)] == ["a", "b", "c"]
    assert list_runs(tmp_path / "nowhere") == []


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(RunError, match="cannot be read"):
        list_runs(tmp_path / "runs")


@pytest.mark.parametrize("padding", [0, 60_000, 70_000, 130_000, 200_000])
def test_a_glance_reads_both_ends_of_a_log_of_any_length(tmp_path: Path, padding: int) -> None:
    path = tmp_path / "events.jsonl"
    notices = [NoticeGiven(message="x" * (padding // 100))] * 100
    events = [started(), step(1), evaluation(2.5, 1), *notices, step(2), evaluation(2.4, 2), step(3)]
    path.write_text("".join(to_json(event) + "\n" for event in events))
    history = glance(path, None)
    assert (history.started, history.step, history.validation_loss) == (events[0], 3, 2.4)
    assert [event.step for event in history.evaluations] == [1, 2]


@pytest.mark.parametrize("earlier", [[], [finished(2.4), started(2)]], ids=["in one go", "trained longer"])
def test_a_glance_finds_the_best_loss_before_many_worse_ones(
    tmp_path: Path, earlier: list[RunFinished | RunStarted]
) -> None:
    path = tmp_path / "events.jsonl"
    notices = [NoticeGiven(message="x" * 700)] * 100
    worse = evaluation(2.7, 3, best=False)
    events = [started(), *notices, evaluation(2.4, 2), *notices, *earlier, step(3), worse]
    path.write_text("".join(to_json(event) + "\n" for event in events))
    assert glance(path, None).validation_loss == 2.4


def test_a_step_line_that_cannot_be_read_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    damaged = to_json(step(6)).replace("2.0", '"two"')
    path.write_text("".join(line + "\n" for line in (to_json(started()), to_json(step(5)), damaged)))
    assert glance(path, None).step == 5


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=st.none() | st.binary(max_size=50) | st.just(b"[" * 50_000), log=st.binary(max_size=200))
def test_a_damaged_run_is_listed_and_stops_nothing(
    tmp_path_factory: pytest.TempPathFactory, config: bytes | None, log: bytes
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder, "well")
    broken = make_run(folder, "broken")
    broken.events_path.write_bytes(log)
    broken.config_path.unlink()
    if config is not None:
        broken.config_path.write_bytes(config)
    found = {summary.name: summary for summary in list_runs(folder)}
    assert found["well"].status == "created"
    assert found["broken"].status == "damaged" and found["broken"].problem


def test_figures_of_the_wrong_type_are_not_believed(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    model = ModelSection(architecture="x", foreign={"vocab_size": "all"})
    run.save_config(replace(CREATED, model=model, parameters=None, corpus=None))
    run.events_path.write_text(
        '{"event": "run_paused", "step": "far", "total_steps": [], "path": 1}\n'
        '{"event": "evaluation_finished", "step": 1, "epoch": 1, "train_loss": 1, "validation_loss": "good", '
        '"perplexity": 1, "bits_per_byte": 1, "best": true}\n'
    )
    (summary,) = list_runs(tmp_path)
    assert (summary.parameters, summary.corpus, summary.step, summary.total_steps) == (None, None, 0, None)
    assert summary.validation_loss is None and summary.vocab_size is None


def test_a_long_log_is_not_read_whole(tmp_path: Path) -> None:
    run = make_run(tmp_path, recorded=(started(), evaluation(3.0)))
    line = run.events_path.read_bytes().splitlines(keepends=True)
    with run.events_path.open("ab") as file:
        for _ in range(40):
            file.write(b'{"event": "notice_given", "time": 1.0, "message": "' + b"x" * 1_000_000 + b'"}\n')
        file.write(line[1].replace(b"3.0", b"2.0"))
    for _ in run.record([step(50), NoticeGiven(message="end")]):
        pass
    began = time.process_time()
    (summary,) = list_runs(tmp_path)
    assert time.process_time() - began < 0.2
    assert (summary.architecture, summary.step, summary.validation_loss) == ("hrm", 50, 2.0)


def test_a_folder_that_may_not_be_read_is_not_told_as_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refused)
    for look in (lambda: list_runs(tmp_path), lambda: run_names(tmp_path), lambda: Run.open(None, tmp_path)):
        with pytest.raises(RunError, match="Permission denied"):
            look()
    with pytest.raises(RunError, match="Permission denied"):
        Run.open("owl", tmp_path)


def test_a_run_that_may_not_be_read_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owl").mkdir()

    def refused(path: object = None, *more: object, **others: object) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.listdir", refused)
    monkeypatch.setattr("models.runs.listing.is_incomplete", lambda folder: False)
    (summary,) = list_runs(tmp_path)
    assert (summary.name, summary.status) == ("owl", "damaged")


def test_a_run_into_which_nobody_may_look_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a run of another user is. What is read through its folder is refused, also to lstat."""
    closed = make_run(tmp_path, "owl").path

    def refusing(original: Callable[..., object]) -> Callable[..., object]:
        def call(path: object, *arguments: object, **more: object) -> object:
            text = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
            reads_folder = text == str(closed) and original in (os_listdir, os_scandir)
            if reads_folder or text.startswith(f"{closed}/"):
                raise PermissionError(13, "Permission denied", text)
            return original(path, *arguments, **more)

        return call

    os_listdir, os_scandir = os.listdir, os.scandir
    for name in ("stat", "lstat", "open", "listdir", "scandir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    (summary,) = list_runs(tmp_path)
    assert summary.status == "damaged" and "Permission denied" in str(summary.problem)
    for name_or_path in (None, "owl", closed):
        with pytest.raises(RunError, match=r"config\.json' cannot be read: Permission denied"):
            Run.open(name_or_path, tmp_path)
    with pytest.raises(UsageError) as raised:
        Run.open("owk", tmp_path)
    assert raised.value.hint == "Did you mean owl?"
    assert find_folder("owl", tmp_path) == closed
    require_unlocked(closed)
