"""Which source a sequence comes from: in the shares that were asked for, and by its position alone."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.document_borders import document_numbers
from data.loader import BlockSampler
from data.mixes.sampler import MixSampler, MixSchedule, source_sampler
from data.mixes.spec import PARTS, parts_of

CONTEXT = 4
weights = st.lists(st.floats(0.001, 100), min_size=1, max_size=8)
parts = st.lists(st.integers(1, 60), min_size=1, max_size=8)


def mixed(parts: list[int], seed: int = 0) -> MixSampler:
    """Sources of different lengths; the number of the source is the thousands of its tokens."""
    samplers = [
        source_sampler(np.arange(11 + 9 * k, dtype=np.uint32) + 1000 * k, CONTEXT, seed, str(k))
        for k in range(len(parts))
    ]
    return MixSampler(samplers, parts)


@given(weights)
def test_parts_are_the_weights_to_four_decimals(weights: list[float]) -> None:
    found = parts_of(weights)
    assert sum(found) == PARTS
    total = sum(map(Fraction, weights))
    assert all(abs(one - PARTS * Fraction(w) / total) < 1 for one, w in zip(found, weights, strict=True))


@given(parts, st.integers(0, 5000))
def test_every_beginning_has_the_shares(parts: list[int], position: int) -> None:
    schedule = MixSchedule(parts)
    drawn = schedule.drawn(position)
    assert sum(drawn) == position
    for count, part in zip(drawn, parts, strict=True):
        share = part / sum(parts)
        assert abs(count - position * share) <= 1 + len(parts) * share


@given(parts, st.integers(0, 2**40), st.integers(1, 300))
def test_what_is_drawn_is_what_is_counted(parts: list[int], position: int, size: int) -> None:
    schedule = MixSchedule(parts)
    sources, numbers = schedule.draw(np.arange(position, position + size))
    before, after = schedule.drawn(position), schedule.drawn(position + size)
    for source in range(len(parts)):
        # No sequence of a source is left out, and none comes twice.
        assert numbers[sources == source].tolist() == list(range(before[source], after[source]))


@given(parts, st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 2**20))
def test_a_batch_depends_on_its_position_alone(parts: list[int], sizes: list[int], start: int) -> None:
    whole = mixed(parts).batch(start, sum(sizes))
    again = mixed(parts)
    bounds = np.cumsum([0, *sizes])
    found = [again.batch(start + int(at), size) for at, size in zip(bounds, sizes, strict=False)]
    assert (np.concatenate(found) == whole).all()


@given(parts, st.integers(1, 400))
def test_a_sequence_is_of_one_source_in_its_share(parts: list[int], size: int) -> None:
    sampler = mixed(parts)
    blocks = sampler.batch(0, size)
    assert blocks.shape == (size, CONTEXT + 1)
    sources = blocks // 1000
    assert (sources == sources[:, :1]).all()
    counted = np.bincount(sources[:, 0], minlength=len(parts)).tolist()
    assert counted == sampler.schedule.drawn(size)


def test_each_source_has_an_order_of_its_own() -> None:
    tokens = np.arange(401, dtype=np.uint32)
    one, other, again = (source_sampler(tokens, CONTEXT, 7, name) for name in ("a", "b", "a"))
    assert (one.batch(0, 50) != other.batch(0, 50)).any()
    assert (one.batch(0, 50) == again.batch(0, 50)).all()


@given(st.integers(1, 3 * CONTEXT))
def test_a_source_that_fills_no_sequence_is_repeated(length: int) -> None:
    tokens = np.arange(length, dtype=np.uint32)
    sampler = source_sampler(tokens, CONTEXT, 0, "short")
    blocks = sampler.batch(0, 40)
    assert set(blocks.flatten().tolist()) <= set(range(length))
    if length <= CONTEXT:
        assert set(blocks.flatten().tolist()) == set(range(length))


def test_a_source_that_is_repeated_ends_each_time_where_documents_are_kept_apart() -> None:
    for tokens, ends in (([20, 21, 22], 4), ([2, 20, 21, 3], 4)):  # a plain text, and a record
        once = np.array(tokens, dtype=np.uint8)
        sampler = source_sampler(once, CONTEXT, 0, "short", within_documents=True)
        for block in document_numbers(sampler.batch(0, 20)):
            assert len(set(block[::ends].tolist())) == len(block[::ends]), "each reading is a document"


@given(parts, st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_starting_over_is_told_once(parts: list[int], sizes: list[int]) -> None:
    sampler = mixed(parts)
    told, at = list[int](), 0
    for size in sizes:
        told += sampler.started_over(at, at + size)
        at += size
    drawn = sampler.schedule.drawn(at)
    expected = [k for k, one in enumerate(sampler.samplers) if drawn[k] > one.blocks_per_epoch]
    assert sorted(told) == expected


def test_unequal_contexts_and_parts_of_nothing_are_refused() -> None:
    tokens = np.arange(100, dtype=np.uint8)
    with pytest.raises(ValueError, match="context"):
        MixSampler([BlockSampler(tokens, 4, 0), BlockSampler(tokens, 5, 0)], [1, 1])
    for wrong in ([], [0, 1], [-1, 2]):
        with pytest.raises(ValueError, match="parts"):
            MixSchedule(wrong)
