"""A cache of latents is written, copied, truncated and reordered like one of keys and values."""

import torch

from models.architectures import build_model, model_config
from models.layers.latent_cache import LatentCache
from models.layers.selection import Selection

SLOTS, ROWS, LENGTH, WIDTH = 3, 2, 6, 5
CPU = torch.device("cpu")


def filled() -> tuple[LatentCache, torch.Tensor]:
    """A cache of four tokens, and their latents in each slot (slots, B, 4, R)."""
    torch.manual_seed(0)
    cache, latents = LatentCache(SLOTS, ROWS, LENGTH, WIDTH, CPU), torch.randn(SLOTS, ROWS, 4, WIDTH)
    for slot in range(SLOTS):
        assert torch.equal(cache.recall(slot, latents[slot]), latents[slot])
    cache.append_ids(torch.arange(8).view(2, 4))
    cache.advance(4)
    return cache, latents


def test_new_latents_are_appended() -> None:
    cache, latents = filled()
    new = torch.randn(ROWS, 2, WIDTH)
    assert torch.equal(cache.recall(1, new), torch.cat((latents[1], new), dim=1))
    assert cache.length == 4 and cache.capacity == LENGTH
    assert cache.last_tokens(2).tolist() == [[2, 3], [6, 7]]


def test_a_cache_can_be_truncated_and_reordered() -> None:
    cache, latents = filled()
    cache.truncate(2)
    cache.select(torch.tensor([1]))
    new = torch.randn(1, 1, WIDTH)
    assert torch.equal(cache.recall(0, new), torch.cat((latents[0, 1:, :2], new), dim=1))


def test_tokens_that_left_keep_their_latents() -> None:
    cache, _ = filled()
    first = torch.randn(ROWS, 2, WIDTH)
    cache.recall(0, first)
    cache.repeat(range(0, 1), range(1, 2), 2)
    selection = Selection.of(torch.tensor([[True, False], [False, False]]))
    fresh = torch.randn(ROWS, 1, WIDTH)
    held = cache.recall(1, fresh, selection)[:, 4:]  # of the two newest
    assert torch.equal(held[0, 0], fresh[0, 0])
    assert torch.equal(held[0, 1], first[0, 1]) and torch.equal(held[1], first[1])


def test_reset_removes_the_prefix_too() -> None:
    cut, _ = filled()
    cut.prefix = torch.zeros(SLOTS, 2, WIDTH)
    cut.truncate(0)
    assert cut.prefix is not None
    emptied, _ = filled()
    emptied.prefix = torch.zeros(SLOTS, 2, WIDTH)
    emptied.reset()
    assert emptied.length == 0
    assert emptied.prefix is None


def test_a_latent_takes_an_eighth_of_keys_and_values() -> None:
    """A latent is a quarter of the width, and there is one where keys and values are two."""
    width, heads, tokens = 32, 4, 7
    shape = {"d_model": width, "n_heads": heads, "context_length": 16, "vocab_size": 20}
    found = {}
    for name, slots in (("ouroboros", 4), ("looped", 1 + 3 + 1)):
        cache = build_model(model_config({"architecture": name, **shape})).new_cache(ROWS, tokens)
        assert len(cache.keys) == slots
        held = cache.keys.nbytes + cache.values.nbytes
        assert held == cache.bytes_per_token * slots * ROWS * tokens
        found[name] = cache.bytes_per_token
    assert found == {"ouroboros": 4 * width // 4, "looped": 4 * 2 * width}
    assert found["looped"] >= 4 * found["ouroboros"]


def test_bytes_are_those_of_one_latent() -> None:
    cache = LatentCache(SLOTS, ROWS, LENGTH, WIDTH, CPU)
    assert cache.bytes_per_token == 4 * WIDTH
    assert cache.bytes_per_token * SLOTS * ROWS * LENGTH == cache.keys.nbytes + cache.values.nbytes
