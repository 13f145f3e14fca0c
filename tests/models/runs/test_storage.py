import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RunError, StorageError
from models.runs.storage import digest_of, read_bounded, remove_entry, replace_file, storing, write_file


@given(pieces=st.lists(st.binary(max_size=50), max_size=5))
def test_what_is_written_is_hashed_and_read(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("files") / "x"
    digest = write_file(path, pieces)
    assert path.read_bytes() == b"".join(pieces) == read_bounded(path, digest.size)
    assert digest == digest_of(path)
    assert digest.sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()
    if digest.size:
        with pytest.raises(RunError, match="larger"):
            read_bounded(path, digest.size - 1)


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


def test_replacing_from_a_source_that_breaks_keeps_the_old(tmp_path: Path) -> None:
    path = tmp_path / "x"
    replace_file(path, [b"old"])

    def pieces():
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(path, pieces())
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x"]


def test_replacing_a_link_leaves_what_it_pointed_to(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"mine")
    (tmp_path / "x").symlink_to(tmp_path / "outside")
    with pytest.raises(RunError, match="is a link"):
        read_bounded(tmp_path / "x", 100)
    replace_file(tmp_path / "x", [b"new"])
    assert (tmp_path / "outside").read_bytes() == b"mine" and (tmp_path / "x").read_bytes() == b"new"


def test_removing_never_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "mine").write_text("x")
    (tmp_path / "doomed").mkdir()
    (tmp_path / "doomed" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    remove_entry(tmp_path / "doomed")
    remove_entry(tmp_path / "link")
    assert [path.name for path in tmp_path.rglob("*")] == ["outside", "mine"]


def test_a_folder_that_is_not_there_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Could not save the diary: No such file"), storing("the diary"):
        replace_file(tmp_path / "nowhere" / "x", [b""], "the diary")
