import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import StorageError
from models.runs.event_log import LineAppender, LogReader, append_event, parse_line, read_events
from models.runs.events import Event, NoticeGiven, RunPaused

events = st.builds(NoticeGiven, message=st.text(), time=st.floats(0, 1e10)) | st.builds(
    RunPaused, step=st.integers(0, 10**9), total_steps=st.integers(0, 10**9), path=st.text()
)


def write(path: Path, recorded: list[Event]) -> None:
    with LineAppender(path) as log:
        for event in recorded:
            append_event(log, event)


@given(before=st.lists(events, max_size=5), after=st.lists(events, max_size=5), cut=st.integers(0, 400))
def test_a_log_torn_anywhere_goes_on_cleanly(
    tmp_path_factory: pytest.TempPathFactory, before: list[Event], after: list[Event], cut: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    write(path, before)
    content = path.read_bytes()
    kept = content[: max(0, len(content) - cut)]
    path.write_bytes(kept)
    whole = before[: kept.count(b"\n")]
    assert list(read_events(path)) == whole
    write(path, after)
    found = list(read_events(path))
    # A cut that took only the newline leaves a line that counts again once the next one ends it.
    assert found in (whole + after, before[: len(whole) + 1] + after)


@given(noise=st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=6))
def test_foreign_lines_are_passed_over(tmp_path_factory: pytest.TempPathFactory, noise: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    ours = NoticeGiven(message="ours")
    write(path, [ours])
    path.write_bytes(b"\n".join([*noise, path.read_bytes().rstrip(), *noise, b""]))
    assert list(read_events(path)) == [ours]


def test_nested_and_endless_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"[" * 200_000 + b"\n" + b"x" * (10 << 20) + b"\n")
    ours = NoticeGiven(message="ours")
    write(path, [ours])
    assert list(read_events(path)) == [ours]


def test_a_missing_log_holds_nothing(tmp_path: Path) -> None:
    assert list(read_events(tmp_path / "events.jsonl")) == []


def test_the_pieces_a_log_comes_in_make_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    expected = [NoticeGiven(message=f"number {number}") for number in range(50)]
    write(tmp_path / "source", expected)
    content = (tmp_path / "source").read_bytes()
    reader, lines = LogReader(path), []
    with pytest.raises(FileNotFoundError):
        reader.read()
    with path.open("ab", buffering=0) as file:
        for start in range(0, len(content), 97):
            file.write(content[start : start + 97])
            lines += reader.read()
    assert [parse_line(line) for line in lines] == expected
    assert reader.read() == [] and reader.restarts == 0


@pytest.mark.parametrize("message", ["new", "a new message that is longer than both of the old ones were"])
@pytest.mark.parametrize("is_removed_first", [False, True])
def test_a_replaced_log_is_read_from_its_start(tmp_path: Path, message: str, is_removed_first: bool) -> None:
    path = tmp_path / "events.jsonl"
    write(path, [NoticeGiven(message="a first message")] * 2)
    reader = LogReader(path)
    assert len(reader.read()) == 2
    path.unlink()
    if is_removed_first:
        with pytest.raises(FileNotFoundError):
            reader.read()
    write(path, [NoticeGiven(message=message)] * 3)
    assert len(reader.read()) == 3 and reader.read() == []
    assert reader.restarts == 1


def test_a_line_cut_short_by_a_full_disk_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    first, second, third = (NoticeGiven(message=text) for text in ("one", "two", "three"))
    with LineAppender(path) as log:
        append_event(log, first)
        with monkeypatch.context() as patched:

            def fill_the_disk(data: bytes) -> None:
                log._file.write(data[:10])
                raise OSError(errno.ENOSPC, "No space left on device")

            patched.setattr(log, "_write", fill_the_disk)
            with pytest.raises(StorageError, match="The disk is full"):
                append_event(log, second)
        append_event(log, third)
    assert list(read_events(path)) == [first, third]
