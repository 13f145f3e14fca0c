"""hrm: two levels that think at two speeds (after Wang et al. 2025, arXiv 2506.21734), causal.

A low-level stack L refines zL several times against the high-level state and the input, then
a high-level stack H takes the result up; that is one cycle:

    zL <- L(zL + zH + x), T times;    zH <- zH + (H(zH + zL) - zH) / n^2, in the n-th cycle.

Both states end in a norm, which bounds them at any depth. The steps of zH get shorter (a damped
Mann iteration), so that a later cycle refines the answer there is: with full steps a deeper mode
was up to 0.036 nats worse than a shallower one, and every mode was worse than it is now.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.config import require
from models.kv_cache import KVCache
from models.layers.attention import AttentionContext
from models.layers.block import Block
from models.layers.initialise import initialise
from models.layers.norm import rms_norm
from models.losses import log_stablemax, next_token_loss
from models.puzzle_model import TwoStateConfig, TwoStateModel
from models.recursion import Depth
from models.recursive_lm import LossParts, Output, States


@dataclass(frozen=True, kw_only=True)
class HRMConfig(TwoStateConfig):
    """The two-level model's own dials."""

    architecture: ClassVar[str] = "hrm"
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
    """The most high-level cycles training uses."""
    max_steps: int = 2
    """The most low-level steps in a cycle training uses."""

    def __post_init__(self) -> None:
        TwoStateConfig.__post_init__(self)
        for name in ("l_layers", "h_layers", "max_cycles", "max_steps"):
            require(1 <= getattr(self, name) <= 64, f"model.{name}", getattr(self, name), "1 to 64")
        require(self.d_feed_forward >= 8, "model.d_feed_forward", self.d_feed_forward, "at least 8")


class HRM(TwoStateModel):
    """See the module. Depth is read as `cycles` of the high level, each of `steps` of the low."""

    config: HRMConfig

    def __init__(self, config: HRMConfig) -> None:
        super().__init__(config)
        width = config.d_model

        def blocks(count: int) -> nn.ModuleList:
            return nn.ModuleList(
                Block(width, config.n_heads, config.d_feed_forward, dropout=config.dropout)
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
        nn.init.normal_(self.head.weight, std=0.02)

    low_start: Tensor

    @property
    def trained_depth(self) -> Depth:
        return Depth(self.config.max_cycles, self.config.max_steps)

    def attention_calls(self, depth: Depth) -> int:
        return depth.cycles * (depth.steps * len(self.low) + len(self.high))

    def embedding_modules(self) -> list[nn.Module]:
        return [*self.input_modules(), self.head]

    def forward(
        self,
        tokens: Tensor,
        depth: Depth | None = None,
        cache: KVCache | None = None,
        padding: Tensor | None = None,
        *,
        keep_states: bool = False,
    ) -> Output:
        depth = depth or self.trained_depth
        cache = self.cache_for(tokens, depth, cache)
        states, passes = self.think(tokens, depth, cache, padding)
        if cache is not None:
            cache.advance(tokens.size(1))
        return Output(self.logits(states[-1]), passes, states if keep_states else None)

    def training_loss(self, tokens: Tensor, targets: Tensor, depth: Depth) -> LossParts:
        """Cross-entropy after every cycle, and what teaches the halting head when to stop.

        Each cycle is supervised; what a later one reaches counts more.
        """
        states, passes = self.think(tokens, depth)
        answers = [self.logits(state) for state in states]
        losses = [next_token_loss(answer, targets) for answer in answers]
        halting = self.halting_loss(states, answers, targets)
        weights = [self.config.supervision_weight(number) for number in range(1, len(losses) + 1)]
        supervised = sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) / sum(weights)
        total = supervised + self.config.halting_weight * halting
        return LossParts(total, losses[-1].detach(), passes.mean(), {"halting": halting.detach()})

    def think(
        self, tokens: Tensor, depth: Depth, cache: KVCache | None = None, padding: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """The high-level state (B, T, D) after each cycle, and the cycles each token took (B, T)."""
        context = self.attention_context(tokens, cache, padding)
        x = self.embed(tokens, cache, padding) * self.config.d_model**0.5  # (B, T, D)
        slots = range(self.attention_calls(depth))
        history, passes = self.recur(self.start(x), x, depth, context, slots, self.config.gradient_cycles)
        return [high for high, _ in history], passes

    def start(self, x: Tensor) -> States:
        """The high-level state begins as the input `x` (B, T, D), the low-level one as it always does."""
        return x, self.low_start.to(x.dtype).expand_as(x)

    def cycle(
        self, number: int, states: States, x: Tensor, context: AttentionContext, slots: range
    ) -> States:
        """Some steps of the low level, then one of the high."""
        high, low = states
        for first in range(0, len(slots) - len(self.high), len(self.low)):
            low = _stack(self.low, low + high + x, context, slots[first:])
        proposed = _stack(self.high, high + low, context, slots[-len(self.high) :])
        return rms_norm(high + (proposed - high) / (number + 1) ** 2), low

    default_halt: ClassVar[float] = 0.45
    """At a half, another cycle is as likely to spoil an answer as to mend it. A little below, nearly
    half of the cycles go, for 0.001 nats (measured on a book, at mode normal)."""

    def halting_score(self, before: Tensor, after: Tensor) -> Tensor:
        """Above a half where the answer is as likely to be right now as at the end."""
        now, at_the_end = self.halting(after).float().unbind(-1)
        return torch.sigmoid(now - at_the_end)

    def logits(self, state: Tensor) -> Tensor:
        """The high-level state (B, T, D) read out as logits (B, T, V) in float32."""
        logits = self.head(state).float()
        return log_stablemax(logits) if self.config.output == "stablemax" else logits

    def halting_loss(self, states: list[Tensor], answers: list[Tensor], targets: Tensor) -> Tensor:
        """Teach two values for each token and cycle: is the answer right now, and at the end.

        Where the first is at least the second, more cycles are not worth their cost. The
        states are taken as they are: halting must not bend what it judges.
        """
        right = [answer.argmax(-1) == targets for answer in answers]  # (B, T) each
        losses = []
        for state, right_now in zip(states, right, strict=True):
            values = self.halting(state.detach()).float()  # (B, T, 2)
            goals = torch.stack((right_now, right[-1]), dim=-1).float()
            losses.append(F.binary_cross_entropy_with_logits(values, goals))
        return torch.stack(losses).mean()


def _stack(blocks: nn.ModuleList, x: Tensor, context: AttentionContext, slots: range) -> Tensor:
    for slot, block in zip(slots, blocks, strict=False):
        x = block(x, context, slot)
    return rms_norm(x)
