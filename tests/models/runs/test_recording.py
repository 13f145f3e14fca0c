"""What a training leaves in its logs: what lasts, and why it ended."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from data.errors import CorpusError, StorageError, UsageError
from data.plain_file import open_to_append
from models.errors import DivergedError
from models.runs import event_log, recording
from models.runs.event_json import from_json
from models.runs.events import EvaluationAdvanced, Event, NoticeGiven, PreparationAdvanced, RunFailed
from models.runs.recording import record_events
from tests.models.runs.example_events import step


def logs(folder: Path) -> tuple[Path, Path]:
    return folder / "events.jsonl", folder / "training.log"


def recorded(folder: Path) -> list[Event | None]:
    return [from_json(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def training(error: BaseException, *before: Event) -> Iterator[Event]:
    yield from before
    raise error


def passed_on(folder: Path, error: BaseException, *before: Event) -> list[Event]:
    seen: list[Event] = []
    with pytest.raises(type(error)) as caught:
        for event in record_events(training(error, *before), *logs(folder)):
            seen.append(event)
    assert caught.value is error
    return seen


def test_progress_is_passed_on_and_not_kept(tmp_path: Path) -> None:
    progress = [
        PreparationAdvanced(stage="reading", done=1, total=2),
        EvaluationAdvanced(step=1, done=1, total=2),
    ]
    lasting = [step(1), NoticeGiven(message="one")]
    events = [progress[0], lasting[0], progress[1], lasting[1]]
    assert list(record_events(events, *logs(tmp_path))) == events
    assert recorded(tmp_path) == lasting


def test_progress_alone_leaves_no_log(tmp_path: Path) -> None:
    assert len(list(record_events([EvaluationAdvanced(step=1, done=1, total=2)], *logs(tmp_path)))) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (DivergedError("It diverged.", hint="Try a lower rate."), "It diverged.", "Try a lower rate."),
        (CorpusError("The text is gone."), "The text is gone.", None),
        (ValueError("shape mismatch"), "ValueError: shape mismatch", None),
        (ZeroDivisionError(), "ZeroDivisionError", None),
    ],
)
def test_an_error_is_recorded_and_goes_on(
    tmp_path: Path, error: Exception, message: str, hint: str | None
) -> None:
    before, failed = passed_on(tmp_path, error, step(1))
    assert isinstance(failed, RunFailed)
    assert (failed.kind, failed.message, failed.hint) == (type(error).__name__, message, hint)
    assert recorded(tmp_path) == [before, failed]
    assert f"Failed: {message}" in (tmp_path / "training.log").read_text()


def test_an_error_before_the_first_event_is_recorded(tmp_path: Path) -> None:
    (failed,) = passed_on(tmp_path, CorpusError("The text is gone."))
    assert recorded(tmp_path) == [failed]


def test_a_training_that_is_refused_leaves_no_log(tmp_path: Path) -> None:
    assert passed_on(tmp_path, UsageError("It is finished.")) == []
    assert list(tmp_path.iterdir()) == []
    assert len(passed_on(tmp_path, UsageError("No such device."), step(1))) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interrupt_is_no_failure(tmp_path: Path, error: BaseException) -> None:
    assert passed_on(tmp_path, error, step(1)) == recorded(tmp_path) and len(recorded(tmp_path)) == 1


def test_leaving_early_is_no_failure_and_closes_the_training(tmp_path: Path) -> None:
    closed = []

    def endless() -> Iterator[Event]:
        try:
            while True:
                yield step(1)
        finally:
            closed.append(True)

    events = record_events(endless(), *logs(tmp_path))
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert closed == [True] and len(recorded(tmp_path)) == 1


def test_a_full_disk_does_not_hide_the_first_error(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    (failed,) = passed_on(tmp_path, DivergedError("It diverged."))
    assert isinstance(failed, RunFailed) and failed.message == "It diverged."


def test_a_log_that_cannot_be_written_is_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_full(path: Path) -> BinaryIO:
        if path.name != "training.log":
            return open_to_append(path)
        return Path("/dev/full").open("ab+", buffering=0)

    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    monkeypatch.setattr(event_log, "open_to_append", open_full)
    with pytest.raises(StorageError, match="The disk is full"):
        list(record_events([step(1)], *logs(tmp_path)))


def test_the_message_of_a_foreign_error_is_bounded() -> None:
    assert len(recording.run_failed(RuntimeError("x" * 10**6), Path()).message) < 3000


def test_nothing_is_written_to_what_is_in_the_place_of_a_run_that_was_moved(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    event = step(1)

    def training() -> Iterator[Event]:
        run.rename(tmp_path / "elsewhere")
        run.mkdir()
        yield event

    assert list(record_events(training(), *logs(run))) == [event]
    assert list(run.iterdir()) == []
