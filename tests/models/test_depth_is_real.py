"""Depth is real: compute follows it, and a deeper trained mode is not worse than a shallower one."""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.architectures import ARCHITECTURES
from models.depth import MODES, Depth, is_trained
from models.losses import next_token_loss
from tests.models.small_models import (
    CONTEXT,
    KINDS,
    NAMED,
    Kind,
    block_calls,
    blocks_of,
    distinct_depths,
    new_model,
    random_tokens,
    steps_of,
    stirred,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", [*KINDS, *NAMED])
def test_compute_follows_depth(kind: Kind) -> None:
    model = new_model(kind)
    calls = [block_calls(model, depth) for depth in sorted(model.modes().values())]
    if model.recursive:
        assert all(fewer < more for fewer, more in itertools.pairwise(calls))
        assert calls[0] == model.attention_calls(Depth(1))
        assert calls[1] >= len(blocks_of(model))
    else:
        assert set(calls) == {len(blocks_of(model))}
        assert list(model.modes()) == ["normal"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_trained_depth_gives_its_own_answer(kind: Kind) -> None:
    model = stirred(new_model(kind))
    tokens = random_tokens(2, CONTEXT)
    with torch.no_grad():
        # At this threshold nobody leaves: what every token's passes do is what is asked here.
        depths = [replace(depth, halt=1.0) for depth in distinct_depths(model).values()]
        answers = [model(tokens, depth).logits for depth in depths]
    for one, other in itertools.combinations(answers, 2):
        assert not torch.allclose(one, other, atol=1e-4)


def fables(context: int) -> tuple[Tensor, Tensor, int]:
    """The sample fables as ids: the first nine tenths, the rest as windows, and the vocabulary."""
    text = (ROOT / "sample_corpora" / "fables.txt").read_text(encoding="utf-8")
    alphabet = {character: number for number, character in enumerate(sorted(set(text)))}
    ids = torch.tensor([alphabet[character] for character in text])
    train, held_out = ids[: len(ids) * 9 // 10], ids[len(ids) * 9 // 10 :]
    windows = held_out[: (len(held_out) - 1) // context * context + 1].unfold(0, context + 1, context)
    return train, windows, len(alphabet)


def reading(train: Tensor, rows: int, context: int) -> Iterator[Tensor]:
    draw = random.Random(5)
    while True:
        starts = [draw.randrange(len(train) - context) for _ in range(rows)]
        yield torch.stack([train[start : start + context + 1] for start in starts])


def assert_depth_helps(name: str, steps: int, **shape: Any) -> None:
    context = 32
    train, windows, vocabulary = fables(context)
    model = new_model((name, {"context_length": context, "ngram": 2, **shape}), vocabulary=vocabulary)
    began = math.log(vocabulary)
    for step, loss in steps_of(model, reading(train, 16, context), steps):
        assert loss < began + 0.5, step
    with torch.no_grad():
        losses = [
            float(next_token_loss(model(windows[:, :-1], depth).logits, windows[:, 1:]))
            for depth in sorted(MODES.values())
            if is_trained(model, depth)
        ]
    assert len(losses) >= (3 if model.recursive else len(MODES))
    assert losses[-1] < 0.75 * began, "it learned nothing to compare"
    worse_by = max(deeper - shallower for shallower, deeper in itertools.combinations(losses, 2))
    assert worse_by <= 0.01


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "looped" else pytest.mark.slow)
        for name in ARCHITECTURES
        if name != "transformer"
    ],
)
def test_a_deeper_mode_is_not_worse(name: str) -> None:
    assert_depth_helps(name, 100)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_deeper_mode_is_not_worse_after_longer_training(name: str) -> None:
    assert_depth_helps(name, 800, d_model=64)
