"""trm: one small network that updates two states (after Jolicoeur-Martineau 2025, arXiv 2510.04871).

The same blocks f update the reasoning z and the answer y. One cycle is

    z <- f(x + y + z), `steps` times
    y <- norm(y + (f(y + z) - y) / n^p), once, in the n-th cycle

where x is the embedding and p is `answer_damping`. y and z start as fixed random vectors, and y is read out.
The blocks are post-norm, so that both states stay bounded at any depth. With p = 0 the step is y <- f(y + z),
as in the paper. Over text p is 2: a later cycle only refines the answer, so that a deeper mode is not worse.
Over text f is causal. Over puzzles f sees the whole grid, and
`models.architectures.puzzle_model` carries the states from one supervision step to the next.

Depth: `cycles` is the number of updates of y, `steps` the number of updates of z in each cycle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from data.errors import UsageError
from models.architectures.puzzle_model import PuzzleModel
from models.architectures.two_state import TwoStateConfig
from models.depth import Depth
from models.layers.attention import AttentionContext
from models.layers.initialise import draw_head, initialise
from models.layers.norm import rms_norm
from models.layers.post_norm import Mixer, PostNormBlock
from models.recursive_lm import States
from models.settings import require


@dataclass(frozen=True, kw_only=True)
class TRMConfig(TwoStateConfig):
    """The fields of the small network."""

    architecture: ClassVar[str] = "trm"
    growth_axes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"layers": "layers", "loops": "max_cycles", "ff": "d_feed_forward", "vocab": "vocab_size"}
    )
    block_axes: ClassVar[tuple[str, ...]] = ("layers",)
    puzzle_shape: ClassVar[Mapping[str, int]] = MappingProxyType(
        {"layers": 2, "max_cycles": 1, "answer_damping": 0}
    )
    problem_shape: ClassVar[Mapping[str, int]] = MappingProxyType({"d_feed_forward": 192, "max_cycles": 6})
    d_model: int = 256
    """Width of both states."""
    n_heads: int = 4
    """Attention heads; must divide d_model into even widths."""
    d_feed_forward: int = 768
    """Hidden width of each SwiGLU."""
    layers: int = 2
    """Blocks of the network."""
    mixer: str = "attention"
    """How positions see each other: attention, or mlp, a network over all positions (puzzles only)."""
    max_cycles: int = 3
    """The largest number of cycles in training; for puzzles, the number in each supervision step."""
    gated_layers: int = 0
    """How many of the last blocks have a gate: those that were added to a grown model."""
    max_steps: int = 2
    """The largest number of updates of z in a cycle in training."""
    answer_damping: float = 2.0
    """The n-th update of y is a step shorter by the factor n to this power; with 0 all steps are full."""

    def __post_init__(self) -> None:
        TwoStateConfig.__post_init__(self)
        for name in ("layers", "max_cycles", "max_steps"):
            require(1 <= getattr(self, name) <= 64, f"model.{name}", getattr(self, name), "1 to 64")
        require(self.d_feed_forward >= 8, "model.d_feed_forward", self.d_feed_forward, "at least 8")
        damping = self.answer_damping
        require(0 <= damping <= 8, "model.answer_damping", damping, "0 to 8")
        gated = self.gated_layers
        require(0 <= gated < self.layers, "model.gated_layers", gated, f"0 to {self.layers - 1}")
        require(self.mixer in ("attention", "mlp"), "model.mixer", self.mixer, "attention or mlp")
        if self.mixer == "mlp" and self.task == "text":
            raise UsageError(
                "model.mixer is mlp, which sees all positions: a token of a text would see later ones.",
                hint="Leave model.mixer at attention; the mlp is for puzzles: {train task=sudoku:4x4}",
            )
        if self.mixer == "mlp" and self.attention_scope != "units":
            raise UsageError(
                f"model.attention_scope is {self.attention_scope}, and a model.mixer of mlp has no heads.",
                hint="Leave model.attention_scope out, or model.mixer at attention.",
            )

    def larger(self, sizes: Mapping[str, int]) -> Self:
        more = sizes.get("layers", self.layers) - self.layers
        return replace(super().larger(sizes), gated_layers=self.gated_layers + more)


class TRM(PuzzleModel):
    """The model of this module's docstring."""

    config: TRMConfig

    def __init__(self, config: TRMConfig) -> None:
        super().__init__(config)
        width = config.d_model
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.blocks = nn.ModuleList(
            PostNormBlock(
                width,
                config.n_heads,
                config.d_feed_forward,
                dropout=config.dropout,
                attention=self._new_mixer(),
                gated=number >= config.layers - config.gated_layers,
            )
            for number in range(config.layers)
        )
        self.head = nn.Linear(width, config.vocab_size, bias=False)
        self.halting = nn.Linear(width, config.halting_values)
        self.register_buffer("starts", torch.empty(2, width))
        initialise(self, embedding_std=width**-0.5)
        nn.init.trunc_normal_(self.starts)
        draw_head(self.head)

    def _new_mixer(self) -> nn.Module | None:
        """What a block has in place of the usual attention, or None."""
        if self.config.mixer == "mlp":
            return Mixer(self.config.context_length, self.config.d_feed_forward)
        return self.attention_over_cells()

    starts: Tensor
    """(2, D): the start of y and of z."""

    @property
    def trained_depth(self) -> Depth:
        return Depth(self.config.max_cycles, self.config.max_steps)

    def attention_calls(self, depth: Depth) -> int:
        return depth.cycles * (depth.steps + 1) * len(self.blocks)

    @property
    def levels(self) -> tuple[str, ...]:
        return "answer", "reasoning"

    def start(self, x: Tensor) -> States:
        """The fixed vectors, expanded to the shape of the input `x` (B, T, D)."""
        y, z = self.starts.to(x.dtype)
        return y.expand_as(x), z.expand_as(x)

    def cycle(
        self, number: int, states: States, x: Tensor, context: AttentionContext, slots: range
    ) -> States:
        """The updates of the reasoning z, then the update of the answer y."""
        y, z = states
        calls, frozen = len(self.blocks), context.ablation.freeze
        for first in range(0, len(slots) - calls, calls):
            if frozen != "reasoning":
                z = self.f(x + y + z, context, slots[first:])
                context.record("reasoning", z)
        if frozen != "answer":
            proposed = self.f(y + z, context, slots[-calls:])
            damping = self.config.answer_damping
            y = rms_norm(y + (proposed - y) / (number + 1) ** damping) if damping else proposed
            context.record("answer", y)
        return y, z

    def f(self, x: Tensor, context: AttentionContext, slots: range) -> Tensor:
        """The network, (B, T, D) to (B, T, D). Its output has a root mean square of one."""
        for slot, block in zip(slots, self.blocks, strict=False):
            x = block(x, context, slot)
        return x

    default_halt: ClassVar[float] = 0.5
