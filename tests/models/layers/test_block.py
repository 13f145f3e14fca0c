"""Compilation and the optimizer find the blocks of every architecture."""

import pytest
import torch
from torch import nn

from models.architectures import ARCHITECTURES, build_model, model_config
from models.layers.attention import attend
from models.layers.block import Block, PreNormBlock
from models.layers.post_norm import PostNormBlock

SMALL = {"d_model": 32, "n_heads": 2, "context_length": 16, "vocab_size": 20}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_is_made_of_blocks(name: str) -> None:
    model = build_model(model_config({"architecture": name, **SMALL}))
    blocks = [part for part in model.modules() if isinstance(part, Block)]
    assert blocks
    for block in blocks:
        assert isinstance(block.dropout, nn.Dropout)
        assert [name for name, _ in block.named_children() if "norm" not in name] == [
            "attention",
            "feed_forward",
            "dropout",
        ]


@pytest.mark.parametrize(
    ("shape", "number_format"), [((1, 1, 32), torch.float32), ((2, 3, 32), torch.bfloat16)]
)
def test_a_change_is_dropped_and_added_as_torch_does(
    shape: tuple[int, ...], number_format: torch.dtype
) -> None:
    """Also where the two have other shapes, or `x` has the narrower format."""
    x, change = torch.zeros(shape, dtype=number_format), torch.ones(2, 3, 32)
    for one, other in ((x, change), (change, x)):
        out = PreNormBlock(32, 2, 48, dropout=0.5).train().added(one, other)
        assert out.shape == change.shape and out.dtype == torch.float32
        assert bool(((out == 0) | (out == 1) | (out == 2)).all())


@pytest.mark.parametrize("number_format", [torch.float64, torch.float32, torch.bfloat16])
def test_attention_with_more_keys_than_queries(number_format: torch.dtype) -> None:
    """The last query sees all keys, and each one before sees one key less."""
    q, k = torch.randn(2, 2, 4, 8).requires_grad_(), torch.randn(2, 2, 7, 8)
    found = attend(*(one.to(number_format) for one in (q, k, k)), None, causal=True)
    for query in range(4):
        seen = k[:, :, : 4 + query]
        right = nn.functional.scaled_dot_product_attention(q[:, :, query : query + 1], seen, seen)
        torch.testing.assert_close(found[:, :, query : query + 1].float(), right, rtol=0.05, atol=0.05)


def test_a_block_without_norms_of_its_own_is_no_block_that_has_them() -> None:
    post = PostNormBlock(32, 2, 48)
    assert isinstance(post, Block) and not isinstance(post, PreNormBlock)
    assert not any("norm" in name for name, _ in post.named_parameters())
    assert any("norm" in name for name, _ in PreNormBlock(32, 2, 48).named_parameters())


@pytest.mark.parametrize("positions", ["rotary", "learned", "sinusoidal"])
def test_rotary_tables_are_not_computed_on_the_meta_device(positions: str) -> None:
    with torch.device("meta"):
        model = build_model(model_config({**SMALL, "architecture": "transformer", "positions": positions}))
    assert all(buffer.device.type == "meta" for buffer in model.buffers())


def test_sinusoidal_tables_are_not_computed_on_the_meta_device(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.layers import rotary

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("arange on meta imports half of torch")

    monkeypatch.setattr(rotary.torch, "arange", refuse)
    with torch.device("meta"):
        assert rotary.sinusoidal_table(8, 5).shape == (5, 8)
        assert rotary.rotary_tables(8, 5)[0].shape == (5, 8)
