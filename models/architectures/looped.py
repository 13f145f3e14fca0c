"""looped: a prelude, a core that is applied several times, and a coda.

    x <- norm(prelude(norm(embedding)));    s <- x
    s <- norm(core(keep * s + inject * x)), `cycles` times
    logits = head(norm(coda(s)))

Prelude, core and coda are pre-norm blocks; `keep` and `inject` are learned vectors of width D that start at
one. The core gets x again at every pass, and its output is normed, so that the state stays bounded at any
depth. (Prelude, core, coda and re-injection: Geiping et al. 2025, arXiv 2502.05171.)

With `gated`, one pass is a dense model of the same blocks, and the further ones begin as a small change:

    x <- prelude(norm(embedding));    s <- core(x)
    u <- norm(keep * s + inject * x);    s <- s + gate * (core(u) - u), `cycles` - 1 times
    logits = head(norm(coda(s)))

`gate` is a learned vector that starts at `first_gate`. So a model that learned with one pass can go on with
more.

Depth: `cycles` is the number of passes of the core; `steps` is ignored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn

from data.wording import counted
from models.config import ModelConfig, multiple_of
from models.depth import Depth
from models.layers.attention import AttentionContext
from models.layers.block import PreNormBlock
from models.layers.initialise import draw_head, initialise
from models.layers.norm import rms_norm
from models.recursive_lm import Hidden, Output, RecursiveLM, States
from models.settings import require


@dataclass(frozen=True, kw_only=True)
class LoopedConfig(ModelConfig):
    """The fields of the looped model."""

    architecture: ClassVar[str] = "looped"
    growth_axes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "prelude": "prelude_layers",
            "core": "core_layers",
            "coda": "coda_layers",
            "loops": "max_cycles",
            "ff": "d_feed_forward",
            "vocab": "vocab_size",
        }
    )
    block_axes: ClassVar[tuple[str, ...]] = ("core", "prelude", "coda")
    problem_shape: ClassVar[Mapping[str, int]] = MappingProxyType({"max_cycles": 6})
    prelude_layers: int = 1
    """Blocks before the loop."""
    core_layers: int = 1
    """Blocks of the core, which every pass applies."""
    coda_layers: int = 1
    """Blocks after the loop."""
    max_cycles: int = 3
    """The largest number of passes in training."""
    gated: bool = False
    """Whether the first pass is that of a dense model, and a gate lets in what the further ones change."""
    first_gate: float = 0.1
    """What the gate of a new gated model lets in of the change that a pass makes."""
    d_feed_forward: int | None = None
    """Hidden width of each block's feed-forward network. None: 8/3 of d_model, in steps of 32."""
    tied: bool = False
    """Whether the head is the embedding."""

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        for name in ("prelude_layers", "core_layers", "coda_layers", "max_cycles"):
            require(1 <= getattr(self, name) <= 64, f"model.{name}", getattr(self, name), "1 to 64")
        require(0 < self.first_gate <= 1, "model.first_gate", self.first_gate, "above 0, up to 1")
        hidden = self.d_feed_forward
        require(hidden is None or hidden >= 8, "model.d_feed_forward", hidden, "at least 8")

    @property
    def default_feed_forward(self) -> int:
        return multiple_of(32, self.d_model * 8 / 3)


