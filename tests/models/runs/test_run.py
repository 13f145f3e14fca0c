import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import RlmError, UsageError
from data.storage import digest_of
from models.errors import RunBusyError, RunError
from models.runs import event_log
from models.runs.checkpoint import save_weights
from models.runs.datasets import Dataset
from models.runs.events import CheckpointSaved, Event, NoticeGiven
from models.runs.listing import list_runs
from models.runs.lock import holding_lock_to_read
from models.runs.run import Run
from models.runs.run_names import run_names, suggest_name
from models.runs.weights_file import metadata_of, shape_in, weights_problem
from tests.models.runs.example_config import (
    COMPLETE_CONFIG,
    COMPLETE_DATASET,
    COMPLETE_EVALUATION,
    COMPLETE_PUZZLE_EVALUATION,
    CREATED,
)

ROOT = Path(__file__).parents[3]


def make_run(name: str, folder: Path) -> Run:
    run = Run.create(name, folder)
    run.save_config(CREATED)
    return run


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "-flag", "a/b", "../up", "a b", "é", "x" * 65, "a\n", "a\0"]
)
def test_impossible_names_are_refused_and_nothing_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        Run.create(name, tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


@given(text=st.text(max_size=90))
def test_any_text_suggests_a_name_that_works(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("runs")
    first = Run.create(suggest_name(text, folder), folder)
    second = Run.create(suggest_name(text, folder), folder)
    assert second.name.startswith(first.name) and second.name != first.name


def test_a_taken_name_is_refused_with_a_free_one(tmp_path: Path) -> None:
    make_run("alice", tmp_path)
    with pytest.raises(UsageError, match="already a run 'alice'") as caught:
        Run.create("alice", tmp_path)
    assert "alice-2" in str(caught.value.hint)


def test_opening_by_name_by_path_and_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="no run yet"):
        Run.open(None, tmp_path)
    alice, bob = make_run("alice", tmp_path), make_run("bob", tmp_path)
    os.utime(bob.config_path, (1, 1))
    assert Run.open("bob", tmp_path) == bob
    assert Run.open(None, tmp_path) == alice
    assert run_names(tmp_path) == ["alice", "bob"]
    monkeypatch.chdir(alice.path)
    for path in (".", "../bob", str(bob.path), bob.path):
        assert Run.open(path, Path("nowhere")).path in (alice.path, bob.path)


@pytest.mark.parametrize(
    "text", ["alcie", "", "x" * 5000, "a\0b", "no/such/folder", "~nobody-of-that-name/x"]
)
def test_an_unknown_run_names_the_nearest(tmp_path: Path, text: str) -> None:
    make_run("alice", tmp_path)
    with pytest.raises(UsageError, match="There is no run") as caught:
        Run.open(text, tmp_path)
    assert "alice" in str(caught.value.hint)


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "[]",
        "{}",
        '{"model_type": "gpt2"}',
        "{" * 10_000,
        '{"format_version": 99}',
        '{"format_version": true}',
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    if content is not None:
        (folder / "config.json").write_text(content)
    with pytest.raises(RunError):
        Run.open(str(folder), tmp_path / "runs")


def test_files_and_huge_configurations_are_refused(tmp_path: Path) -> None:
    run = make_run("alice", tmp_path)
    with pytest.raises(RunError, match="not a folder"):
        Run.open(str(run.config_path), tmp_path)
    with run.config_path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RunError, match="larger"):
        Run.open("alice", tmp_path)
    run.config_path.unlink()
    os.mkfifo(run.config_path)  # must not wait for a writer
    with pytest.raises(RunError, match="not a plain file"):
        Run.open("alice", tmp_path)


@pytest.mark.parametrize(
    "inner", ["checkpoints", "replay", "conversations", "events.jsonl", "training.log", "config.json"]
)
def test_links_out_of_a_run_are_refused(tmp_path: Path, inner: str) -> None:
    run = make_run("alice", tmp_path)
    outside = tmp_path / "outside"
    outside.write_text('{"format_version": 1}')
    (run.path / inner).unlink(missing_ok=True)
    (run.path / inner).symlink_to(outside)
    with pytest.raises(RunError, match="link"):
        Run.open("alice", tmp_path)


def test_a_name_that_links_elsewhere_must_be_given_as_a_path(tmp_path: Path) -> None:
    elsewhere = make_run("bob", tmp_path / "elsewhere")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "bob").symlink_to(elsewhere.path)
    with pytest.raises(RunError, match="leads elsewhere"):
        Run.open("bob", tmp_path / "runs")
    assert Run.open(elsewhere.path, tmp_path / "runs") == elsewhere


def test_links_that_lead_to_themselves_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bob").symlink_to(tmp_path / "bob")
    with pytest.raises(RunError, match="leads to itself"):
        Run.open("bob", tmp_path)
    with pytest.raises(RlmError):
        Run.create("bob", tmp_path)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for name in ("bob", None):
        with pytest.raises(RlmError):
            Run.open(name, loop)
    with pytest.raises(RlmError):
        Run.create("bob", loop)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe in the file system is a Unix idea")
