"""The loss that is reported, against a loop that could not be plainer."""

import math
from collections.abc import Generator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from data.loader import IGNORED
from data.loss_marks import MARK
from models.architectures import build_model, model_config
from models.depth import Depth
from models.evaluation import loss as loss_module
from models.evaluation.loss import bits_per_byte, evaluate, evaluation_windows
from models.recursive_lm import RecursiveLM
from models.runs.events import EvaluationAdvanced, Event

VOCABULARY, CONTEXT = 11, 8


def new_model(dropout: float = 0.0) -> RecursiveLM:
    torch.manual_seed(0)
    model = build_model(
        model_config(
            {
                "architecture": "looped", "d_model": 16, "n_heads": 2, "vocab_size": VOCABULARY,
                "context_length": CONTEXT, "dropout": dropout, "ngram": 1,
            }
        )
    )  # fmt: skip
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    return model


def tokens_of(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, VOCABULARY, count).astype(np.uint8)


def outcome(evaluation: Generator[Event, None, float]) -> tuple[float, list[tuple[int, int]]]:
    """What an evaluation returns, and how far it was between batches."""
    progress: list[tuple[int, int]] = []
    while True:
        try:
            event = next(evaluation)
        except StopIteration as end:
            return end.value, progress
        assert isinstance(event, EvaluationAdvanced)
        progress.append((event.done, event.total))


def plain_loss(model: RecursiveLM, tokens: np.ndarray, starts: range | list[int], depth: Depth) -> float:
    """Token by token, window by window, without a batch."""
    losses = []
    for start in starts:
        piece = torch.from_numpy(tokens[start : start + CONTEXT + 1].astype(np.int64))
        with torch.no_grad():
            logits = model.eval()(piece[None, :-1], depth).logits[0]
        for place, target in enumerate(piece[1:]):
            losses.append(-float(logits[place].log_softmax(-1)[target]))
    return sum(losses) / len(losses)


@settings(max_examples=25, deadline=None)
@given(count=st.integers(2, 90), rows=st.integers(1, 5), cycles=st.integers(1, 3))
def test_the_loss_is_the_mean_over_every_token_but_the_first(count: int, rows: int, cycles: int) -> None:
    model, tokens = new_model(), tokens_of(count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss_module, "BATCH_TOKENS", rows * CONTEXT)
        loss, progress = outcome(evaluate(model, tokens, Depth(cycles), "float32"))
    assert loss == pytest.approx(plain_loss(model, tokens, range(0, count - 1, CONTEXT), Depth(cycles)), 1e-5)
    windows = math.ceil((count - 1) / CONTEXT)
    assert progress[-1] == (windows, windows)
    assert [done for done, _ in progress] == sorted({done for done, _ in progress})


@settings(max_examples=25, deadline=None)
@given(count=st.integers(20, 400), max_tokens=st.integers(1, 300))
def test_a_part_is_whole_windows_spread_evenly(count: int, max_tokens: int) -> None:
    model, tokens = new_model(), tokens_of(count)
    read: list[Tensor] = []
    model.embedding.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    loss, progress = outcome(evaluate(model, tokens, Depth(1), "float32", max_tokens=max_tokens))
    windows = math.ceil((count - 1) / CONTEXT)
    wanted = min(windows, max(1, max_tokens // CONTEXT))
    assert progress[-1] == (wanted, wanted)
    if wanted == windows:
        starts = list(range(0, count - 1, CONTEXT))
    else:
        full = (count - 1) // CONTEXT
        every = torch.from_numpy(tokens[: full * CONTEXT].astype(np.int64)).view(full, CONTEXT)
        found = torch.cat(read)
        places = [int((every == row).all(-1).nonzero()[0, 0]) for row in found]
        assert len(set(places)) == wanted
        assert places[0] == 0 and (wanted == 1 or places[-1] == full - 1)
        gaps = np.diff(places)
        assert wanted < 3 or gaps.max() - gaps.min() <= 1
        starts = [place * CONTEXT for place in places]
    assert loss == pytest.approx(plain_loss(model, tokens, starts, Depth(1)), 1e-5)


def test_the_model_is_left_as_it_was() -> None:
    model, tokens = new_model(dropout=0.5).train(), tokens_of(60)
    first, _ = outcome(evaluate(model, tokens, Depth(2), "float32"))
    assert model.training
    assert outcome(evaluate(model.eval(), tokens, Depth(2), "float32"))[0] == first
    assert not model.training
    assert all(weight.grad is None for weight in model.parameters())
    model.train()
    evaluation = evaluate(model, tokens, Depth(1), "float32")
    next(evaluation)
    evaluation.close()  # an evaluation broken off leaves no trace either
    assert model.training


def test_bits_per_byte_of_a_fair_coin() -> None:
    # A thousand tokens of one bit each, over five hundred bytes of text: two bits per byte.
    assert bits_per_byte(math.log(2), 1000, 500) == pytest.approx(2.0)


@settings(max_examples=60)
@given(
    asked=st.lists(st.booleans(), min_size=2, max_size=60).filter(lambda marks: any(marks[1:])),
    length=st.integers(1, 9),
    most=st.integers(1, 70),
)
def test_windows_of_marked_tokens_ask_for_something(asked: list[bool], length: int, most: int) -> None:
    tokens = np.array([7 if one else 7 + MARK for one in asked], dtype=np.uint32)
    count, batches = evaluation_windows(tokens, length, 2, most)
    targets = [row for _, batch in batches for row in batch]
    assert len(targets) == count
    assert sum(int((row != IGNORED).sum()) for row in targets)
    if count < math.ceil((len(tokens) - 1) / length):  # some were chosen
        assert all((row != IGNORED).any() for row in targets) and count <= max(1, most // length)
