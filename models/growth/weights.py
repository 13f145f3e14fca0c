"""The weights of a larger model that computes what a smaller one did, and its training state.

Whatever the architecture, an old weight keeps its place: the first rows and columns of its tensor,
and of a fused projection those of each part. What is new begins so that nobody notices it: blocks
pass on what they get, feed-forward units are not listened to, tokens are what tokens are on
average. How a module sees to that, it knows itself (`Block.pass_on`, `Growing.keep_function`).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from data.tokenizer import SPECIAL_TOKENS
from models.architectures import build_model
from models.config import ModelConfig
from models.cost import skeleton
from models.growth.check import largest_logit_change
from models.layers.block import Block
from models.layers.growing import Growing
from models.layers.linear import FusedLinear
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import Snapshot

__all__ = ["grow_snapshot", "grow_training", "grow_weights", "largest_logit_change"]

MOMENTS, AVERAGE = "optimizer.", "average."
"""What the names of a checkpoint's training tensors begin with."""


def grow_weights(
    old: ModelConfig,
    new: ModelConfig,
    weights: Mapping[str, Tensor],
    *,
    parts: Sequence[tuple[int, ...]] | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """The state of a `new` model that computes what the `old` one of these `weights` does.

    Over the old tokens, at every mode, but for the rounding of sums. `new` is what `axes.grown`
    made of `old`. The rows of a new token are the mean of those of all old text tokens, or of the
    tokens `parts` has for it, of which some may be new ones before it. `seed` draws what has to be
    drawn. Tensors keep their dtype and device; those that are new take the embedding's.
    """
    before = skeleton(old)
    kept = weights["embedding.weight"]
    model = _drawn(new, seed, torch.promote_types(kept.dtype, torch.float32))
    fused = _parts_of(model)
    with torch.no_grad():
        state = model.state_dict()
        for name in before.state_dict():
            _put(weights[name], state[name], fused.get(name, 1))
        _fill_tokens(model, old.vocab_size, parts)
        _settle(model, before)
    grown = {}
    for name, value in model.state_dict().items():
        like = weights.get(name, kept)
        grown[name] = value.to(like.device, like.dtype)
    return grown


def grow_training(
    old: ModelConfig,
    new: ModelConfig,
    tensors: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    *,
    parts: Sequence[tuple[int, ...]] | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """The training tensors of a checkpoint, for the grown model.

    `weights` are the old model's. Moments stay with their weights and are zero in new places; new
    parameters have none, and begin as in a new training. The average of the weights grows as they do.
    """
    before, after = skeleton(old), skeleton(new)
    known = {name: p.shape for name, p in before.named_parameters()}
    fused, shapes = _parts_of(after), {name: p.shape for name, p in after.named_parameters()}
    grown = {}
    for name, value in tensors.items():
        parameter = name.removeprefix(MOMENTS).rpartition(".")[0]
        if name.startswith(AVERAGE):
            continue
        if value.ndim and name.startswith(MOMENTS):
            if value.shape != known.get(parameter):  # of no use to anyone
                continue
            wider = value.new_zeros(shapes[parameter])
            _put(value, wider, fused.get(parameter, 1))
            value = wider
        grown[name] = value
    averages = {n.removeprefix(AVERAGE): t for n, t in tensors.items() if n.startswith(AVERAGE)}
    if averages:
        # A tied head is another name of the embedding, and has no average under its own.
        tied = tied_names(before)
        averages |= {name: averages[first] for name, first in tied.items() if first in averages}
        state = grow_weights(old, new, {**weights, **averages}, parts=parts, seed=seed)
        grown |= {f"{AVERAGE}{name}": state[name] for name in shapes}
    return grown


def grow_snapshot(
    snapshot: Snapshot,
    old: ModelConfig,
    new: ModelConfig,
    *,
    parts: Sequence[tuple[int, ...]] | None = None,
    seed: int = 0,
) -> Snapshot:
    """The same training of the grown model, at the same step. As `grow_weights` and `grow_training`."""
    model = grow_weights(old, new, snapshot.model, parts=parts, seed=seed)
    training = grow_training(old, new, snapshot.training, snapshot.model, parts=parts, seed=seed)
    return Snapshot(snapshot.step, model, training, snapshot.state)


def tied_names(model: nn.Module) -> dict[str, str]:
    """By name of a parameter that has another: the name it is known by first."""
    first: dict[Tensor, str] = {}
    tied = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if first.setdefault(parameter, name) != name:
            tied[name] = first[parameter]
    return tied


def _drawn(config: ModelConfig, seed: int, dtype: torch.dtype) -> RecursiveLM:
    """A fresh model on the CPU; torch's random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_model(config).to(dtype)


def _parts_of(model: nn.Module) -> dict[str, int]:
    """How many maps each tensor of a fused projection holds."""
    return {
        f"{name}.{kind}": part.parts
        for name, part in model.named_modules()
        if isinstance(part, FusedLinear)
        for kind in ("weight", "bias")
    }


def _put(value: Tensor, into: Tensor, parts: int) -> None:
    """Write `value` to the beginning of every one of the `parts` of `into`'s rows, and of its columns."""
    if value.ndim == 0 or value.shape == into.shape:
        into.copy_(value)
        return
    small, large = value.unflatten(0, (parts, -1)), into.unflatten(0, (parts, -1))
    large[tuple(slice(size) for size in small.shape)] = small.to(into.device, into.dtype)


def _fill_tokens(model: RecursiveLM, known: int, parts: Sequence[tuple[int, ...]] | None) -> None:
    """Give the tokens beyond the `known` ones their rows in every table, and in the head."""
    new = model.config.vocab_size - known
    if not new:
        return
    assert parts is None or len(parts) == new, (len(parts), new)
    for table in {p for module in model.embedding_modules() for p in module.parameters()}:
        if len(table) != model.config.vocab_size:  # one of positions
            continue
        text = table[len(SPECIAL_TOKENS) : known] if known > len(SPECIAL_TOKENS) else table[:known]
        table[known:] = text.mean(dim=0)
        for token, made_of in enumerate(parts or (), start=known):
            table[token] = table[list(made_of)].mean(dim=0)


def _settle(model: RecursiveLM, before: RecursiveLM) -> None:
    """Let every module that grew, and every new block, keep the function."""
    known = dict(before.named_modules())
    for name, part in model.named_modules():
        if isinstance(part, Growing) and name in known:
            part.keep_function(known[name])
        if isinstance(part, Block) and name not in known:
            part.pass_on()