def test_a_pipe_in_the_place_of_a_file_makes_nobody_wait(tmp_path: Path) -> None:
    run = make_run("alice", tmp_path)
    os.mkfifo(run.events_path)
    os.mkfifo(run.weights_path)
    assert list(run.events()) == []
    assert list_runs(tmp_path)[0].name == "alice"
    assert "not a plain file" in str(weights_problem(run.weights_path))
    assert metadata_of(run.weights_path) == {} and shape_in(run.weights_path, "x") is None
    with pytest.raises(OSError, match="not a plain file"):
        digest_of(run.weights_path)


def test_configuration_comes_back(tmp_path: Path) -> None:
    run = Run.create("x", tmp_path)
    run.save_config(COMPLETE_CONFIG)
    assert run.config() == COMPLETE_CONFIG
    assert json.loads(run.config_path.read_text())["later"] == {"a": None}
    run.save_datasets([COMPLETE_DATASET])
    assert run.datasets() == [Dataset(content_hash="cd"), COMPLETE_DATASET]
    assert run.evaluation() is None
    for evaluation in (COMPLETE_EVALUATION, COMPLETE_PUZZLE_EVALUATION):
        run.save_evaluation(evaluation)
        assert run.evaluation() == evaluation
    assert sorted(os.listdir(run.path)) == ["config.json", "datasets.json", "evaluation.json"]


@pytest.mark.parametrize("name", ["config.json", "datasets.json", "evaluation.json"])
def test_a_wrong_value_is_an_error_that_names_the_file_and_the_key(tmp_path: Path, name: str) -> None:
    run = Run.create("x", tmp_path)
    run.save_config(COMPLETE_CONFIG)
    run.save_datasets([COMPLETE_DATASET])
    run.save_evaluation(COMPLETE_EVALUATION)
    path = run.path / name
    content = json.loads(path.read_text())
    entry = content["datasets"][0] if name == "datasets.json" else content
    key = "parameters" if name == "config.json" else "steps" if name == "datasets.json" else "after_steps"
    entry[key] = [10**400]
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match=f"{name}' is damaged: .*'{key}' is not what rlm writes.$") as caught:
        run.config(), run.datasets(), run.evaluation()
    assert caught.value.hint


@pytest.mark.skipif(os.name == "nt", reason="the umask is a Unix idea")
def test_written_files_take_the_mode_of_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0o022)
    try:
        run = make_run("alice", tmp_path)
    finally:
        os.umask(previous)
    assert run.config_path.stat().st_mode & 0o777 == 0o644


def test_the_lock_is_held_by_one_and_names_it(tmp_path: Path) -> None:
    run = make_run("alice", tmp_path)
    assert not run.is_busy()
    with run.lock():
        assert run.is_busy()
        with (
            pytest.raises(RunBusyError, match=f"Process {os.getpid()} is writing to run 'alice'"),
            run.lock(),
        ):
            pass
        assert run.is_busy()
    assert not run.is_busy()
    with run.lock():
        pass


def test_locking_a_run_that_was_moved_does_not_make_its_folder_again(tmp_path: Path) -> None:
    run = Run.create("owl", tmp_path)
    os.rename(run.path, tmp_path / "elsewhere")
    with pytest.raises(RunError, match="no longer there"), run.lock():
        pass
    assert not run.path.exists()
    with pytest.raises(RunError, match="no longer there"), holding_lock_to_read(run.path):
        pass
    assert os.listdir(tmp_path) == ["elsewhere"]


def test_nothing_is_written_into_what_was_put_in_the_place_of_a_locked_run(tmp_path: Path) -> None:
    run = Run.create("owl", tmp_path)
    writes: list[Callable[[], object]] = [
        lambda: run.write_json("evaluation.json", {}),
        lambda: save_weights(run, {}, {}),
        lambda: run.save_config(CREATED),
    ]
    with run.lock():
        os.rename(run.path, tmp_path / "elsewhere")
        run.path.mkdir()
        for write in writes:
            with pytest.raises(RunError, match="something else is in its place"):
                write()
        assert not os.listdir(run.path)
    run.save_config(CREATED)


def test_a_kill_while_the_lock_is_taken_leaves_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create("owl", tmp_path)
    (run.path / ".lock-pid").write_text("of a killed process")
    monkeypatch.setattr(os, "fsync", lambda descriptor: os._exit(9))
    if (child := os.fork()) == 0:
        with holding_lock_to_read(run.path):
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert sorted(os.listdir(run.path)) == [".lock", ".lock-pid"]