class Looped(RecursiveLM):
    """The model of this module's docstring."""

    config: LoopedConfig

    def __init__(self, config: LoopedConfig) -> None:
        super().__init__(config)
        width = config.d_model

        def blocks(count: int) -> nn.ModuleList:
            hidden = config.size_of("ff")
            return nn.ModuleList(
                PreNormBlock(width, config.n_heads, hidden, dropout=config.dropout) for _ in range(count)
            )

        self.embedding = nn.Embedding(config.vocab_size, width)
        self.prelude = blocks(config.prelude_layers)
        self.core = blocks(config.core_layers)
        self.coda = blocks(config.coda_layers)
        self.keep = nn.Parameter(torch.ones(width))
        self.inject = nn.Parameter(torch.ones(width))
        if config.gated:
            self.gate = nn.Parameter(torch.full((width,), config.first_gate))
        self.head = nn.Linear(width, config.vocab_size, bias=False)
        initialise(self)
        draw_head(self.head, self.embedding if config.tied else None)

    @property
    def trained_depth(self) -> Depth:
        return Depth(self.config.max_cycles)

    def attention_calls(self, depth: Depth) -> int:
        return len(self.prelude) + len(self.core) * depth.cycles + len(self.coda)

    def recursion_in_words(self) -> str:
        blocks, core = len(self.prelude) + len(self.core) + len(self.coda), len(self.core)
        middle = "the middle one" if core == 1 else f"the middle {core}"
        return f"{counted(blocks, 'block')}, {middle} used 1 to {counted(self.config.max_cycles, 'time')}"

    @property
    def levels(self) -> tuple[str, ...]:
        return ("core",)

    def hidden(self, tokens: Tensor, depth: Depth, context: AttentionContext) -> Hidden:
        states, passes, slots = self.through_core(tokens, depth, context)
        for one in context.trace.passes if context.trace is not None else []:
            # The coda's call for the final state comes last, so that the cache keeps the keys of that one.
            one.final_state = self.through_coda(one.state, context, slots)
        return Hidden(self.through_coda(states[-1], context, slots), passes)

    def outputs(
        self, tokens: Tensor, depths: Sequence[Depth], documents: Tensor | None = None
    ) -> Iterator[Output]:
        if any(depth.halt is not None for depth in depths):
            yield from super().outputs(tokens, depths, documents)
            return
        context = self.attention_context(tokens, documents=documents)
        states, passes, slots = self.through_core(tokens, max(depths), context)
        for depth in depths:
            logits = self.readout(self.through_coda(states[depth.cycles - 1], context, slots))
            yield Output(logits, passes.clamp(max=depth.cycles))

    def joint_calls(self, depths: Sequence[Depth]) -> int:
        return self.attention_calls(max(depths)) + (len(depths) - 1) * len(self.coda)

    def through_core(
        self, tokens: Tensor, depth: Depth, context: AttentionContext
    ) -> tuple[list[Tensor], Tensor, range]:
        """The core's state (B, T, D) after each pass, the passes of each token (B, T), and the slots that
        are left for the coda."""
        slots = range(self.attention_calls(depth))
        first, last = len(self.prelude), len(slots) - len(self.coda)
        x = rms_norm(self.embed(tokens, context))  # (B, T, D)
        for slot, block in zip(slots[:first], self.prelude, strict=True):
            x = block(x, context, slot)
        anchor = x if self.config.gated else rms_norm(x)
        history, passes = self.recur((anchor,), anchor, depth, context, slots[first:last])
        return [states[0] for states in history], passes, slots[last:]

    def through_coda(self, x: Tensor, context: AttentionContext, slots: range) -> Tensor:
        """The coda's output (B, T, D) for a state `x` (B, T, D) of the core."""
        for slot, block in zip(slots, self.coda, strict=True):
            x = block(x, context, slot)
        return x

    def readout(self, state: Tensor) -> Tensor:
        logits: Tensor = self.head(rms_norm(state))  # (B, T, V)
        return logits.float()

    def cycle(
        self, number: int, states: States, x: Tensor, context: AttentionContext, slots: range
    ) -> States:
        """One pass of the core over the state, with the prelude's output `x` (B, T, D)."""
        if context.ablation.freeze == "core":
            return states
        state = states[0]
        if not self.config.gated:
            state = rms_norm(self.through_blocks(state * self.keep + x * self.inject, context, slots))
        elif number == 0:
            state = self.through_blocks(state, context, slots)
        else:
            changed = rms_norm(state * self.keep + x * self.inject)
            state = state + self.gate * (self.through_blocks(changed, context, slots) - changed)
        context.record("core", state)
        return (state,)

    def through_blocks(self, state: Tensor, context: AttentionContext, slots: range) -> Tensor:
        """The core's blocks, applied to a state (B, T, D)."""
        for slot, block in zip(slots, self.core, strict=True):
            state = block(state, context, slot)
        return state
