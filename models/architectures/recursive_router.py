"""recursive_router: a stack of layers, then one more layer as often as the router says.

The router reads each token's state after the stack, alone, and gives it probabilities of 0, 1 or
2 passes of the recursive layer; a token leaves as soon as the passes it has had are likely enough
to be all it wants (`models/layers/router.py`). The layer's first pass sees every token as the
stack left it; at the second, those that left are seen as at the first.

The router is trained on the exact expectation of the loss over its choices: the cross-entropy
after every number of passes, weighted with their probabilities, and a price for each pass. So it
learns what a pass is worth for each token, without a trick for the gradient.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.loader import IGNORED
from models.config import ModelConfig, require
from models.layers.attention import Attention, AttentionContext
from models.layers.block import PreNormBlock
from models.layers.initialise import initialise
from models.layers.kv_cache import KVCache
from models.layers.norm import BiasedLayerNorm
from models.layers.router import (
    LastSeen,
    after,
    at_most,
    expected_passes,
    pass_again,
    pass_packed,
    passes_wanted,
)
from models.layers.selection import Selection
from models.recursion import Depth
from models.recursive_lm import LossParts, Output, RecursiveLM

MOST_PASSES = 2
"""Of the recursive layer, beyond the stack."""


@dataclass(frozen=True, kw_only=True)
class RecursiveRouterConfig(ModelConfig):
    """The routed model's own dials."""

    architecture: ClassVar[str] = "recursive_router"
    growing: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"layers": "n_layers", "ff": "d_feed_forward", "vocab": "vocab_size"}
    )
    balanced: ClassVar[tuple[str, ...]] = ("layers",)
    n_layers: int = 4
    """Layers of the stack every token passes once."""
    d_feed_forward: int | None = None
    """Hidden width of each layer's network; four times d_model unless given."""
    router: str = "hard"
    """hard: each token takes the passes it wants; soft: all, and their weighted mean is read out;
    fixed: all that the mode allows."""
    compute_penalty: float = 0.001
    """Nats that a pass must be worth to a token."""
    exploration: float = 0.2
    """Share of the training of each number of passes that does not follow the router."""
    tied: bool = False
    """Whether the head is the embedding."""

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        hidden = self.d_feed_forward
        require(1 <= self.n_layers <= 256, "model.n_layers", self.n_layers, "1 to 256")
        require(hidden is None or hidden >= 8, "model.d_feed_forward", hidden, "at least 8")
        choices = ("hard", "soft", "fixed")
        require(self.router in choices, "model.router", self.router, f"one of {', '.join(choices)}")
        require(self.compute_penalty > 0, "model.compute_penalty", self.compute_penalty, "above 0")
        require(0 <= self.exploration <= 1, "model.exploration", self.exploration, "0 to 1")


