"""Compilation and the optimizer find the blocks of every architecture."""

import pytest
import torch
from torch import nn

from models.architectures import ARCHITECTURES, build_model, model_config
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
