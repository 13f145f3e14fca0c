"""The loss at each mode of a model."""

import math

import numpy as np
import pytest

from data.progress import result_of
from models.architectures import build_model, model_config
from models.depth import DEFAULT_MODE, MODES, is_trained
from models.evaluation.modes import evaluate_modes
from models.evaluation.parts import HeldOutPart


@pytest.mark.parametrize("max_cycles", [1, 3])
def test_the_default_and_the_trained_modes_are_evaluated_after_the_deadline(max_cycles: int) -> None:
    values = {"architecture": "hrm", "d_model": 16, "n_heads": 2, "vocab_size": 11, "context_length": 8}
    shape = {"l_layers": 1, "h_layers": 1, "d_feed_forward": 16, "max_cycles": max_cycles}
    model = build_model(model_config({**values, **shape}))
    tokens = np.random.default_rng(0).integers(0, 11, 50).astype(np.uint8)
    losses = result_of(
        evaluate_modes(
            model, [HeldOutPart("", tokens)], "float32", step=1, max_tokens=None, deadline=-math.inf
        )
    )
    expected = {mode for mode, depth in MODES.items() if is_trained(model, depth)} | {DEFAULT_MODE}
    assert set(losses.by_mode) == expected
    assert losses.default == losses.by_mode[DEFAULT_MODE]
