"""recursive_router: a stack of layers, then a recursive layer that a router applies 0, 1 or 2 times.

    s <- stack(embedding);    p <- softmax(router(norm(s)))
    s <- layer(s), d times, with d by p for each token
    logits = head(norm(s))

All layers are pre-norm, with GELU and biases. The router reads each token's state alone and gives the
probabilities p of 0, 1 or 2 passes. A token takes the smallest d for which P(at most d) reaches a threshold
(`models/layers/router.py`). In the first pass, attention sees every token as the stack left it. In the
second, it sees a token that has left as in the first. The preset `recursive-48m` has the sizes of the
published model of this kind.

The router is trained on the exact expectation of the loss over its choices: the cross-entropy after every
number of passes, weighted by its probability, plus `ponder_cost` for each expected pass. So it learns what a
pass is worth for each token, and no estimate of the gradient is needed.

Depth: the stack is one of the `cycles`, and the rest, up to two, are passes of the recursive layer; `steps`
is ignored. `Output.passes` counts in the same way, 1 to 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.loader import IGNORED
from models.config import ModelConfig
from models.depth import Depth
from models.layers.attention import Attention, AttentionContext
from models.layers.block import PreNormBlock
from models.layers.initialise import HEAD_STD, draw_head, initialise
from models.layers.norm import BiasedLayerNorm
from models.layers.router import (
    DenseKV,
    after,
    at_most,
    expected_passes,
    pass_again,
    pass_packed,
    passes_taken,
    sum_of,
)
from models.layers.selection import Selection
from models.losses import LossParts
from models.recursive_lm import Hidden, RecursiveLM
from models.settings import require

MOST_PASSES = 2
"""The largest number of passes of the recursive layer."""


@dataclass(frozen=True, kw_only=True)
class RecursiveRouterConfig(ModelConfig):
    """The fields of the routed model."""

    architecture: ClassVar[str] = "recursive_router"
    growth_axes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"layers": "n_layers", "ff": "d_feed_forward", "vocab": "vocab_size"}
    )
    block_axes: ClassVar[tuple[str, ...]] = ("layers",)
    problem_shape: ClassVar[Mapping[str, int]] = MappingProxyType({"n_layers": 2})
    n_layers: int = 4
    """Layers of the stack, which every token takes once."""
    d_feed_forward: int | None = None
    """Hidden width of each layer's feed-forward network. None: four times d_model."""
    router: str = "hard"
    """hard: the router decides how many passes each token takes. soft: every token takes all passes, and the
    mean of their states, weighted by the router, is read out. fixed: every token takes all passes."""
    ponder_cost: float = 0.001
    """The price of an expected pass in the loss, in nats per token."""
    exploration: float = 0.2
    """Share of the loss that weighs every number of passes alike, whatever the router says."""
    tied: bool = False
    """Whether the head is the embedding."""

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        hidden = self.d_feed_forward
        require(1 <= self.n_layers <= 256, "model.n_layers", self.n_layers, "1 to 256")
        require(hidden is None or hidden >= 8, "model.d_feed_forward", hidden, "at least 8")
        choices = ("hard", "soft", "fixed")
        require(self.router in choices, "model.router", self.router, f"one of {', '.join(choices)}")
        require(self.ponder_cost > 0, "model.ponder_cost", self.ponder_cost, "above 0")
        require(0 <= self.exploration <= 1, "model.exploration", self.exploration, "0 to 1")


