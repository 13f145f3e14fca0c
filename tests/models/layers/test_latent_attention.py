"""Latent attention against a slow reference, and what its positions mean."""

import pytest
import torch
from torch import Tensor

from models.layers.latent_attention import LatentAttention, LatentContext
from models.layers.latent_cache import LatentCache
from models.layers.rotary import rotary_tables, rotate

WIDTH, HEADS, LATENT, ROWS, LENGTH = 24, 3, 6, 2, 5
HEAD = WIDTH // HEADS


@pytest.fixture
def layer() -> LatentAttention:
    torch.manual_seed(0)
    layer = LatentAttention(WIDTH, HEADS, LATENT).eval().requires_grad_(False)
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, mean=0.5 if weight.ndim == 1 else 0.0, std=0.3)
    return layer


def context_at(places: Tensor, mask: Tensor | None, prefix: Tensor | None = None) -> LatentContext:
    """Of tokens at `places` (T,), with a prefix (1, P, R) right before place 0."""
    count = 0 if prefix is None else prefix.size(1)
    cos, sin = rotary_tables(HEAD, 64)
    keys = torch.cat((torch.arange(-count, 0), places))
    # Rotation by a negative place is the inverse rotation.
    key_cos, key_sin = cos[keys.abs()], sin[keys.abs()] * keys.sign()[:, None]
    return LatentContext(
        cos=cos[places][None, :, None, None],
        sin=sin[places][None, :, None, None],
        mask=mask,
        causal=False,
        prefix=prefix,
        key_cos=key_cos[None, :, None],
        key_sin=key_sin[None, :, None],
    )


def causal(length: int) -> Tensor:
    return torch.ones(1, 1, length, length, dtype=torch.bool).tril()


def unit(x: Tensor) -> Tensor:
    return x / x.square().mean(-1, keepdim=True).add(1e-6).sqrt()


def slowly(layer: LatentAttention, x: Tensor, prefix: Tensor) -> Tensor:
    """One token, one head, one key at a time: x (T, D), prefix (P, R)."""
    cos, sin = rotary_tables(HEAD, 64)

    def turned(y: Tensor, place: int) -> Tensor:
        return rotate(y, cos[abs(place)], sin[abs(place)] * (1 if place >= 0 else -1))

    answers = []
    for t in range(len(x)):
        heads = []
        for h in range(HEADS):
            part = slice(h * HEAD, (h + 1) * HEAD)
            q = turned(unit((layer.q_up.weight @ layer.q_down.weight @ x[t])[part]) * layer.q_norm.weight, t)
            scores, values = [], []
            for place in range(-len(prefix), t + 1):
                latent = prefix[place + len(prefix)] if place < 0 else layer.kv_down.weight @ x[place]
                k_up, v_up = layer.kv_up.weight.chunk(2)
                k = turned(unit((k_up @ latent)[part]) * layer.k_norm.weight, place)
                scores.append(q @ k * HEAD**-0.5)
                values.append((v_up @ latent)[part])
            heads.append(torch.stack(scores).softmax(0) @ torch.stack(values))
        answers.append(layer.out.weight @ torch.cat(heads))
    return torch.stack(answers)


def test_the_output_equals_a_slow_reference(layer: LatentAttention) -> None:
    x, prefix = torch.randn(ROWS, LENGTH, WIDTH), torch.randn(1, 2, LATENT)
    found = layer(x, context_at(torch.arange(LENGTH), causal(LENGTH), prefix), 0)
    for row in range(ROWS):
        assert torch.allclose(found[row], slowly(layer, x[row], prefix[0]), atol=1e-5)


def test_the_output_depends_on_distances_only(layer: LatentAttention) -> None:
    x = torch.randn(ROWS, LENGTH, WIDTH)
    here = layer(x, context_at(torch.arange(LENGTH), causal(LENGTH)), 0)
    there = layer(x, context_at(torch.arange(LENGTH) + 40, causal(LENGTH)), 0)
    assert torch.allclose(here, there, atol=1e-5)


def test_cached_latents_give_the_same_keys(layer: LatentAttention) -> None:
    x, prefix = torch.randn(ROWS, LENGTH, WIDTH), torch.randn(1, 2, LATENT)
    whole = layer(x, context_at(torch.arange(LENGTH), causal(LENGTH), prefix), 0)
    cache = LatentCache(1, ROWS, LENGTH, LATENT, torch.device("cpu"))
    for place in range(LENGTH):
        context = context_at(torch.arange(place + 1), None, prefix)
        assert context.cos is not None and context.sin is not None
        context.cos, context.sin, context.cache = context.cos[:, -1:], context.sin[:, -1:], cache
        found = layer(x[:, place : place + 1], context, 0)
        cache.advance(1)
        assert torch.allclose(found[:, 0], whole[:, place], atol=1e-5)
