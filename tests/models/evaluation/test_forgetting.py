"""The loss on the texts that a model knows."""

from collections.abc import Callable
from typing import Any

import numpy as np

from data.progress import result_of
from models.evaluation.forgetting import losses_on, mean_rise
from models.evaluation.parts import HeldOutPart
from models.runs.events import (
    Event,
)
from models.runs.load import load_run
from models.runs.run import Run

NewRun = Callable[..., Run]
Go = Callable[[Run], list[Event]]
Plan = Callable[..., Any]


def test_a_text_cut_into_later_tokens_is_measured_with_them(owl: Run) -> None:
    model = load_run(owl).model
    texts = [
        HeldOutPart("early", np.array([16, 17, 18, 17])),
        HeldOutPart("late", np.array([16, 19, 20, 19])),
    ]
    whole, before = (
        result_of(losses_on(model, texts, "float32", 0, vocabulary=vocabulary)) for vocabulary in (None, 20)
    )
    assert before["late"] == whole["late"] and before["early"] < whole["early"]


def test_the_mean_rise_is_in_the_shares_of_what_was_measured_twice() -> None:
    tokens = np.array([16, 17])
    book, gsm, code = (
        HeldOutPart(name, tokens, share) for name, share in (("a", 1.0), ("b", 0.8), ("c", 0.2))
    )
    before = {"a": 2.0, "b": 3.0, "c": 1.0}
    now = {"a": 2.5, "b": 2.0, "c": 4.0}
    assert mean_rise([book, gsm, code], before, now) == (0.5 - 0.8 * 1.0 + 0.2 * 3.0) / 2
    assert mean_rise([book, gsm, code], {"a": 2.0}, now) == 0.5
    assert mean_rise([book], {}, now) == mean_rise([], before, now) == 0