def test_taking_the_lock_clears_the_progress_of_a_killed_training(tmp_path: Path) -> None:
    run = Run.create("owl", tmp_path)
    (run.path / "control").mkdir()
    for name in ("progress", ".tmp-progress-12-abcd"):
        (run.path / "control" / name).touch()
    with run.lock():
        assert not list((run.path / "control").iterdir())


@pytest.mark.usefixtures("impatient")
def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    run = make_run("alice", tmp_path)
    program = (
        "import sys; from pathlib import Path; from models.runs.run import Run\n"
        "with Run(Path(sys.argv[1])).lock():\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(run.path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        with pytest.raises(RunBusyError, match=f"Process {process.pid}") as caught, run.lock():
            pass
        assert f"{{pause {run.in_command}}}" in str(caught.value.hint)
        process.kill()
        process.wait()
    assert not run.is_busy()
    with run.lock():
        pass


def test_taking_the_lock_clears_what_was_long_forgotten(tmp_path: Path) -> None:
    run = make_run("alice", tmp_path)
    old, fresh = run.path / ".tmp-config.json-1-aa", run.path / ".tmp-config.json-2-bb"
    old.write_text("half")
    fresh.write_text("somebody is at it")
    os.utime(old, (1, 1))
    with run.lock():
        pass
    assert not old.exists() and fresh.exists()


def test_recording_writes_passes_on_and_closes(tmp_path: Path) -> None:
    run = make_run("alice", tmp_path)
    closed = []

    def training():
        try:
            yield NoticeGiven(message="one")
            assert len(list(run.events())) == 1  # already on disk when the next is asked for
            yield CheckpointSaved(step=3, path="x", reason="interval")
            yield NoticeGiven(message="three")
        finally:
            closed.append(True)

    recorded = run.record(training())
    first, second = next(recorded), next(recorded)
    recorded.close()
    assert closed == [True]
    assert list(run.events()) == [first, second]
    assert "  one\n" in run.training_log_path.read_text()
    assert all(json.loads(line) for line in run.events_path.read_text().splitlines())


@pytest.mark.usefixtures("impatient")
def test_a_training_that_is_refused_leaves_the_logs_alone(tmp_path: Path) -> None:
    run = make_run("alice", tmp_path)
    run.events_path.write_text('{"event": "torn')

    def training() -> Iterator[Event]:
        with run.lock():
            yield NoticeGiven(message="never")

    with run.lock(), pytest.raises(RunBusyError):
        next(run.record(training()))
    assert run.events_path.read_text() == '{"event": "torn'
    assert not run.training_log_path.exists()


def test_taking_the_lock_clears_what_a_killed_save_left(tmp_path: Path) -> None:
    run = make_run("alice", tmp_path)
    (run.checkpoints_path / ".tmp-step_000000").mkdir(parents=True)
    with run.lock():
        assert list(run.checkpoints_path.iterdir()) == []


def test_a_full_disk_while_recording_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    run = make_run("alice", tmp_path)
    full = Path("/dev/full")
    monkeypatch.setattr(event_log, "open_to_append", lambda path: full.open("ab+", buffering=0))
    with pytest.raises(RlmError, match="The disk is full"):
        list(run.record([NoticeGiven(message="one")]))


def test_no_torch_is_imported() -> None:
    modules = [
        "runs.run",
        "runs.run_config",
        "runs.run_state",
        "runs.evaluation",
        "runs.datasets",
        "runs.pending_change",
        "runs.lock",
        "runs.listing",
        "depth",
        "runs.event_log",
        "runs.training_log",
        "runs.read_files",
        "runs.checkpoint_folder",
        "errors",
        "runs.events",
        "runs.event_words",
        "runs.history",
        "runs.recording",
        "runs.control_requests",
    ]
    program = (
        "import sys, importlib\n"
        f"for module in {modules}:\n"
        "    importlib.import_module('models.' + module)\n"
        "    print(*(module for slow in ('torch', 'numpy', 'rich') if slow in sys.modules))"
    )
    printed = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True)
    assert printed.split() == [], "the first of these modules imports one of them"


def test_a_folder_left_before_it_was_a_run_does_not_block_its_name(tmp_path: Path) -> None:
    left = tmp_path / "alice"
    left.mkdir()
    for name in (".lock", ".tmp-config.json-1-ab", "tokenizer.json"):
        (left / name).touch()
    assert not run_names(tmp_path) and not list_runs(tmp_path)
    assert Run.create("alice", tmp_path).path == left.resolve()
    (left / "notes.txt").touch()  # somebody's own
    with pytest.raises(UsageError, match="already a run 'alice'"):
        Run.create("alice", tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 1, "kind": 5}'])
def test_a_damaged_evaluation_says_what_to_do(tmp_path: Path, content: str) -> None:
    run = Run.create("owl", tmp_path)
    (run.path / "evaluation.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match="is damaged") as caught:
        run.evaluation()
    assert caught.value.hint == "Correct it, or remove it."
