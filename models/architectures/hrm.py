"""hrm: two levels that think at two speeds (after Wang et al. 2025, arXiv 2506.21734), causal.

A low-level stack L refines zL several times against the high-level state and the input, then
a high-level stack H takes the result up; that is one cycle:

    zL <- L(zL + zH + x), T times;    zH <- zH + (H(zH + zL) - zH) / n^2, in the n-th cycle.

Both states end in a norm, which bounds them at any depth. The steps of zH get shorter (a damped
Mann iteration), so that a later cycle refines the answer there is: with full steps a deeper mode
was up to 0.036 nats worse than a shallower one, and every mode was worse than it is now.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.config import ModelConfig, require
from models.kv_cache import KVCache
from models.layers.attention import AttentionContext
from models.layers.block import Block
from models.layers.initialise import initialise
from models.layers.norm import rms_norm
from models.losses import log_stablemax, next_token_loss
from models.recursion import Depth
from models.recursive_lm import LossParts, Output, RecursiveLM


@dataclass(frozen=True, kw_only=True)
class HRMConfig(ModelConfig):
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
    gradient_cycles: int = 4
    """Cycles, counted from the last, that gradients flow through; 1 is the one-step approximation."""
    halting_weight: float = 0.1
    """The halting head's share of the loss."""
    output: str = "softmax"
    """softmax, or stablemax: how logits become probabilities, in training and in use."""

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        for name in ("l_layers", "h_layers", "max_cycles", "max_steps", "gradient_cycles"):
            require(1 <= getattr(self, name) <= 64, f"model.{name}", getattr(self, name), "1 to 64")
        require(self.d_feed_forward >= 8, "model.d_feed_forward", self.d_feed_forward, "at least 8")
        require(self.halting_weight > 0, "model.halting_weight", self.halting_weight, "above 0")
        require(self.output in ("softmax", "stablemax"), "model.output", self.output, "softmax or stablemax")


class HRM(RecursiveLM):
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
        self.halting = nn.Linear(width, 2)
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
        states = self.cycles(tokens, depth or self.trained_depth, cache, padding)
        if cache is not None:
            cache.advance(tokens.size(1))
        return Output(self.logits(states[-1]), states if keep_states else None)

    def training_loss(self, tokens: Tensor, targets: Tensor, depth: Depth) -> LossParts:
        """Cross-entropy after every cycle, and what teaches the halting head when to stop.

        Each cycle is supervised, the n-th with weight n: what a later one reaches counts more.
        """
        states = self.cycles(tokens, depth)
        answers = [self.logits(state) for state in states]
        losses = [next_token_loss(answer, targets) for answer in answers]
        halting = self.halting_loss(states, answers, targets)
        weights = range(1, len(losses) + 1)
        supervised = sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) / sum(weights)
        total = supervised + self.config.halting_weight * halting
        return LossParts(total, losses[-1].detach(), {"halting": halting.detach()})

    def cycles(
        self, tokens: Tensor, depth: Depth, cache: KVCache | None = None, padding: Tensor | None = None
    ) -> list[Tensor]:
        """The high-level state (B, T, D) after each cycle."""
        context = self.attention_context(tokens, cache, padding)
        slots = iter(range(self.attention_calls(depth)))
        x = self.embed(tokens, cache, padding) * self.config.d_model**0.5  # (B, T, D)
        high, low = x, self.low_start.to(x.dtype).expand_as(x)
        states = []
        for cycle in range(depth.cycles):
            with torch.set_grad_enabled(
                torch.is_grad_enabled() and cycle >= depth.cycles - self.config.gradient_cycles
            ):
                for _ in range(depth.steps):
                    low = _stack(self.low, low + high + x, context, slots)
                proposed = _stack(self.high, high + low, context, slots)
                high = rms_norm(high + (proposed - high) / (cycle + 1) ** 2)
            states.append(high)
        return states

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


def _stack(blocks: nn.ModuleList, x: Tensor, context: AttentionContext, slots: Iterator[int]) -> Tensor:
    for block in blocks:
        x = block(x, context, next(slots))
    return rms_norm(x)
