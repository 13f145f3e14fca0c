"""The gated looped model: a dense model, and passes that begin as a small change."""

from typing import Any

import pytest
import torch

from data.errors import UsageError
from models.architectures import build_model, model_config
from models.depth import Depth
from models.recursive_lm import RecursiveLM
from tests.models.small_models import stirred

SHAPE = {"d_model": 16, "n_heads": 2, "vocab_size": 11, "context_length": 8, "ngram": 2}


def new_model(architecture: str, **more: Any) -> RecursiveLM:
    torch.manual_seed(0)
    return build_model(model_config({"architecture": architecture, **SHAPE, **more})).eval()


def test_one_pass_of_a_gated_model_is_a_dense_model_of_its_blocks() -> None:
    gated = stirred(new_model("looped", gated=True, prelude_layers=2, core_layers=2))
    dense = new_model("transformer", n_layers=5)
    for name in ("embedding", "ngram_embeddings", "head"):
        getattr(dense, name).load_state_dict(getattr(gated, name).state_dict())
    blocks = [*gated.prelude, *gated.core, *gated.coda]  # type: ignore[misc]
    for block, source in zip(dense.blocks, blocks, strict=True):  # type: ignore[arg-type]
        block.load_state_dict(source.state_dict())
    tokens = torch.randint(0, 11, (3, 8))
    with torch.inference_mode():
        torch.testing.assert_close(gated(tokens, Depth(1)).logits, dense(tokens).logits, rtol=0, atol=0)


@pytest.mark.parametrize("cycles", [2, 3, 6])
def test_a_closed_gate_makes_every_depth_the_same(cycles: int) -> None:
    model, tokens = stirred(new_model("looped", gated=True)), torch.randint(0, 11, (3, 8))
    with torch.inference_mode():
        one = model(tokens, Depth(1)).logits
        assert not torch.equal(model(tokens, Depth(cycles)).logits, one)
        model.gate.zero_()  # type: ignore[operator]
        assert torch.equal(model(tokens, Depth(cycles)).logits, one)


def test_a_gate_learns_only_where_there_are_passes() -> None:
    model, tokens = stirred(new_model("looped", gated=True)), torch.randint(0, 11, (3, 9))
    model.training_loss(tokens[:, :-1], tokens[:, 1:], Depth(1)).total.backward()
    assert model.gate.grad is None
    model.training_loss(tokens[:, :-1], tokens[:, 1:], Depth(2)).total.backward()
    assert (model.gate.grad != 0).any()  # type: ignore[union-attr]


def test_the_first_gate_is_chosen() -> None:
    assert set(new_model("looped", gated=True, first_gate=0.3).gate.tolist()) == {torch.tensor(0.3).item()}  # type: ignore[operator,union-attr]
    for wrong in (0.0, -0.1, 1.5):
        with pytest.raises(UsageError, match="first_gate"):
            new_model("looped", gated=True, first_gate=wrong)
