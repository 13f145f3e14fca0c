"""The order of the data: a pure function of (seed, position), each target once per epoch."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.loader import IGNORED, BlockSampler, validation_windows

lengths = st.integers(1, 40)
seeds = st.integers(-(2**63), 2**64 - 1)


def tokens_of(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint32)


@given(context=lengths, extra=st.integers(1, 400), seed=seeds, epoch=st.integers(0, 10**6))
def test_an_epoch_visits_each_block_once_and_no_target_twice(
    context: int, extra: int, seed: int, epoch: int
) -> None:
    sampler = BlockSampler(tokens_of(context + extra), context, seed)
    count = sampler.blocks_per_epoch
    blocks = sampler.batch(epoch * count, count)
    assert blocks.shape == (count, context + 1) and blocks.dtype == np.int64
    assert (np.diff(blocks, axis=1) == 1).all()
    starts = np.sort(blocks[:, 0])
    assert (np.diff(starts) == context).all()
    left_out = context + extra - 1 - count * context
    assert 0 <= left_out < 2 * context


@given(
    context=lengths,
    extra=st.integers(1, 400),
    seed=seeds,
    position=st.integers(0, 2**40),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6),
)
def test_a_batch_depends_on_its_position_alone(
    context: int, extra: int, seed: int, position: int, sizes: list[int]
) -> None:
    tokens = tokens_of(context + extra)
    whole = BlockSampler(tokens, context, seed).batch(position, sum(sizes))
    sampler = BlockSampler(tokens.astype(np.uint16), context, seed)
    bounds = np.cumsum([0, *sizes])
    parts = [sampler.batch(position + int(b), n) for b, n in zip(bounds, sizes, strict=False)]
    assert (np.concatenate(parts) == whole).all()


@given(
    context=lengths,
    extra=st.integers(1, 400),
    seed=seeds,
    indices=st.lists(st.integers(0, 2**40), max_size=9),
)
def test_blocks_are_read_by_their_numbers_in_any_order(
    context: int, extra: int, seed: int, indices: list[int]
) -> None:
    sampler = BlockSampler(tokens_of(context + extra), context, seed)
    blocks = sampler.blocks(np.array(indices, dtype=np.int64))
    assert blocks.shape == (len(indices), context + 1) and blocks.dtype == np.int64
    for block, index in zip(blocks, indices, strict=True):
        assert (block == sampler.batch(index, 1)[0]).all()


def test_the_order_is_the_one_that_earlier_runs_used() -> None:
    """A changed order would make a resumed run another run."""
    sampler = BlockSampler(tokens_of(1000), 10, seed=7)
    starts = [*sampler.batch(0, 6)[:, 0], *sampler.batch(99, 3)[:, 0]]
    assert [int(s) for s in starts] == [603, 183, 853, 433, 153, 423, 758, 548, 168]


def test_epochs_and_seeds_have_different_orders_and_offsets() -> None:
    sampler = BlockSampler(tokens_of(64 * 200), 64, seed=1)
    count = sampler.blocks_per_epoch
    epochs = [sampler.batch(e * count, count)[:, 0] for e in range(40)]
    assert len({int(e[0] % 64) for e in epochs}) > 20
    orders = {tuple(e // 64) for e in epochs}
    orders |= {
        tuple(BlockSampler(tokens_of(64 * 200), 64, seed=s).batch(0, count)[:, 0] // 64) for s in (2, 3)
    }
    assert len(orders) == 42


def test_all_orders_are_about_equally_likely() -> None:
    sampler = BlockSampler(tokens_of(101), 10, seed=3)
    count = sampler.blocks_per_epoch
    drawn = sampler.batch(0, count * 4000)[:, 0].reshape(4000, count) // 10
    seen = np.stack([np.bincount(drawn[:, place], minlength=count) for place in range(count)])
    assert abs(seen / 4000 - 1 / count).max() < 0.03
    neighbours = (np.diff(drawn, axis=1) == 1).mean()
    assert abs(neighbours - 1 / count) < 0.02


def test_too_few_tokens_are_refused() -> None:
    BlockSampler(tokens_of(9), 8, seed=0)
    with pytest.raises(ValueError, match="8 tokens"):
        BlockSampler(tokens_of(8), 8, seed=0)


@given(count=st.integers(0, 300), context=lengths, batch_size=st.integers(1, 9))
def test_validation_covers_every_target_once(count: int, context: int, batch_size: int) -> None:
    seen: list[int] = []
    for inputs, targets in validation_windows(tokens_of(count).astype(np.uint8), context, batch_size):
        assert inputs.shape == targets.shape and inputs.shape[1] == context
        assert inputs.dtype == targets.dtype == np.int64 and len(inputs) <= batch_size
        used = targets != IGNORED
        assert (targets[used] == (inputs[used] + 1) % 256).all()
        assert (inputs[~used] == 0).all()
        seen += targets[used].tolist()
    assert seen == [i % 256 for i in range(1, count)]


def test_reading_a_memory_map_gives_its_pages_back(tmp_path: Path) -> None:
    size = 2**20
    np.arange(size, dtype=np.uint32).tofile(tmp_path / "tokens.bin")
    mapped = np.memmap(tmp_path / "tokens.bin", dtype=np.uint32, mode="r")
    sampler, plain = BlockSampler(mapped, 64, 5), BlockSampler(np.array(mapped), 64, 5)
    for position in range(0, 10_000, 500):
        assert (sampler.batch(position, 500) == plain.batch(position, 500)).all()
