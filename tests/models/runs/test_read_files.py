"""Small files of a run are read whole, if they are plain, small enough and undamaged."""

from pathlib import Path

import pytest

from models.errors import RunError
from models.runs.read_files import read_bounded, read_json


def test_a_file_within_its_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_bounded(tmp_path / "x", 5) == b"12345"
    with pytest.raises(RunError, match="larger"):
        read_bounded(tmp_path / "x", 4)


def test_a_link_is_refused_and_a_missing_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"mine")
    (tmp_path / "x").symlink_to(tmp_path / "outside")
    with pytest.raises(RunError, match="is a link"):
        read_bounded(tmp_path / "x", 100)
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "y", 100)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(RunError, match="is damaged: it is not JSON"):
        read_json(tmp_path / "x.json", 200_000)
