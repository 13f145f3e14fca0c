"""Replay samples: bounded in size, spread evenly, and refused when damaged."""

import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.document_borders import document_numbers
from data.errors import CorpusError, StorageError
from data.loss_marks import unmarked, with_marks
from data.replay import (
    HELD_OUT_TOKENS,
    PIECE_TOKENS,
    REPLAY_BYTES,
    ReplaySample,
    bytes_per_sample,
    draw_sample,
    load_sample,
    save_sample,
    thin_sample,
    with_borders,
)

HASH = hashlib.sha256(b"a corpus").hexdigest()


def numbered(count: int, largest: int = 2**32 - 1) -> np.ndarray:
    return (np.arange(count, dtype=np.int64) % (largest + 1)).astype(np.uint32)


def same(a: ReplaySample, b: ReplaySample) -> bool:
    return (
        (a.content_hash, a.held_out_bytes) == (b.content_hash, b.held_out_bytes)
        and a.train.dtype == b.train.dtype
        and np.array_equal(a.train, b.train)
        and np.array_equal(a.held_out, b.held_out)
    )


@pytest.mark.parametrize(("largest", "dtype"), [(255, "uint8"), (256, "uint16"), (2**16, "uint32")])
def test_a_corpus_that_fits_is_kept_whole_in_the_smallest_type(largest: int, dtype: str) -> None:
    train, held_out = numbered(largest + 10, largest), numbered(20)
    sample = draw_sample(HASH, train, held_out, 33, REPLAY_BYTES)
    assert sample.train.dtype == sample.held_out.dtype == np.dtype(dtype)
    assert np.array_equal(sample.train, train) and np.array_equal(sample.held_out, held_out)
    assert (sample.content_hash, sample.held_out_bytes) == (HASH, 33)


def test_a_larger_corpus_is_drawn_evenly_and_within_its_bytes(tmp_path: Path) -> None:
    train, held_out = numbered(3_000_000, 60_000), numbered(300_000, 60_000)
    sample = draw_sample(HASH, train, held_out, 600_001, REPLAY_BYTES)
    save_sample(tmp_path, sample)
    assert (tmp_path / f"{HASH[:16]}.safetensors").stat().st_size <= REPLAY_BYTES
    assert sample.train.nbytes > 0.85 * (REPLAY_BYTES - sample.held_out.nbytes)
    kept = len(sample.held_out)
    assert HELD_OUT_TOKENS - PIECE_TOKENS < kept <= HELD_OUT_TOKENS
    assert not np.array_equal(sample.held_out, held_out[:kept]), "it is not the beginning alone"
    assert sample.held_out_bytes == round(600_001 * kept / 300_000)


@pytest.mark.parametrize("marked", [False, True])
def test_no_document_goes_on_from_one_piece_to_the_next(marked: bool) -> None:
    tokens = np.full(40 * PIECE_TOKENS + 9, 20, dtype=np.uint8)  # a document without a border
    sample = draw_sample(HASH, tokens, tokens[:100], 100, 12 * PIECE_TOKENS)
    part = with_marks(sample.train) if marked else sample.train
    pieces = len(part) // PIECE_TOKENS
    assert pieces > 5
    apart = with_borders(part)
    numbers = document_numbers(unmarked(apart)[None].astype(np.int64))[0]
    # The first piece has no bos before it.
    assert np.bincount(numbers).tolist() == [PIECE_TOKENS, *[PIECE_TOKENS + 1] * (pieces - 1)]
    assert np.array_equal(apart[unmarked(apart) == 20], part)
    assert with_borders(sample.held_out) is sample.held_out, "it is whole"


@given(
    pieces=st.integers(1, 200),
    tail=st.integers(0, PIECE_TOKENS - 1),
    kept=st.integers(1, 60),
    spare=st.integers(0, 1000),
)
def test_pieces_lie_at_equal_distances_in_order(pieces: int, tail: int, kept: int, spare: int) -> None:
    train = numbered(pieces * PIECE_TOKENS + tail) + np.uint32(2**16)
    room = kept * PIECE_TOKENS + spare
    drawn = draw_sample(HASH, train, numbered(0), 0, room * 4 + 1024).train
    if len(train) <= room:
        assert np.array_equal(drawn, train)
        return
    starts = (drawn[::PIECE_TOKENS] - 2**16) // PIECE_TOKENS
    assert len(drawn) == kept * PIECE_TOKENS
    assert (drawn.reshape(kept, -1) == train[starts[:, None] * PIECE_TOKENS + np.arange(PIECE_TOKENS)]).all()
    assert starts[0] == 0 and np.ptp(np.diff([*starts.tolist(), pieces])) <= 1


