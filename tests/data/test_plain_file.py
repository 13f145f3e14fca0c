"""Only plain files are read and added to, also where a pipe, a device or a link is in their place."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.character_tokenizer import train_character_tokenizer
from data.corpus import open_corpus
from data.errors import CorpusError, StorageError
from data.plain_file import UnreadableFileError, open_to_append, read_plain_file
from data.prepare import PreparedData, open_prepared, prepare
from data.progress import result_of
from data.puzzles import open_puzzles
from data.replay import ReplaySample, load_sample, sample_name, save_sample

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")


def make_link(path: Path) -> None:
    path.with_name("outside").write_bytes(b"mine")
    path.symlink_to("outside")


IN_THE_PLACE = {
    "pipe": os.mkfifo,
    "link": make_link,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.fixture(params=IN_THE_PLACE.values(), ids=IN_THE_PLACE.keys())
def put(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Puts something that is not a plain file in the place of a file."""

    def put(path: Path) -> None:
        path.unlink(missing_ok=True)
        request.param(path)

    return put


@pytest.fixture
def prepared(tmp_path: Path) -> PreparedData:
    (tmp_path / "crow.txt").write_text("A crow sat on a wall.\n" * 50)
    corpus = open_corpus([tmp_path / "crow.txt"])
    return result_of(prepare(corpus, train_character_tokenizer(corpus), tmp_path / "cache"))


def test_it_is_not_read(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "x")
    with pytest.raises(UnreadableFileError):
        read_plain_file(tmp_path / "x", 100)


def test_nothing_is_added_to_it(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "x")
    with pytest.raises(OSError):
        open_to_append(tmp_path / "x")
    outside = tmp_path / "outside"
    assert not outside.exists() or outside.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["meta.json", "train.bin", "validation.bin"])
def test_tokens_are_damaged_by_it(prepared: PreparedData, put: Callable[[Path], None], name: str) -> None:
    put(prepared.path / name)
    with pytest.raises(CorpusError, match="gone or damaged"):
        open_prepared(prepared.path)


def test_a_replay_sample_is_refused(tmp_path: Path, put: Callable[[Path], None]) -> None:
    tokens = np.arange(50, dtype=np.uint8)
    save_sample(tmp_path, ReplaySample("abc", tokens, tokens, 50))
    assert load_sample(tmp_path, "abc").held_out_bytes == 50
    put(tmp_path / sample_name("abc"))
    with pytest.raises(CorpusError, match="cannot be read"):
        load_sample(tmp_path, "abc")


def test_puzzles_are_made_again(tmp_path: Path) -> None:
    made = result_of(open_puzzles("sudoku:4x4", 3, cache=tmp_path))
    os.mkfifo(tmp_path / "pipe")
    os.replace(tmp_path / "pipe", next(tmp_path.glob("*.json")))
    again = result_of(open_puzzles("sudoku:4x4", 3, cache=tmp_path))
    assert again.content_hash == made.content_hash


def test_a_wrong_number_in_the_description_of_tokens_is_found(prepared: PreparedData) -> None:
    meta = json.loads((prepared.path / "meta.json").read_text())
    (prepared.path / "meta.json").write_text(json.dumps({**meta, "validation_bytes": 1}))
    with pytest.raises(CorpusError, match="gone or damaged"):
        open_prepared(prepared.path)


def test_a_file_is_made_with_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        open_to_append(tmp_path / "x").close()
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_a_sample_does_not_bring_back_a_run_that_was_moved(tmp_path: Path) -> None:
    tokens = np.arange(50, dtype=np.uint8)
    with pytest.raises(StorageError):
        save_sample(tmp_path / "moved" / "replay", ReplaySample("abc", tokens, tokens, 50))
    assert not (tmp_path / "moved").exists()


def test_no_file_has_a_nul_in_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_plain_file(tmp_path / "a\x00b", 10)
