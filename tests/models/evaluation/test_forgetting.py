"""The loss on the texts that a model knows."""

from collections.abc import Callable
from typing import Any

import numpy as np

from data.progress import result_of
from models.evaluation.forgetting import losses_on
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