def test_a_smaller_sample_keeps_the_held_out_part_and_whole_pieces() -> None:
    train, held_out = numbered(600_000, 60_000), numbered(30_000, 60_000)
    sample = draw_sample(HASH, train, held_out, 70_000, 1_000_000)
    thin = thin_sample(sample, 300_000)
    assert np.array_equal(thin.held_out, sample.held_out) and thin.held_out_bytes == 70_000
    assert thin.train.nbytes + thin.held_out.nbytes < 300_000 < 1_000_000
    kept = {piece.tobytes() for piece in sample.train.reshape(-1, PIECE_TOKENS)}
    assert kept >= {piece.tobytes() for piece in thin.train.reshape(-1, PIECE_TOKENS)}
    assert same(thin_sample(thin, 300_000), thin)


def test_some_training_text_is_kept_however_little_room_there_is() -> None:
    sample = draw_sample(HASH, numbered(100_000, 200), numbered(50_000, 200), 50_000, 8_000)
    assert len(sample.train) == 2_000 and len(sample.held_out) == 50_000


def test_the_budget_is_shared_equally() -> None:
    assert bytes_per_sample(REPLAY_BYTES, 1) == REPLAY_BYTES
    assert bytes_per_sample(REPLAY_BYTES, 3) * 3 <= REPLAY_BYTES < (bytes_per_sample(REPLAY_BYTES, 3) + 1) * 3


@pytest.mark.parametrize("largest", [200, 300, 70_000])
@pytest.mark.parametrize("held_out", [0, 999])
def test_a_saved_sample_is_read_back(tmp_path: Path, largest: int, held_out: int) -> None:
    sample = draw_sample(HASH, numbered(75_000, largest), numbered(held_out), held_out, REPLAY_BYTES)
    save_sample(tmp_path / "replay", sample)
    save_sample(tmp_path / "replay", sample)
    assert same(load_sample(tmp_path / "replay", HASH), sample)
    assert [path.name for path in (tmp_path / "replay").iterdir()] == [f"{HASH[:16]}.safetensors"]


def test_a_damaged_byte_anywhere_is_noticed(tmp_path: Path) -> None:
    sample = draw_sample(HASH, numbered(40, 300), numbered(20, 300), 45, REPLAY_BYTES)
    save_sample(tmp_path, sample)
    path = tmp_path / f"{HASH[:16]}.safetensors"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        try:
            assert same(load_sample(tmp_path, HASH), sample)  # a blank of the header
        except CorpusError as error:
            assert "damaged" in error.message and error.hint
    for damaged in (b"", whole[:-1], whole[:100], whole + b"x", b"\0" * len(whole)):
        path.write_bytes(damaged)
        with pytest.raises(CorpusError, match="damaged"):
            load_sample(tmp_path, HASH)


def test_a_flipped_token_is_never_read(tmp_path: Path) -> None:
    save_sample(tmp_path, draw_sample(HASH, numbered(100, 200), numbered(30, 200), 30, REPLAY_BYTES))
    path = tmp_path / f"{HASH[:16]}.safetensors"
    whole = path.read_bytes()
    for place in range(len(whole) - 130, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CorpusError, match="damaged"):
            load_sample(tmp_path, HASH)


def test_the_sample_of_another_corpus_is_refused(tmp_path: Path) -> None:
    twin = HASH[:16] + "0" * 48
    save_sample(tmp_path, draw_sample(twin, numbered(40), numbered(20), 20, REPLAY_BYTES))
    with pytest.raises(CorpusError, match="damaged"):
        load_sample(tmp_path, HASH)


def test_a_missing_sample_and_a_wrong_hash_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="missing"):
        load_sample(tmp_path, HASH)
    for name in ("../secret", "", "/etc/passwd"):
        with pytest.raises(CorpusError, match="not the hash"):
            load_sample(tmp_path, name)


@pytest.mark.parametrize(
    ("number", "message", "hint"),
    [
        (errno.ENOSPC, "The disk is full: the replay sample in ", "Free some space"),
        (errno.EACCES, "Could not save the replay sample in ", "Check that the folder can be written"),
    ],
)
def test_a_failed_write_keeps_the_old_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str, hint: str
) -> None:
    before = draw_sample(HASH, numbered(40), numbered(20), 20, REPLAY_BYTES)
    save_sample(tmp_path, before)

    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=message) as caught:
        save_sample(tmp_path, draw_sample(HASH, numbered(30), numbered(10), 10, REPLAY_BYTES))
    assert (caught.value.hint or "").startswith(hint)
    monkeypatch.undo()
    assert same(load_sample(tmp_path, HASH), before)
    assert len(list(tmp_path.iterdir())) == 1
