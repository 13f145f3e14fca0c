"""The weights and the training state of a larger model that gives the same output as the smaller one.

In every architecture old weights keep their places: the first rows and columns of their tensor, in a fused
projection those of each part. New weights start without effect: new blocks pass their input on, the output
of new feed-forward units is ignored, and new tokens start as the average token. Each module implements this
itself (`Block.pass_on`, `Growing.keep_function`). After Net2Net (Chen et al., 2016).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from data.tokenizer import SPECIAL_TOKENS
from models.architectures import build_model, skeleton
from models.config import ModelConfig
from models.growth.check import largest_logit_change
from models.layers.block import Block
from models.layers.growable import FusedLinear, Growing
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import Snapshot

__all__ = ["grow_snapshot", "grow_training", "grow_weights", "largest_logit_change"]

MOMENTS, AVERAGE = "optimizer.", "average."
"""Prefixes of the names of a checkpoint's training tensors."""


def grow_weights(
    old: ModelConfig,
    new: ModelConfig,
    weights: Mapping[str, Tensor],
    *,
    parts: Sequence[tuple[int, ...]] | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """The state of a `new` model that gives the same output as the `old` one with these `weights`.

    That holds for the old tokens, at every mode, up to rounding. `new` comes from `axes.grow_config(old)`.
    The rows of a new token are the mean of those of all old text tokens, or of its `parts`, some of which may
    be new tokens before it. `seed` is for random weights. Tensors keep their dtype and device; new ones have
    the embedding's.
    """
    before = skeleton(old)
    embedding = weights["embedding.weight"]
    model = _random_model(new, seed, torch.promote_types(embedding.dtype, torch.float32))
    fused = _fused_parts(model)
    with torch.no_grad():
        state = model.state_dict()
        for name in before.state_dict():
            _copy_into(weights[name], state[name], fused.get(name, 1))
        _fill_tokens(model, old.vocab_size, parts)
        _keep_function(model, before)
    grown = {}
    for name, value in model.state_dict().items():
        like = weights.get(name, embedding)
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

    `weights` are the old model's. Moments stay with their weights and are zero in new places. New parameters
    have none, as in a new training. The average of the weights grows as they do.
    """
    before, after = skeleton(old), skeleton(new)
    known = {name: p.shape for name, p in before.named_parameters()}
    fused, shapes = _fused_parts(after), {name: p.shape for name, p in after.named_parameters()}
    grown = {}
    for name, value in tensors.items():
        parameter = name.removeprefix(MOMENTS).rpartition(".")[0]
        if name.startswith(AVERAGE):
            continue
        if value.ndim and name.startswith(MOMENTS):
            if value.shape != known.get(parameter):  # it fits no parameter
                continue
            wider = value.new_zeros(shapes[parameter])
            _copy_into(value, wider, fused.get(parameter, 1))
            value = wider
        grown[name] = value
    averages = {n.removeprefix(AVERAGE): t for n, t in tensors.items() if n.startswith(AVERAGE)}
    if averages:
        # A tied head is another name of the embedding, which alone has an average.
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
    """The snapshot for the grown model, at the same step. As `grow_weights` and `grow_training`."""
    model = grow_weights(old, new, snapshot.model, parts=parts, seed=seed)
    training = grow_training(old, new, snapshot.training, snapshot.model, parts=parts, seed=seed)
    return Snapshot(snapshot.step, model, training, snapshot.state)


def tied_names(model: nn.Module) -> dict[str, str]:
    """For each second name of a parameter, its first name."""
    first: dict[Tensor, str] = {}
    tied = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if first.setdefault(parameter, name) != name:
            tied[name] = first[parameter]
    return tied


def _random_model(config: ModelConfig, seed: int, dtype: torch.dtype) -> RecursiveLM:
    """A newly initialised model on the CPU. Leaves torch's random state unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_model(config).to(dtype)


def _fused_parts(model: nn.Module) -> dict[str, int]:
    """How many projections each tensor of a fused projection holds."""
    return {
        f"{name}.{kind}": part.parts
        for name, part in model.named_modules()
        if isinstance(part, FusedLinear)
        for kind in ("weight", "bias")
    }


def _copy_into(value: Tensor, into: Tensor, parts: int) -> None:
    """Copy `value` to the first rows and columns of `into`, in each of the `parts` of its rows."""
    if value.ndim == 0 or value.shape == into.shape:
        into.copy_(value)
        return
    small, large = value.unflatten(0, (parts, -1)), into.unflatten(0, (parts, -1))
    large[tuple(slice(size) for size in small.shape)] = small.to(into.device, into.dtype)


def _fill_tokens(model: RecursiveLM, known: int, parts: Sequence[tuple[int, ...]] | None) -> None:
    """Fill the rows of the tokens after the `known` ones, in every table and in the head."""
    new = model.config.vocab_size - known
    if not new:
        return
    assert parts is None or len(parts) == new, (len(parts), new)
    for table in {p for module in model.embedding_modules() for p in module.parameters()}:
        if len(table) != model.config.vocab_size:  # a table of positions
            continue
        text = table[len(SPECIAL_TOKENS) : known] if known > len(SPECIAL_TOKENS) else table[:known]
        table[known:] = text.mean(dim=0)
        for token, made_of in enumerate(parts or (), start=known):
            table[token] = table[list(made_of)].mean(dim=0)


def _keep_function(model: RecursiveLM, before: RecursiveLM) -> None:
    """Make every grown module, and every new block, leave the output unchanged."""
    known = dict(before.named_modules())
    for name, part in model.named_modules():
        if isinstance(part, Growing) and name in known:
            part.keep_function(known[name])
        if isinstance(part, Block) and name not in known:
            part.pass_on()