class RecursiveRouter(RecursiveLM):
    """See the module. Depth is read as `cycles`: the stack counts one, then come up to two passes.

    `Output.passes` counts the same way: 1 to 3. Pads count 0.
    """

    config: RecursiveRouterConfig

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
        initialise(self, embedding_std=0.02 if config.tied else 1.0)
        if config.tied:
            self.head.weight = self.embedding.weight
        nn.init.normal_(self.head.weight, std=0.02)
        if config.tied and config.positions == "sinusoidal":
            self.waves.mul_(0.02)  # no louder than the tokens
        if config.router != "fixed":
            # All tokens begin with all passes: what is not worth it is learned to be left out.
            nn.init.zeros_(self.router.weight)
            nn.init.zeros_(self.router.bias)
            nn.init.ones_(self.router.bias[MOST_PASSES:])

    @property
    def trained_depth(self) -> Depth:
        return Depth(1 + MOST_PASSES)

    default_halt: ClassVar[float] = 0.5

    @property
    def leaving(self) -> Literal["asked", "always", "never"]:
        return "always" if self.config.router == "hard" else "never"

    def reached(self, depth: Depth) -> Depth:
        return Depth(min(depth.cycles, 1 + MOST_PASSES))

    def attention_calls(self, depth: Depth) -> int:
        return len(self.stack) + self.reached(depth).cycles - 1

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
        most = self.reached(depth).cycles - 1
        context = self.attention_context(tokens, cache, padding)
        state = self.through_stack(tokens, context)
        wanted = self.wanted(state, most)  # (B, T, most + 1)
        took = self.took(wanted, self.default_halt if depth.halt is None else depth.halt)
        real = torch.ones_like(took)
        if padding is not None:
            real = (context.new_places(took.size(1), took.device) >= padding[:, None]).long()
        took = took * real
        if cache is None and torch.is_grad_enabled():
            states = self.every_pass(state, took, most, context)
            read_out = after(states, took)
        else:
            states = self.passes_taken(state, took, most, context)
            read_out = states[-1]
        if self.config.router == "soft":
            read_out = sum_of(states, wanted)
        if cache is not None:
            cache.advance(tokens.size(1))
        logits = self.head(self.norm(read_out)).float()  # (B, T, V)
        return Output(logits, ((1 + took) * real).float(), states if keep_states else None)

    def training_loss(self, tokens: Tensor, targets: Tensor, depth: Depth) -> LossParts:
        """The expectation of cross-entropy and price over the router's choices.

        Weights are trained on every number of passes, most on those the router gives to a token;
        the router is trained on the cross-entropy each of them has.
        """
        most = self.reached(depth).cycles - 1
        context = self.attention_context(tokens, None, None)
        state = self.through_stack(tokens, context)
        wanted = self.wanted(state, most)  # (B, T, most + 1)
        took = self.took(wanted, self.default_halt)
        states = self.every_pass(state, took, most, context)
        count = (targets != IGNORED).sum()
        price = self.config.compute_penalty * expected_passes(wanted).mean()
        if self.config.router == "hard":
            each = [self.losses(state, targets) for state in states]
            losses = torch.stack(each, dim=-1)  # (B, T, most + 1)
            explored = self.config.exploration
            shares = (1 - explored) * wanted.detach() + explored / (most + 1)
            # The last term's value is 0; its gradient is the router's.
            expected = shares * losses + (wanted - wanted.detach()) * losses.detach()
            total = expected.sum() / count + price
            next_token = losses.detach().gather(-1, took[..., None]).sum() / count
        else:
            read_out = sum_of(states, wanted) if self.config.router == "soft" else states[-1]
            next_token = self.losses(read_out, targets).sum() / count
            total = next_token + price
        extras = {"router_passes": expected_passes(wanted).mean().detach()}
        return LossParts(total, next_token.detach(), 1 + took.float().mean(), extras)

    def through_stack(self, tokens: Tensor, context: AttentionContext) -> Tensor:
        """What the router reads and the recursive layer begins with, (B, T, D)."""
        x = self.embed(tokens, context.cache, context.padding)
        for slot, block in enumerate(self.stack):
            x = block(x, context, slot)
        return x

    def wanted(self, state: Tensor, most: int) -> Tensor:
        """The probability of each number of passes, (B, T, most + 1) in float32."""
        if self.config.router == "fixed":
            only = torch.arange(most + 1, device=state.device) == most
            return only.float().expand(*state.shape[:2], -1)
        return at_most(self.router(self.norm(state)).float().softmax(-1), most)

    def took(self, wanted: Tensor, threshold: float) -> Tensor:
        """The passes each token takes, (B, T)."""
        if self.config.router == "hard":
            return passes_wanted(wanted, threshold)
        return torch.full(wanted.shape[:2], wanted.size(-1) - 1, device=wanted.device)

    def every_pass(self, state: Tensor, took: Tensor, most: int, context: AttentionContext) -> list[Tensor]:
        """The state (B, T, D) after 0..most passes, computed for every token."""
        context = replace(context, cache=LastSeen())
        return [state, *pass_again(self._step, state, took, range(1, most + 1), context, range(most))]

    def passes_taken(self, state: Tensor, took: Tensor, most: int, context: AttentionContext) -> list[Tensor]:
        """The state (B, T, D) after 0..most passes, computed for the tokens that take them."""
        if most == 0:
            return [state]
        first = len(self.stack)
        if context.cache is None:
            first, context = 0, replace(context, cache=self._cache_of_passes(state, most))
        leaving, attention = took < 1, self.recursive_layer.attention
        if leaving.any():
            assert isinstance(attention, Attention)
            selection = Selection.of(leaving)
            seen = self.recursive_layer.attention_norm(selection.pack(state))
            attention.remember(seen, context.among(selection), first)
        once = pass_packed(self._step, state, ~leaving, 1, context, first)
        slots = range(first + 1, first + most)
        return [state, once, *pass_again(self._step, once, took, range(2, most + 1), context, slots)]

    def losses(self, state: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy (B, T) of a state (B, T, D) read out, 0 where there is no target."""
        logits = self.head(self.norm(state)).float().flatten(0, 1)
        losses = F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORED, reduction="none")
        return losses.view_as(targets)

    def _step(self, number: int, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        return self.recursive_layer(x, context, slot)

    def _cache_of_passes(self, state: Tensor, most: int) -> KVCache:
        batch, length, width = state.shape
        heads = self.config.n_heads
        return KVCache(most, batch, heads, length, width // heads, state.device)


def sum_of(states: list[Tensor], weights: Tensor) -> Tensor:
    """The mean (B, T, D) of `states` (B, T, D) each, weighted by `weights` (B, T, N)."""
    return (torch.stack(states, dim=-1) @ weights.to(states[0].dtype)[..., None]).squeeze(-1)
