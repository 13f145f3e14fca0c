"""Checks of what a model computes: its logits with other tokens, with a cache, and at other depths."""

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from data.wording import counted
from models.analysis.soundness.result import CheckResult
from models.architectures.puzzle_model import PuzzleModel
from models.depth import Depth, is_trained
from models.growth.check import tokens_to_check
from models.recursive_lm import RecursiveLM

LARGEST_ROUNDING = 1e-4
"""A larger change of a logit is more than rounding."""
SMALLEST_CHANGE = 1e-6
"""A smaller change of a logit is nothing but rounding. Early in a training, depth changes little."""
TOKENS = 32
CACHED_PIECES = (8, 11, 12, 13, 14)
"""Where tokens are cut into pieces that a cache gets: a prompt, a second one, single tokens."""
_CAUSALITY_ADVICE = "Do not trust its losses: it was trained on the tokens that it has to predict."


def check_causality(model: RecursiveLM) -> CheckResult:
    """Whether no logit changes with a later token, at every mode."""
    tokens = _tokens_for(model)
    if tokens.size(1) < 2:
        return CheckResult(check="causality", verdict="not applicable", found="it sees one token at a time")
    change, mode = _largest_change(model, lambda one, depth: leak(one, tokens, depth))
    is_sound = change <= LARGEST_ROUNDING
    found = f"later tokens change nothing at {_count(model)} (max {change:.1g})"
    if not is_sound:
        found = f"a later token changes an earlier logit by {change:.2g}, at mode {mode}"
    return CheckResult(
        check="causality",
        verdict="sound" if is_sound else "not sound",
        found=found,
        value=change,
        limit=LARGEST_ROUNDING,
        advice="" if is_sound else _CAUSALITY_ADVICE,
    )


def check_cache(model: RecursiveLM) -> CheckResult:
    """Whether writing with a cache gives the same logits as reading all tokens at once, at every mode."""
    tokens = _tokens_for(model)[:, : CACHED_PIECES[-1] + 1]
    change, mode = _largest_change(model, lambda one, depth: cache_error(one, tokens, depth))
    is_sound = change <= LARGEST_ROUNDING
    found = f"same logits as without at {_count(model)} (max {change:.1g})"
    return CheckResult(
        check="cache",
        verdict="sound" if is_sound else "not sound",
        found=found if is_sound else f"changes a logit by {change:.2g}, at mode {mode}",
        value=change,
        limit=LARGEST_ROUNDING,
    )


@torch.no_grad()
def check_depth(model: RecursiveLM) -> CheckResult:
    """Whether every deeper mode computes something else than the one before it.

    Modes beyond the trained depth count only where training uses fewer than two. No token leaves early here.
    """
    if not model.recursive:
        return CheckResult(check="depth", verdict="not applicable", found="this model has one depth")
    tokens, modes = _tokens_for(model), model.modes()
    trained = {mode: depth for mode, depth in modes.items() if is_trained(model, depth)}
    compared = trained if len(trained) > 1 else modes
    logits = {mode: model(tokens, replace(depth, halt=1.0)).logits for mode, depth in compared.items()}
    changes = {
        (before, after): float((logits[after] - logits[before]).abs().max())
        for before, after in itertools.pairwise(compared)
    }
    (before, after), change = min(changes.items(), key=lambda item: item[1])
    return _depth_result(change, f"{before} to {after}")


@torch.no_grad()
def check_puzzle_depth(model: PuzzleModel) -> CheckResult:
    """Whether a second supervision step changes the answer's logits."""
    puzzles = tokens_to_check(model.config).to(next(model.parameters()).device)
    first = model.ponder(puzzles)
    second = model.ponder(puzzles, first.states)
    return _depth_result(float((second.logits - first.logits).abs().max()), "step 1 to 2")


@torch.no_grad()
def leak(model: RecursiveLM, tokens: Tensor, depth: Depth) -> float:
    """The largest change of a logit before a place, when all of `tokens` (1, T) from it on are replaced."""
    length, vocabulary = tokens.size(1), model.config.vocab_size
    places = sorted({1, length // 2, length - 1})
    rows = tokens.repeat(1 + len(places), 1)  # (1 + P, T), the first one unchanged
    for row, place in enumerate(places, start=1):
        rows[row, place:] = (rows[row, place:] + 1 + place % (vocabulary - 1)) % vocabulary
    logits = model(rows, depth).logits  # (1 + P, T, V)
    changes = [(logits[row] - logits[0])[:place].abs().max() for row, place in enumerate(places, start=1)]
    return float(torch.stack(changes).max())  # NaN where any is


@torch.no_grad()
def cache_error(model: RecursiveLM, tokens: Tensor, depth: Depth) -> float:
    """The largest difference of a logit between `tokens` (B, T) at once, and piece by piece with a cache."""
    batch, length = tokens.shape
    cache = model.new_cache(batch, length, depth)
    pieces = tokens.tensor_split([place for place in CACHED_PIECES if place < length], dim=1)
    cached = torch.cat([model(piece, depth, cache).logits for piece in pieces], dim=1)
    return float((cached - model(tokens, depth).logits).abs().max())


def _largest_change(model: RecursiveLM, measure: Callable[[RecursiveLM, Depth], float]) -> tuple[float, str]:
    """The largest of what `measure` finds at the modes, and that mode.

    Sums of other lengths round differently, and deep recursion amplifies that. So what is more than rounding
    in float32 is measured again in double precision, where the device has it.
    """
    exact: RecursiveLM | None = None
    largest, at = 0.0, next(iter(model.modes()))
    for mode, depth in model.modes().items():
        change = measure(model, depth)
        if not change <= LARGEST_ROUNDING and next(model.parameters()).device.type != "mps":
            exact = exact or copy.deepcopy(model).double()
            change = measure(exact, depth)
        if not change <= largest:  # NaN too
            largest, at = change, mode
    return largest, at


def _depth_result(change: float, between: str) -> CheckResult:
    is_sound = change > SMALLEST_CHANGE
    found = f"deeper modes differ (min {change:.2g}, {between})"
    return CheckResult(
        check="depth",
        verdict="sound" if is_sound else "not sound",
        found=found if is_sound else f"more depth changes no logit, {between}: a deeper mode is wasted time",
        value=change,
        limit=SMALLEST_CHANGE,
    )


def _tokens_for(model: RecursiveLM) -> Tensor:
    """Random tokens (1, T) on the model's device."""
    return tokens_to_check(model.config)[:1, :TOKENS].to(next(model.parameters()).device)


def _count(model: RecursiveLM) -> str:
    return counted(len(model.modes()), "mode")