class RecursiveRouter(RecursiveLM):
    """The model of this module's docstring."""

    config: RecursiveRouterConfig
    blocks_used_in_part: ClassVar[tuple[str, ...]] = ("recursive_layer",)

    def __init__(self, config: RecursiveRouterConfig) -> None:
        super().__init__(config)
        width = config.d_model

        def layer() -> PreNormBlock:
            return PreNormBlock(
                width,
                config.n_heads,
                config.d_feed_forward or 4 * width,
                norm="layer-bias",
                feed_forward="gelu",
                feed_forward_bias=True,
                attention=Attention(width, config.n_heads, qk_norm=False, bias=True),
                dropout=config.dropout,
            )

        self.embedding = nn.Embedding(config.vocab_size, width)
        self.stack = nn.ModuleList(layer() for _ in range(config.n_layers))
        self.recursive_layer = layer()
        self.norm = BiasedLayerNorm(width)
        self.head = nn.Linear(width, config.vocab_size, bias=False)
        if config.router != "fixed":
            self.router = nn.Linear(width, MOST_PASSES + 1)
        initialise(self, embedding_std=HEAD_STD if config.tied else 1.0)
        draw_head(self.head, self.embedding if config.tied else None)
        if config.router != "fixed":
            # At first every token takes all passes, and the router learns which ones to leave out.
            nn.init.zeros_(self.router.weight)
            nn.init.zeros_(self.router.bias)
            nn.init.ones_(self.router.bias[MOST_PASSES:])

    @property
    def wave_size(self) -> float:
        return HEAD_STD if self.config.tied else 1.0

    @property
    def trained_depth(self) -> Depth:
        return Depth(1 + MOST_PASSES)

    default_halt: ClassVar[float] = 0.5

    @property
    def early_exit(self) -> Literal["on_request", "always", "never"]:
        return "always" if self.config.router == "hard" else "never"

    def reached(self, depth: Depth) -> Depth:
        return Depth(min(depth.cycles, 1 + MOST_PASSES))

    def attention_calls(self, depth: Depth) -> int:
        return len(self.stack) + self.reached(depth).cycles - 1

    def readouts(self, depth: Depth) -> int:
        return self.reached(depth).cycles if self.config.router == "hard" else 1

    injects_input: ClassVar[bool] = False
    first_skippable: ClassVar[int] = 2

    @property
    def levels(self) -> tuple[str, ...]:
        return ("recursive layer",)

    def hidden(self, tokens: Tensor, depth: Depth, context: AttentionContext) -> Hidden:
        frozen = context.ablation.freeze is not None
        most = 0 if frozen else self.reached(depth).cycles - 1
        state = self.through_stack(tokens, context)
        probs = self.pass_probs(state, most)  # (B, T, most + 1)
        n_passes = self.n_passes(probs, self.default_halt if depth.halt is None else depth.halt)
        if context.padding is not None:
            n_passes = n_passes * (
                context.new_places(n_passes.size(1), n_passes.device) >= context.padding[:, None]
            )
        if context.cache is None and torch.is_grad_enabled():
            states = self.every_pass(state, n_passes, most, context)
            read_out = after(states, n_passes)
        else:
            states = self.selected_passes(state, n_passes, most, context)
            read_out = states[-1]
        if self.config.router == "soft":
            read_out = sum_of(states, probs)
        if context.trace is not None:
            context.trace.add("stack", state, router=probs)
            for number, later in enumerate(states[1:], start=1):
                if not context.ablation.skips(number + 1):
                    context.trace.add("recursive layer", later)
        return Hidden(read_out, (1 + context.ablation.count(n_passes)).float())

    def readout(self, state: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(state))  # (B, T, V)
        return logits.float()

    def training_loss(
        self, tokens: Tensor, targets: Tensor, depth: Depth, documents: Tensor | None = None
    ) -> LossParts:
        """The expected cross-entropy and price over the router's choices.

        The cross-entropy after each number of passes trains the blocks, weighted mostly by the router's
        probabilities. Its value trains the router.
        """
        most = self.reached(depth).cycles - 1
        context = self.attention_context(tokens, documents=documents)
        state = self.through_stack(tokens, context)
        probs = self.pass_probs(state, most)  # (B, T, most + 1)
        n_passes = self.n_passes(probs, self.default_halt)
        states = self.every_pass(state, n_passes, most, context)
        count = (targets != IGNORED).sum()
        price = self.config.ponder_cost * expected_passes(probs).mean()
        if self.config.router == "hard":
            each = [self.losses(state, targets) for state in states]
            losses = torch.stack(each, dim=-1)  # (B, T, most + 1)
            explored = self.config.exploration
            shares = (1 - explored) * probs.detach() + explored / (most + 1)
            # The value of the second term is 0; its gradient trains the router.
            expected = shares * losses + (probs - probs.detach()) * losses.detach()
            total = expected.sum() / count + price
            next_token = losses.detach().gather(-1, n_passes[..., None]).sum() / count
        else:
            read_out = sum_of(states, probs) if self.config.router == "soft" else states[-1]
            next_token = self.losses(read_out, targets).sum() / count
            total = next_token + price
        return LossParts(total, next_token.detach(), 1 + n_passes.float().mean())

    def through_stack(self, tokens: Tensor, context: AttentionContext) -> Tensor:
        """The output (B, T, D) of the stack for `tokens` (B, T)."""
        x = self.embed(tokens, context)
        for slot, block in enumerate(self.stack):
            x = block(x, context, slot)
        return x

    def pass_probs(self, state: Tensor, most: int) -> Tensor:
        """The probability of each number of passes, (B, T, most + 1) in float32."""
        if self.config.router == "fixed":
            only = torch.arange(most + 1, device=state.device) == most
            return only.float().expand(*state.shape[:2], -1)
        return at_most(self.router(self.norm(state)).float().softmax(-1), most)

    def n_passes(self, pass_probs: Tensor, threshold: float) -> Tensor:
        """The number of passes of each token, (B, T)."""
        if self.config.router == "hard":
            return passes_taken(pass_probs, threshold)
        return torch.full(pass_probs.shape[:2], pass_probs.size(-1) - 1, device=pass_probs.device)

    def every_pass(
        self, state: Tensor, n_passes: Tensor, most: int, context: AttentionContext
    ) -> list[Tensor]:
        """The state (B, T, D) after 0..most passes, computed for every token."""
        context = replace(context, cache=DenseKV())
        numbers = range(1, most + 1)
        return [state, *pass_again(self._step, state, n_passes, numbers, context, range(most))]

    def selected_passes(
        self, state: Tensor, n_passes: Tensor, most: int, context: AttentionContext
    ) -> list[Tensor]:
        """The state (B, T, D) after 0..most passes, computed for the tokens that take them."""
        if most == 0:
            return [state]
        first = len(self.stack)
        if context.cache is None:
            first, context = 0, replace(context, cache=self.cache_with(most, *state.shape[:2]))
        active, attention = n_passes >= 1, self.recursive_layer.attention
        if context.ablation.skips(2):
            active = torch.zeros_like(active)
        if not active.all():
            # Later tokens see those that take no pass as the stack left them.
            assert isinstance(attention, Attention)
            selection = Selection.of(~active)
            seen = self.recursive_layer.attention_norm(selection.pack(state))  # (B, T', D)
            attention.remember(seen, context.among(selection), first)
        once = pass_packed(self._step, state, active, 1, context, first)
        slots = range(first + 1, first + most)
        return [state, once, *pass_again(self._step, once, n_passes, range(2, most + 1), context, slots)]

    def losses(self, state: Tensor, targets: Tensor) -> Tensor:
        """The cross-entropy (B, T) of a state (B, T, D) with `targets` (B, T); 0 where there is no target."""
        logits = self.head(self.norm(state)).float().flatten(0, 1)
        losses = F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORED, reduction="none")
        return losses.view_as(targets)

    def _step(self, number: int, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        return self.recursive_layer(x, context, slot)
