"""Routers learn to spend passes where they help, on text in which easy and hard stretches alternate.

Easy text counts through an alphabet. In hard text, of another alphabet, each letter follows from
the two before it by a table drawn at random: far more to know than the small networks here can
find in one layer. A stretch ends anywhere, so that no thinking helps to foresee its end.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.architectures import build_model, model_config
from models.config import TrainingConfig
from models.depth import Depth
from models.layers.block import Block
from models.recursive_lm import RecursiveLM
from models.runs.run_state import Schedule
from models.training.optimizer import Optimizers
from models.training.schedule import learning_rate_factor

LETTERS, CONTEXT, STRETCH = 16, 64, 16
SHAPES: dict[str, dict[str, Any]] = {
    "recursive_router": {"n_layers": 1, "d_feed_forward": 64, "ponder_cost": 0.01},
    "mixture_of_recursions": {"n_layers": 1, "d_feed_forward": 64},
}


def mixed_text(rows: int, length: int, seed: int) -> tuple[Tensor, Tensor]:
    """Letters (rows, length), and which of them are hard."""
    table = torch.randint(0, LETTERS, (LETTERS, LETTERS), generator=torch.Generator().manual_seed(1))
    draw = torch.Generator().manual_seed(seed)
    changes = torch.rand(rows, length, generator=draw) < 1 / STRETCH
    changes[:, 0] = True
    changes &= ~(F.pad(changes[:, :-1], (1, 0)))
    first = torch.randint(0, 2, (rows, 1), generator=draw)
    hard = (changes.cumsum(1) + first) % 2 == 1
    fresh = torch.randint(0, LETTERS, (rows, length), generator=draw)
    letters = torch.zeros(rows, length, dtype=torch.int64)
    for place in range(length):
        one, two = letters[:, place - 1], letters[:, place - 2]
        follows = torch.where(hard[:, place], table[two, one], (one + 1) % LETTERS)
        # A hard stretch begins with two letters of its own.
        new = changes[:, place] | (hard[:, place] & changes[:, max(0, place - 1)])
        letters[:, place] = torch.where(new, fresh[:, place], follows)
    return letters + LETTERS * hard, hard


def trained(name: str, steps: int, depth: Depth | None = None, **more: Any) -> RecursiveLM:
    """A model that has read `steps` batches, always at `depth`."""
    torch.manual_seed(0)
    small = {"d_model": 64, "n_heads": 4, "context_length": 4 * CONTEXT, "vocab_size": 2 * LETTERS}
    model = build_model(model_config({"architecture": name, **small, **SHAPES[name], **more}))
    config = TrainingConfig(warmup_steps=20)
    optimizers, schedule = Optimizers(model, config), Schedule.over(0, steps)
    model.train()
    for step in range(steps):
        blocks, _ = mixed_text(16, CONTEXT + 1, seed=1000 + step)
        optimizers.zero_grad()
        parts = model.training_loss(blocks[:, :-1], blocks[:, 1:], depth or model.trained_depth)
        parts.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
        optimizers.step(learning_rate_factor(schedule, step, config))
    return model.eval()


@dataclass(frozen=True)
class Judged:
    loss: float
    passes: float
    easy_passes: float
    hard_passes: float


@torch.no_grad()
def judged(model: RecursiveLM, depth: Depth) -> Judged:
    blocks, hard = mixed_text(128, CONTEXT + 1, seed=1)
    output = model(blocks[:, :-1], depth)
    loss = float(F.cross_entropy(output.logits.flatten(0, 1), blocks[:, 1:].flatten()))
    hard, passes = hard[:, 1:], output.passes  # of the letter to be foretold
    return Judged(loss, float(passes.mean()), float(passes[~hard].mean()), float(passes[hard].mean()))


@torch.no_grad()
def token_block_calls(model: RecursiveLM, tokens: Tensor, depth: Depth) -> tuple[int, float]:
    """How many tokens blocks are applied to, all calls together, and the seconds they all take."""
    calls = 0

    def count(module: Block, inputs: tuple[Any, ...]) -> None:
        nonlocal calls
        calls += inputs[0].size(0) * inputs[0].size(1)

    handles = [part.register_forward_pre_hook(count) for part in model.modules() if isinstance(part, Block)]
    model(tokens, depth)
    counted, seconds = calls, math.inf
    for _ in range(3):
        began = time.perf_counter()
        model(tokens, depth)
        seconds = min(seconds, time.perf_counter() - began)
    for handle in handles:
        handle.remove()
    return counted, seconds


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_routers_learn(name: str, steps: int = 400) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = trained(name, steps)
        deepest = model.trained_depth
        found = judged(model, deepest)
        less, more = Depth(math.floor(found.passes)), Depth(math.ceil(found.passes))
        fixed = [judged(trained(name, steps, depth, router="fixed"), depth) for depth in (less, more)]
        long, _ = mixed_text(8, 4 * CONTEXT, seed=2)
        calls, seconds = token_block_calls(model, long, deepest)
        all_calls, all_seconds = token_block_calls(everybody_stays(name, model), long, deepest)
    finally:
        torch.set_num_threads(threads)
    # Where the mean cost lies between two fixed depths, so does the loss it has to compare with.
    share = found.passes - less.cycles
    equal_cost = (1 - share) * fixed[0].loss + share * fixed[1].loss
    print(f"\n{name}: {found}, fixed {fixed}, at equal cost {equal_cost:.4f}")
    print(f"token-block calls {calls} of {all_calls}, {seconds:.3f} of {all_seconds:.3f} s")
    assert found.hard_passes >= found.easy_passes + 0.3
    assert found.loss <= equal_cost + 0.01
    assert all_calls == long.numel() * model.attention_calls(deepest)
    assert calls < 0.9 * all_calls


def everybody_stays(name: str, model: RecursiveLM) -> RecursiveLM:
    """The same without a router: every token takes every pass."""
    values = {**vars(model.config), "architecture": name, "router": "fixed"}
    other = build_model(model_config(values)).eval()
    other.load_state_dict(model.state_dict(), strict=False)
    return other
