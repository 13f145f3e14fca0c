"""What a training step computes and what it keeps, counted from a model's sizes.

A matrix product of a (rows, inner) and an (inner, columns) matrix is 2 rows inner columns operations.
The backward pass of a product is two products of its size. Work that goes element by element is not
in these counts: it is bound by memory (see models/cost/speed.py). `model` may be a skeleton.
"""

from dataclasses import dataclass

from torch import nn

from models.config import TrainingConfig
from models.depth import Depth
from models.layers.block import Block
from models.layers.feed_forward import SwiGLU
from models.layers.growable import FusedLinear
from models.recursive_lm import RecursiveLM

NEWTON_SCHULZ_ITERATIONS = 5
"""As many as `models/training/muon.py` takes."""
_KEPT = {"float32": (50, 8), "bfloat16": (36, 4.5), "float16": (36, 4.5)}
"""Bytes that one call of a block keeps of a token for the backward pass: for each unit of the width, and
of what the feed-forward network projects up to. About the mean of the architectures; compiled code keeps less
than torch, up to a third in bfloat16."""


@dataclass(frozen=True, slots=True)
class StepFlops:
    """Of one token, forward and backward, in the products of the blocks (and what else there is between
    embedding and head), of attention scores and values, and of the head."""

    blocks: float
    attention: float
    head: float

    @property
    def total(self) -> float:
        return self.blocks + self.attention + self.head


def step_flops(model: RecursiveLM, depth: Depth) -> StepFlops:
    """The operations of a training step at `depth`, per token."""
    config, calls = model.config, model.attention_calls(depth)
    products = 2 * (1 + 2 * gradient_share(model, depth))
    return StepFlops(
        blocks=products * used_weights(model, depth),
        attention=products * 2 * config.context_length * config.d_model * calls,
        head=6 * config.vocab_size * config.d_model * model.readouts(depth),
    )


def used_weights(model: RecursiveLM, depth: Depth) -> float:
    """Weights between embedding and head that a forward pass at `depth` multiplies a token with. Those of a
    block count at each of its calls."""
    calls = model.attention_calls(depth)
    deepest = max(1, model.attention_calls(model.trained_depth))
    # Maps outside of blocks are used once each at the trained depth.
    return _block_weights(model) * calls + _other_weights(model) * calls / deepest


def gradient_share(model: RecursiveLM, depth: Depth) -> float:
    """Share of the passes that gradients flow through."""
    with_gradient: int = getattr(model.config, "gradient_cycles", depth.cycles)
    return min(1.0, with_gradient / depth.cycles)


def projected_width(model: RecursiveLM) -> int:
    """The width of what the feed-forward network of a block projects up to: a SwiGLU has two halves."""
    halves = 2 if any(isinstance(part, SwiGLU) for part in model.modules()) else 1
    return halves * model.config.size_of("ff")


def newton_schulz_flops(model: RecursiveLM) -> float:
    """What Muon computes in a step to make the updates of the blocks' matrices orthogonal."""
    total = 0.0
    for shape in matrix_shapes(model):
        short, long = sorted(shape)
        total += NEWTON_SCHULZ_ITERATIONS * (4 * short**2 * long + 2 * short**3)
    return total


def matrix_shapes(model: RecursiveLM) -> list[tuple[int, int]]:
    """Rows and columns of each matrix that Muon makes orthogonal: a fused projection has several."""
    shapes = []
    for part in _block_linears(model):
        parts = part.parts if isinstance(part, FusedLinear) else 1
        shapes += [(part.out_features // parts, part.in_features)] * parts
    return shapes


def state_bytes(model: RecursiveLM, training: TrainingConfig) -> int:
    """What does not depend on the batch: weights, gradients, moments, the average of the weights, and
    one copy of the weights: the one that is tried before the first step, and later those for evaluation.
    """
    total = model.parameter_counts()[0]
    with_one_moment = muon_weights(model) if training.optimizer == "muon" else 0
    copies = 2 if training.average_decay else 1
    return 4 * ((4 + copies) * total - with_one_moment)


def logit_bytes(model: RecursiveLM) -> int:
    """Of one token: for each readout its logits and their logarithms of probabilities, and the gradient."""
    return model.config.vocab_size * (8 * model.readouts(model.trained_depth) + 4)


def kept_bytes(model: RecursiveLM, number_format: str) -> float:
    """Of one token at the trained depth: what the blocks keep for the backward pass."""
    of_width, of_projection = _KEPT[number_format]
    depth = model.trained_depth
    calls = model.attention_calls(depth) * gradient_share(model, depth)
    return calls * (of_width * model.config.d_model + of_projection * projected_width(model))


def muon_weights(model: RecursiveLM) -> int:
    """Weights of the matrices inside blocks."""
    return sum(part.weight.numel() for part in _block_linears(model))


def _block_linears(model: nn.Module) -> list[nn.Linear]:
    blocks = [part for part in model.modules() if isinstance(part, Block)]
    return [part for block in blocks for part in block.modules() if isinstance(part, nn.Linear)]


def _block_weights(model: RecursiveLM) -> float:
    """Weights that one call of a block multiplies with, on the average of the blocks."""
    return muon_weights(model) / max(1, sum(isinstance(part, Block) for part in model.modules()))


def _other_weights(model: RecursiveLM) -> int:
    """Weights of linear maps outside of blocks and head."""
    known = {*_block_linears(model), getattr(model, "head", None)}
    linears = (part for part in model.modules() if isinstance(part, nn.Linear))
    return sum(part.weight.numel() for part in linears if part not in known)
