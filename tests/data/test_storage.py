"""Files are written whole or not at all, with the mode of the umask, and links are not followed."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.cache import cache_dir
from data.character_tokenizer import CharacterTokenizer
from data.corpus import open_corpus
from data.errors import StorageError
from data.prepare import prepare
from data.progress import result_of
from data.puzzle_file import write_puzzles
from data.puzzles import open_puzzles
from data.replay import draw_sample, save_sample
from data.storage import (
    TEMPORARY_PREFIX,
    clear_temporaries,
    digest_of,
    remove_entry,
    replace_file,
    storing,
    write_file,
)
from data.sudoku_kind import SudokuKind

ROOT = Path(__file__).parents[2]


@given(pieces=st.lists(st.binary(max_size=50), max_size=5))
def test_a_written_file_has_the_digest_that_is_returned(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("files") / "x"
    digest = write_file(path, pieces)
    assert path.read_bytes() == b"".join(pieces) and digest == digest_of(path)
    assert digest.sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_a_large_piece_is_written_whole(tmp_path: Path) -> None:
    data = os.urandom((9 << 20) + 3)
    assert write_file(tmp_path / "x", [memoryview(data)]).size == len(data)
    assert (tmp_path / "x").read_bytes() == data


def test_a_disk_that_takes_a_little_at_a_time_gets_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    digest = write_file(tmp_path / "x", [b"abcdefghijklmnopqrstuvwxyz", b"0123456789"])
    assert digest == digest_of(tmp_path / "x") and digest.size == 36


def test_replacing_from_a_source_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    replace_file(path, [b"old"])

    def pieces() -> Iterator[bytes]:
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(path, pieces())
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_call_that_fails_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "x"
    replace_file(path, [b"old"])

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(StorageError, match="Could not save 'x': Input/output error"):
        replace_file(path, [b"new"])
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize(("call", "content"), [("fsync", b"old"), ("replace", b"old"), ("close", b"old")])
def test_a_kill_before_the_rename_leaves_the_old_file(tmp_path: Path, call: str, content: bytes) -> None:
    path = tmp_path / "x"
    replace_file(path, [b"old"])
    code = (
        "import os, pathlib, signal, sys; from data.storage import replace_file\n"
        f"os.{call} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "replace_file(pathlib.Path(sys.argv[1]), [b'new' * 1000])"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == content
    (left,) = [name for name in os.listdir(tmp_path) if name != "x"]
    assert left.startswith(TEMPORARY_PREFIX)
    clear_temporaries(tmp_path)
    assert os.listdir(tmp_path) == ["x"]


def test_the_file_and_then_its_folder_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, bool]] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        is_folder = os.path.samestat(os.fstat(descriptor), tmp_path.stat())
        synced.append((is_folder, (tmp_path / "x").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    replace_file(tmp_path / "x", [b"new"])
    assert synced == [(False, False), (True, True)]


def save_tokenizer(folder: Path) -> None:
    CharacterTokenizer("ab").save(folder / "tokenizer.json")


def save_replay_sample(folder: Path) -> None:
    tokens = np.arange(20, dtype=np.uint8)
    save_sample(folder, draw_sample("abc", tokens, tokens, 20, 10_000))


def save_puzzles(folder: Path) -> None:
    write_puzzles(folder / "x.csv", [], [], SudokuKind())
    result_of(open_puzzles("sudoku:4x4", 2, cache=folder))


def save_tokens(folder: Path) -> None:
    text = folder.parent / "text.txt"
    text.write_text("abba " * 50)
    result_of(prepare(open_corpus([text]), CharacterTokenizer("ab "), folder))


@pytest.mark.skipif(os.name == "nt", reason="no umask on this system")
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
@pytest.mark.parametrize("save", [save_tokenizer, save_replay_sample, save_puzzles, save_tokens])
def test_the_umask_gives_the_mode(tmp_path: Path, umask: int, save: Callable[[Path], None]) -> None:
    folder = tmp_path / "folder"
    before = os.umask(umask)
    try:
        folder.mkdir()
        save(folder)
    finally:
        os.umask(before)
    entries = [path for path in folder.rglob("*") if path.suffix != ".lock"]
    assert entries
    for path in entries:
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~umask


def test_a_stricter_mode_can_be_asked_for(tmp_path: Path) -> None:
    replace_file(tmp_path / "x", [b""], mode=0o600)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


def test_replacing_a_link_leaves_what_it_pointed_to(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"mine")
    (tmp_path / "x").symlink_to(tmp_path / "outside")
    replace_file(tmp_path / "x", [b"new"])
    assert (tmp_path / "outside").read_bytes() == b"mine" and (tmp_path / "x").read_bytes() == b"new"


def test_removing_never_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "mine").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    remove_entry(tmp_path / "folder")
    remove_entry(tmp_path / "link")
    assert [path.name for path in tmp_path.rglob("*")] == ["outside", "mine"]


def test_a_missing_folder_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Could not save the diary: No such file"):
        replace_file(tmp_path / "nowhere" / "x", [b""], "the diary")


def test_the_hint_of_the_caller_replaces_the_usual_one() -> None:
    with pytest.raises(StorageError) as caught, storing("it", "Do this."):
        raise OSError(13, "Permission denied")
    assert caught.value.hint == "Do this."


def test_what_a_killed_write_left_in_the_cache_is_cleared(tmp_path: Path) -> None:
    left, written, folder = (tmp_path / f".tmp-{name}" for name in ("left", "written", "folder"))
    left.touch()
    written.touch()
    folder.mkdir()
    for path in (left, folder):
        os.utime(path, (time.time() - 120,) * 2)
    cache_dir(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted((written, folder))  # files in a folder may still be written
