"""The outputs at several depths at once are those of single calls."""

import pytest
import torch

from models.depth import MODES, Depth
from tests.models.small_models import MODEST, Kind, calls_during, new_model, random_tokens, stirred

DEPTHS = [Depth(2, 2), Depth(1), Depth(6, 4), Depth(3, 2)]


@pytest.mark.parametrize("kind", MODEST)
def test_outputs_at_several_depths_are_those_of_single_calls(kind: Kind) -> None:
    model, tokens = stirred(new_model(kind)), random_tokens(3, 8)
    with torch.inference_mode():
        for depth, output in zip(DEPTHS, model.outputs(tokens, DEPTHS), strict=True):
            alone = model(tokens, depth)
            torch.testing.assert_close(output.logits, alone.logits)
            assert torch.equal(output.passes, alone.passes)


@pytest.mark.parametrize("kind", MODEST)
def test_their_attention_calls_are_counted(kind: Kind) -> None:
    model, tokens = new_model(kind), random_tokens(2, 4)
    with torch.inference_mode():
        calls = calls_during(model, lambda: list(model.outputs(tokens, DEPTHS)))
    assert calls == model.joint_calls(DEPTHS)


def test_all_modes_of_a_looped_model_cost_little_more_than_the_deepest() -> None:
    model = new_model(("looped", {}))
    depths = list(MODES.values())
    assert model.joint_calls(depths) == model.attention_calls(max(depths)) + len(depths) - 1


def test_a_halting_threshold_is_kept() -> None:
    model, tokens = new_model(("looped", {})), random_tokens(2, 8)
    depths = [Depth(6, halt=0.1), Depth(2)]
    with torch.inference_mode():
        halted, whole = model.outputs(tokens, depths)
        assert torch.equal(halted.passes, model(tokens, depths[0]).passes)
    assert (whole.passes == 2).all() and (halted.passes < 6).any()
