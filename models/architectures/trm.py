"""trm: one tiny network, two states (after Jolicoeur-Martineau 2025, arXiv 2510.04871).

The answer y and the reasoning z are both made by the same few blocks f:

    z <- f(x + y + z), n times;    y <- f(y + z), once

is one cycle. The blocks norm what they put out, so the states stay bounded at any depth. Over text
f is causal and `Depth` says how many cycles of how many z-updates there are; over puzzles it sees
the whole grid, and `models.puzzle_model` carries the states on from one supervision step to the next.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.errors import UsageError
from models.config import require
from models.kv_cache import KVCache
from models.layers.attention import AttentionContext
from models.layers.initialise import initialise
from models.layers.post_norm import PostNormBlock
from models.losses import log_stablemax, next_token_loss
from models.puzzle_model import TwoStateConfig, TwoStateModel
from models.recursion import Depth
from models.recursive_lm import LossParts, Output, States


@dataclass(frozen=True, kw_only=True)
class TRMConfig(TwoStateConfig):
    """The tiny network's own dials."""

    architecture: ClassVar[str] = "trm"
    d_model: int = 256
    """Width of both states."""
    n_heads: int = 4
    """Attention heads; must divide d_model into even widths."""
    d_feed_forward: int = 768
    """Hidden width of each SwiGLU."""
    layers: int = 2
    """Blocks of the one network."""
    mixer: str = "attention"
    """How positions see each other: attention, or mlp over all of them (puzzles only)."""
    max_cycles: int = 3
    """The most cycles training uses; of a puzzle, those of each supervision step."""
    max_steps: int = 2
    """The most updates of z in a cycle training uses."""

    def __post_init__(self) -> None:
        TwoStateConfig.__post_init__(self)
        for name in ("layers", "max_cycles", "max_steps"):
            require(1 <= getattr(self, name) <= 64, f"model.{name}", getattr(self, name), "1 to 64")
        require(self.d_feed_forward >= 8, "model.d_feed_forward", self.d_feed_forward, "at least 8")
        require(self.mixer in ("attention", "mlp"), "model.mixer", self.mixer, "attention or mlp")
        if self.mixer == "mlp" and self.task == "text":
            raise UsageError(
                "model.mixer is mlp, which sees all positions of a fixed length: text would see its future.",
                hint="Leave model.mixer at attention; the mlp is for puzzles: rlm train --task sudoku:4x4",
            )


class TRM(TwoStateModel):
    """See the module. Depth is read as `cycles`, each of `steps` updates of z and one of y."""

    config: TRMConfig

    def __init__(self, config: TRMConfig) -> None:
        super().__init__(config)
        width = config.d_model
        positions = config.context_length if config.mixer == "mlp" else None
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.blocks = nn.ModuleList(
            PostNormBlock(
                width, config.n_heads, config.d_feed_forward, dropout=config.dropout, positions=positions
            )
            for _ in range(config.layers)
        )
        self.head = nn.Linear(width, config.vocab_size, bias=False)
        self.halting = nn.Linear(width, config.halting_values)
        self.register_buffer("starts", torch.empty(2, width))
        initialise(self, embedding_std=width**-0.5)
        nn.init.trunc_normal_(self.starts)
        nn.init.normal_(self.head.weight, std=0.02)

    starts: Tensor
    """(2, D): what y and z begin as."""

    @property
    def trained_depth(self) -> Depth:
        return Depth(self.config.max_cycles, self.config.max_steps)

    def attention_calls(self, depth: Depth) -> int:
        return depth.cycles * (depth.steps + 1) * len(self.blocks)

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
        """Cross-entropy after every cycle, a later one counting more, and the halting head's loss."""
        states, passes = self.think(tokens, depth)
        answers = [self.logits(state) for state in states]
        losses = [next_token_loss(answer, targets) for answer in answers]
        weights = [self.config.supervision_weight(number) for number in range(1, len(losses) + 1)]
        supervised = sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) / sum(weights)
        halting = self.halting_loss(states, answers, targets)
        total = supervised + self.config.halting_weight * halting
        return LossParts(total, losses[-1].detach(), passes.mean(), {"halting": halting.detach()})

    def think(
        self, tokens: Tensor, depth: Depth, cache: KVCache | None = None, padding: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """The answer state y (B, T, D) after each cycle, and the cycles each token took (B, T)."""
        context = self.attention_context(tokens, cache, padding)
        x = self.embed(tokens, cache, padding) * self.config.d_model**0.5  # (B, T, D)
        slots = range(self.attention_calls(depth))
        history, passes = self.recur(self.start(x), x, depth, context, slots, self.config.gradient_cycles)
        return [y for y, _ in history], passes

    def start(self, x: Tensor) -> States:
        """The states every thought begins with, like the input `x` (B, T, D)."""
        y, z = self.starts.to(x.dtype)
        return y.expand_as(x), z.expand_as(x)

    def cycle(
        self, number: int, states: States, x: Tensor, context: AttentionContext, slots: range
    ) -> States:
        """Some updates of the reasoning, then one of the answer."""
        y, z = states
        calls = len(self.blocks)
        for first in range(0, len(slots) - calls, calls):
            z = self.f(x + y + z, context, slots[first:])
        return self.f(y + z, context, slots[-calls:]), z

    def f(self, x: Tensor, context: AttentionContext, slots: range) -> Tensor:
        """The network: (B, T, D) to (B, T, D), of unit root mean square."""
        for slot, block in zip(slots, self.blocks, strict=False):
            x = block(x, context, slot)
        return x

    default_halt: ClassVar[float] = 0.5

    def halting_score(self, before: Tensor, after: Tensor) -> Tensor:
        """Above a half where the answer is as likely to be right now as at the end."""
        now, at_the_end = self.halting(after).float().unbind(-1)
        return torch.sigmoid(now - at_the_end)

    def logits(self, state: Tensor) -> Tensor:
        """The answer state (B, T, D) read out as logits (B, T, V) in float32."""
        logits = self.head(state).float()
        return log_stablemax(logits) if self.config.output == "stablemax" else logits

    def halting_loss(self, states: list[Tensor], answers: list[Tensor], targets: Tensor) -> Tensor:
        """Teach two values for each token and cycle: is the answer right now, and at the end.

        The states are taken as they are: halting must not bend what it judges.
        """
        right = [answer.argmax(-1) == targets for answer in answers]  # (B, T) each
        losses = []
        for state, right_now in zip(states, right, strict=True):
            values = self.halting(state.detach()).float()  # (B, T, 2)
            goals = torch.stack((right_now, right[-1]), dim=-1).float()
            losses.append(F.binary_cross_entropy_with_logits(values, goals))
        return torch.stack(losses).mean()
