"""hrm: a low and a high level of recursion (after Wang et al. 2025, arXiv 2506.21734), causal.

In the n-th cycle:

    zL <- L(zL + zH + x), `steps` times
    zH <- norm(zH + (H(zH + zL) - zH) / n^2), once

L and H are stacks of pre-norm blocks with a norm at the end; x is the embedding. zH starts as x, zL as a
fixed random vector, and zH is read out. The norms bound both states at any depth. The steps of zH get
shorter (a damped Mann iteration), so that a later cycle only refines the answer. With full steps, a deeper
mode was up to 0.036 nats worse than a shallower one, and every mode was worse than with these.

Depth: `cycles` is the number of high-level steps, `steps` the number of low-level steps in each cycle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.architectures.puzzle_model import PuzzleModel
from models.architectures.two_state import TwoStateConfig
from models.depth import Depth
from models.layers.attention import AttentionContext
from models.layers.block import PreNormBlock
from models.layers.initialise import draw_head, initialise
from models.layers.norm import rms_norm
from models.recursive_lm import States
from models.settings import require


@dataclass(frozen=True, kw_only=True)
class HRMConfig(TwoStateConfig):
    """The fields of the two-level model."""

    architecture: ClassVar[str] = "hrm"
    growth_axes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "l-layers": "l_layers",
            "h-layers": "h_layers",
            "loops": "max_cycles",
            "ff": "d_feed_forward",
            "vocab": "vocab_size",
        }
    )
    block_axes: ClassVar[tuple[str, ...]] = ("l-layers", "l-layers", "h-layers")
    puzzle_shape: ClassVar[Mapping[str, int]] = MappingProxyType(
        {"l_layers": 1, "h_layers": 1, "max_cycles": 1}
    )
    problem_shape: ClassVar[Mapping[str, int]] = MappingProxyType(
        {"l_layers": 1, "h_layers": 1, "d_feed_forward": 192, "max_cycles": 6, "max_steps": 4}
    )
    d_model: int = 256
    """Width of both states."""
    n_heads: int = 8
    """Attention heads; must divide d_model into even widths."""
    d_feed_forward: int = 512
    """Hidden width of each SwiGLU."""
    l_layers: int = 3
    """Blocks of the low-level stack."""
    h_layers: int = 3
    """Blocks of the high-level stack."""
    max_cycles: int = 3
    """The largest number of cycles in training."""
    max_steps: int = 2
    """The largest number of low-level steps of a cycle in training."""

    def __post_init__(self) -> None:
        TwoStateConfig.__post_init__(self)
        for name in ("l_layers", "h_layers", "max_cycles", "max_steps"):
            require(1 <= getattr(self, name) <= 64, f"model.{name}", getattr(self, name), "1 to 64")
        require(self.d_feed_forward >= 8, "model.d_feed_forward", self.d_feed_forward, "at least 8")


class HRM(PuzzleModel):
    """The model of this module's docstring."""

    config: HRMConfig

    def __init__(self, config: HRMConfig) -> None:
        super().__init__(config)
        width = config.d_model

        def blocks(count: int) -> nn.ModuleList:
            return nn.ModuleList(
                PreNormBlock(
                    width,
                    config.n_heads,
                    config.d_feed_forward,
                    dropout=config.dropout,
                    attention=self.attention_over_cells(),
                )
                for _ in range(count)
            )

        self.embedding = nn.Embedding(config.vocab_size, width)
        self.low = blocks(config.l_layers)
        self.high = blocks(config.h_layers)
        self.head = nn.Linear(width, config.vocab_size, bias=False)
        self.halting = nn.Linear(width, config.halting_values)
        self.register_buffer("low_start", torch.empty(width))
        initialise(self, embedding_std=width**-0.5)
        nn.init.trunc_normal_(self.low_start)
        draw_head(self.head)

    low_start: Tensor

    @property
    def trained_depth(self) -> Depth:
        return Depth(self.config.max_cycles, self.config.max_steps)

    def attention_calls(self, depth: Depth) -> int:
        return depth.cycles * (depth.steps * len(self.low) + len(self.high))

    @property
    def levels(self) -> tuple[str, ...]:
        return "high", "low"

    def start(self, x: Tensor) -> States:
        """zH is the input `x` (B, T, D), zL the fixed vector."""
        return x, self.low_start.to(x.dtype).expand_as(x)

    def cycle(
        self, number: int, states: States, x: Tensor, context: AttentionContext, slots: range
    ) -> States:
        """The low-level steps, then the high-level step."""
        high, low = states
        frozen = context.ablation.freeze
        for first in range(0, len(slots) - len(self.high), len(self.low)):
            if frozen != "low":
                low = _stack(self.low, low + high + x, context, slots[first:])
                context.record("low", low)
        if frozen != "high":
            proposed = _stack(self.high, high + low, context, slots[-len(self.high) :])
            high = rms_norm(high + (proposed - high) / (number + 1) ** 2)
            context.record("high", high)
        return high, low

    default_halt: ClassVar[float] = 0.45
    """At 0.5, another cycle is as likely to spoil an answer as to correct it. At 0.45, nearly half of the
    cycles are saved, for 0.001 nats (measured on a book, in mode normal)."""


def _stack(blocks: nn.ModuleList, x: Tensor, context: AttentionContext, slots: range) -> Tensor:
    for slot, block in zip(slots, blocks, strict=False):
        x = block(x, context, slot)
    return rms_norm(x)
