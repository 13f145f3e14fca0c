"""How long a model takes to write."""

import math
from typing import Any

import pytest

from models.benchmark import timing
from models.depth import Depth

NOTHING: Any = None


def test_a_text_that_ends_at_once_is_written_again_with_another_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    by_seed = {0: [0.1], 1: [0.2, 0.25, 0.25]}
    monkeypatch.setattr(timing, "token_times", lambda *arguments, seed=0: by_seed[seed])
    assert timing.written(NOTHING, NOTHING, Depth(1), 1, 8, 5) == (0.2, 1.0)


def test_a_model_that_only_ends_texts_has_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "token_times", lambda *arguments, seed=0: [0.1, 0.1])
    first_s, rest_s = timing.written(NOTHING, NOTHING, Depth(1), 2, 8, 5)
    assert first_s == 0.2 and math.isnan(rest_s)
