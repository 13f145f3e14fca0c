"""`is_trained` knows the depths that training uses."""

import pytest

from models.architectures import build_model, model_config
from models.depth import Depth, has_steps, is_trained, sample_depth
from models.generation.depth_notes import extrapolates
from models.recursive_lm import RecursiveLM

SHAPES = {
    "hrm": {"max_cycles": 3, "max_steps": 2, "l_layers": 1, "h_layers": 1, "d_feed_forward": 16},
    "looped": {},
    "transformer": {"n_layers": 2},
}


def new_model(architecture: str) -> RecursiveLM:
    values = {
        "architecture": architecture,
        "d_model": 16,
        "n_heads": 2,
        "vocab_size": 11,
        "context_length": 8,
    }
    return build_model(model_config({**values, **SHAPES[architecture]}))


@pytest.mark.parametrize("architecture", SHAPES)
def test_a_depth_is_trained_if_training_draws_it(architecture: str) -> None:
    model = new_model(architecture)
    drawn = {sample_depth(model.trained_depth, 0, step) for step in range(300)}
    for cycles in range(1, 8):
        for steps in range(1, 5):
            depth = Depth(cycles, steps)
            if not model.recursive:
                expected = True
            elif has_steps(model):
                expected = depth in drawn
            else:
                expected = any(cycles == other.cycles for other in drawn)
            assert is_trained(model, depth) == expected, depth
            assert extrapolates(model, depth) != expected


def test_more_cycles_are_untrained_even_at_the_same_cost() -> None:
    model = new_model("hrm")
    assert model.attention_calls(Depth(4, 1)) <= model.attention_calls(model.trained_depth)
    assert not is_trained(model, Depth(4, 1))
