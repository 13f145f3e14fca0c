"""What is judged at the end: all of the text where steps were asked for, and always the default mode."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.architectures import build_model, model_config
from models.recursion import DEFAULT_MODE, MODES, is_trained
from models.runs.events import RunFinished
from models.runs.run import Run
from models.training.finish import FinalLosses, judge
from models.training.time_budget import Pace
from models.training.trainer import train

NewRun = Callable[..., Run]


@pytest.mark.parametrize("length", [{"steps": 3}, {"epochs": 0.1}])
@pytest.mark.parametrize(("step_s", "reads_all"), [(1.0, True), (1e6, False)])
def test_a_length_without_a_time_is_judged_on_all_of_the_text_but_not_for_an_hour(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, length: dict[str, Any], step_s: float, reads_all: bool
) -> None:
    monkeypatch.setattr(Pace, "learn", lambda *seconds: None)
    run = new_run(**length)
    config = run.read_config()
    config["measured"] |= {"shallow_step_s": step_s, "deep_step_s": step_s}
    run.write_config(config)
    assert isinstance(list(train(run))[-1], RunFinished)
    evaluation = run.read_json("evaluation.json")
    assert evaluation is not None
    whole = evaluation["validation_tokens"] - 1  # the first has nothing before it
    assert evaluation["tokens_read"] == whole if reads_all else evaluation["tokens_read"] < whole


@pytest.mark.parametrize("max_cycles", [1, 3])
def test_the_default_mode_is_judged_however_near_the_deadline(max_cycles: int) -> None:
    values = {"architecture": "hrm", "d_model": 16, "n_heads": 2, "vocab_size": 11, "context_length": 8}
    shape = {"l_layers": 1, "h_layers": 1, "d_feed_forward": 16, "max_cycles": max_cycles}
    model = build_model(model_config({**values, **shape}))
    tokens = np.random.default_rng(0).integers(0, 11, 50).astype(np.uint8)
    judging = judge(model, tokens, "float32", 1, at_most=None, deadline=-math.inf)
    while True:
        try:
            next(judging)
        except StopIteration as end:
            losses: FinalLosses = end.value
            break
    expected = {mode for mode, depth in MODES.items() if is_trained(model, depth)} | {DEFAULT_MODE}
    assert set(losses.by_mode) == expected
    assert losses.main == losses.by_mode[DEFAULT_MODE]
