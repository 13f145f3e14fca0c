"""Mixed sources: each in its share, evenly spread, and a pure function of the position."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.loader import BlockSampler
from data.mixes.sampler import MixSampler
from data.mixture import MixedSampler, replay_sources

CONTEXT = 4
CORPUS = 10_000
shares = st.integers(0, 9_999).map(lambda parts: parts / 10_000)
counts = st.integers(1, 3)


def samplers(number: int) -> list[BlockSampler]:
    """A corpus for each; the number of the corpus is the ten thousands of its tokens."""
    sizes = (83, 61, 40, 27)
    tokens = [np.arange(sizes[i], dtype=np.uint32) + i * CORPUS for i in range(number)]
    return [BlockSampler(t, CONTEXT, seed=i) for i, t in enumerate(tokens)]


@given(share=shares, replayed=counts, position=st.integers(0, 2**40), size=st.integers(1, 200))
def test_every_sequence_is_the_next_of_its_source(
    share: float, replayed: int, position: int, size: int
) -> None:
    fresh, *old = samplers(1 + replayed)
    blocks = MixedSampler(replay_sources(fresh, old, share)).batch(position, size)
    assert blocks.shape == (size, CONTEXT + 1) and blocks.dtype == np.int64
    exact = Fraction(round(share * 10_000), 10_000)
    for p, block in zip(range(position, position + size), blocks, strict=True):
        before = int(p * exact)
        if int((p + 1) * exact) > before:
            expected = [sampler.batch(before, 1)[0] for sampler in old]
        else:
            expected = [fresh.batch(p - before, 1)[0]]
        assert any((block == one).all() for one in expected)


@given(share=shares, replayed=counts, sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_a_batch_depends_on_its_position_alone(share: float, replayed: int, sizes: list[int]) -> None:
    fresh, *old = samplers(1 + replayed)
    whole = MixedSampler(replay_sources(fresh, old, share)).batch(17, sum(sizes))
    again = MixedSampler(replay_sources(fresh, old, share))
    bounds = np.cumsum([0, *sizes])
    parts = [again.batch(17 + int(b), n) for b, n in zip(bounds, sizes, strict=False)]
    assert (np.concatenate(parts) == whole).all()


@given(share=shares)
def test_an_epoch_reads_the_new_text_once(share: float) -> None:
    fresh, old = samplers(2)
    mixed = MixedSampler(replay_sources(fresh, [old], share))
    if mixed.blocks_per_epoch > 50_000:
        return
    from_fresh = mixed.batch(0, mixed.blocks_per_epoch)[:, 0] < CORPUS
    assert from_fresh.sum() == fresh.blocks_per_epoch
    assert from_fresh[-1]


def test_every_twentieth_sequence_is_replayed_and_longer_texts_more_often() -> None:
    fresh, first, second = samplers(3)
    corpora = MixedSampler(replay_sources(fresh, [first, second], 0.05)).batch(0, 20_000)[:, 0] // CORPUS
    assert np.flatnonzero(corpora).tolist() == list(range(19, 20_000, 20))
    share = (corpora == 1).sum() / (corpora > 0).sum()
    assert share == pytest.approx(61 / (61 + 40), abs=0.005)


@pytest.mark.parametrize(("replayed", "share"), [(1, 0.0), (0, 0.5)])
def test_without_replay_the_mixture_is_its_first_source(replayed: int, share: float) -> None:
    fresh, *old = samplers(1 + replayed)
    mixed = MixedSampler(replay_sources(fresh, old, share))
    assert mixed.blocks_per_epoch == fresh.blocks_per_epoch
    assert mixed.context_length == fresh.context_length
    assert (mixed.batch(5, 100) == fresh.batch(5, 100)).all()


@pytest.mark.parametrize("share", [-0.1, 1.0, 0.99999, 2.0])
def test_a_share_that_leaves_nothing_for_the_new_text_is_refused(share: float) -> None:
    fresh, old = samplers(2)
    with pytest.raises(ValueError, match="share"):
        MixedSampler(replay_sources(fresh, [old], share))


def test_unequal_contexts_are_refused() -> None:
    fresh, old = samplers(2)
    with pytest.raises(ValueError, match="context"):
        MixedSampler(replay_sources(fresh, [BlockSampler(old.tokens, CONTEXT + 1, 0)], 0.1))


def test_the_order_is_the_one_that_earlier_runs_used() -> None:
    """A changed order would make a resumed run another run."""
    fresh, first, second, third = samplers(4)
    mixed = MixedSampler(replay_sources(fresh, [first, second, third], 0.37))
    assert mixed.batch(987_654_321, 24)[:, 0].tolist() == [
        10027, 22, 62, 20032, 38, 58, 10019, 6, 30008, 70, 74, 20028,
        42, 66, 10008, 34, 30000, 2, 54, 10028, 50, 46, 10040, 10,
    ]  # fmt: skip


def test_three_sources_have_their_shares() -> None:
    first, second, third = samplers(3)
    mixed = MixedSampler([(first, 0.5), (second, 0.3), (third, 0.2)])
    sources = mixed.batch(0, 10_000)[:, 0] // CORPUS
    assert np.bincount(sources)[0] == 5_000
    assert np.bincount(sources) / 10_000 == pytest.approx([0.5, 0.3, 0.2], abs=0.002)
    for start in range(0, 10_000, 500):  # evenly spread
        counts = np.bincount(sources[start : start + 500], minlength=3) / 500
        assert counts == pytest.approx([0.5, 0.3, 0.2], abs=0.02)
    assert mixed.blocks_per_epoch == 2 * (first.blocks_per_epoch - 1) + 1


def test_a_source_without_a_share_is_never_drawn() -> None:
    first, second, third = samplers(3)
    sources = MixedSampler([(first, 0.9), (second, 0.0), (third, 0.1)]).batch(0, 5_000)[:, 0] // CORPUS
    assert np.bincount(sources).tolist() == [4_500, 0, 500]


@pytest.mark.parametrize("shares", [(0.5, 0.4), (0.5, 0.6), (1.2, -0.2), (0.0, 1.0), (-0.5, 1.5)])
def test_shares_that_do_not_add_to_one_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="shares of a mixture"):
        MixedSampler(list(zip(samplers(2), shares, strict=True)))
    with pytest.raises(ValueError, match="shares of a mixture"):
        MixedSampler([])


@given(share=shares, position=st.integers(0, 2**40), size=st.integers(1, 60))
def test_a_mix_takes_the_place_of_the_new_text(share: float, position: int, size: int) -> None:
    first, second, old = samplers(3)
    mix = MixSampler([first, second], [3, 1])
    mixed = MixedSampler(replay_sources(mix, [old], share))
    blocks = mixed.batch(position, size)
    for number, block in enumerate(blocks):
        drawn = mixed.of_first(position + number)
        is_new = mixed.of_first(position + number + 1) > drawn
        assert is_new == (block[0] < 2 * CORPUS)
        if is_new:
            assert (block == mix.batch(drawn, 1)[0]).all()


def test_earlier_texts_are_replayed_in_their_weights() -> None:
    fresh, *old = samplers(4)
    weights = [Fraction(60), Fraction(30), Fraction(10)]
    sources = MixedSampler(replay_sources(fresh, old, 0.25, weights)).batch(0, 40_000)[:, 0] // CORPUS
    assert np.bincount(sources) / 400 == pytest.approx([75, 15, 7.5, 2.5], abs=0.1)
