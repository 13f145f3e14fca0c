"""mixture_of_recursions: every layer may be applied again (after Bae et al. 2025, arXiv 2507.10524).

Each layer is applied once to every token, and then up to four more times, as the layer's own router decides
for that token. Each of these steps k has a projection P_k of its own:

    h <- layer(h);    p <- softmax(router(h))
    h <- layer(h + P_k h) for k = 1 .. d, with d by p for each token
    logits = head(norm(h)), after the last layer

Layers are post-norm, so that a state stays bounded after any number of steps. The router reads the output of
the first application, each token alone (`models/layers/router.py`). In training, every step is computed for
every token, and the router decides which state counts; for some tokens the number of steps is drawn from its
probabilities. Its gradient passes straight through that choice (Bengio et al. 2013, arXiv 1308.3432). Drawing
for every token was 0.01 nats worse, most of all at the deepest mode.

Depth: the first application of each layer is one of the `cycles`, and the rest are its steps at most;
`steps` is ignored. `Output.passes` counts in the same way, as the mean over the layers.

The preset `mor-technical` has exactly 29,113,758 parameters with a tied head. For that, all linear maps
but those to queries, keys and values and the head have biases, and a LayerNorm follows the embedding and
another precedes the head.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.config import ModelConfig
from models.depth import Depth
from models.layers.attention import AttentionContext
from models.layers.growable import Growing
from models.layers.initialise import HEAD_STD, draw_head, initialise
from models.layers.norm import BiasedLayerNorm
from models.layers.post_norm import RecursiveBlock
from models.layers.residual import add_output, for_products
from models.layers.router import DenseKV, after, at_most, expected_passes, pass_again, passes_taken, sum_of
from models.losses import LossParts, next_token_loss
from models.recursive_lm import Hidden, RecursiveLM
from models.settings import require

MOST_STEPS = 4
"""The largest number of steps of a layer after its first application."""
START_BIAS = 0.4
"""Of a new router, for the largest number of steps. With 0, it would be as likely as all others together."""
NEW_STEPS_SHARE = 0.25
"""The share of the probability of the largest number of steps that new steps of a grown model get."""


@dataclass(frozen=True, kw_only=True)
class MixtureOfRecursionsConfig(ModelConfig):
    """The fields of a model whose layers may each recur."""

    architecture: ClassVar[str] = "mixture_of_recursions"
    growth_axes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"layers": "n_layers", "loops": "max_steps", "ff": "d_feed_forward", "vocab": "vocab_size"}
    )
    block_axes: ClassVar[tuple[str, ...]] = ("layers",)
    n_layers: int = 4
    """Layers, each with its own router."""
    d_feed_forward: int | None = None
    """Hidden width of each layer's feed-forward network. None: four times d_model."""
    max_steps: int = 2
    """The largest number of steps of each layer, up to four."""
    router: str = "adaptive"
    """adaptive: a router decides how many steps each token takes. fixed: all tokens take fixed_steps."""
    fixed_steps: int | None = None
    """Steps of every layer with a fixed router. None: max_steps."""
    ponder_cost: float = 1e-4
    """The price of an expected step of a layer in the loss, in nats per token."""
    exploration: float = 0.1
    """Share of the tokens in training whose number of steps is drawn from the router's probabilities."""
    tied: bool = False
    """Whether the head is the embedding."""
    gated_layers: int = 0
    """How many of the last layers have a gate: those that were added to a grown model."""

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        hidden, fixed = self.d_feed_forward, self.fixed_steps
        require(1 <= self.n_layers <= 256, "model.n_layers", self.n_layers, "1 to 256")
        require(hidden is None or hidden >= 8, "model.d_feed_forward", hidden, "at least 8")
        require(1 <= self.max_steps <= MOST_STEPS, "model.max_steps", self.max_steps, f"1 to {MOST_STEPS}")
        require(self.router in ("adaptive", "fixed"), "model.router", self.router, "adaptive or fixed")
        gated = self.gated_layers
        require(0 <= gated < self.n_layers, "model.gated_layers", gated, f"0 to {self.n_layers - 1}")
        most = f"0 to max_steps, {self.max_steps}"
        require(fixed is None or 0 <= fixed <= self.max_steps, "model.fixed_steps", fixed, most)
        require(self.ponder_cost > 0, "model.ponder_cost", self.ponder_cost, "above 0")
        require(0 <= self.exploration <= 1, "model.exploration", self.exploration, "0 to 1")

    def larger(self, sizes: Mapping[str, int]) -> Self:
        more = sizes.get("layers", self.n_layers) - self.n_layers
        return replace(super().larger(sizes), gated_layers=self.gated_layers + more)

    def why_not_grow(self, axis: str) -> str | None:
        if self.router == "fixed" and axis == "loops":
            return "with a fixed router all tokens take all steps, so more of them would change its answers"
        return None

    @property
    def most_steps(self) -> int:
        """The steps of a layer at the deepest mode."""
        if self.router == "adaptive" or self.fixed_steps is None:
            return self.max_steps
        return self.fixed_steps


class RecursiveLayer(nn.Module, Growing):
    """A block, the projections before its steps, and the router that decides how many steps there are."""

    def __init__(self, config: MixtureOfRecursionsConfig, *, gated: bool) -> None:
        super().__init__()
        width, most = config.d_model, config.most_steps
        hidden = config.size_of("ff")
        self.block = RecursiveBlock(width, config.n_heads, hidden, dropout=config.dropout, gated=gated)
        self.steps = nn.ModuleList(nn.Linear(width, width) for _ in range(most))
        self.exploration = config.exploration
        self.routed = config.router == "adaptive"
        if self.routed:
            self.router_in = nn.Linear(width, width // 4)
            self.router_out = nn.Linear(width // 4, most + 1)

    def reset_routing(self) -> None:
        """Set the start of projections and router: a step only applies the block again, and all tokens take
        all steps. So every step is trained, and the router learns which ones to leave out."""
        for weight in self.steps.parameters():
            nn.init.zeros_(weight)
        if self.routed:
            nn.init.zeros_(self.router_out.weight)
            nn.init.constant_(self.router_out.bias[-1:], START_BIAS + math.log(max(1, len(self.steps))))

    @torch.no_grad()
    def keep_function(self, before: nn.Module) -> None:
        """Move a part of the probability of the largest old number of steps to the new numbers.

        The part is less than half, so a token that took the largest number takes no new step now. New
        steps are drawn for some tokens in training, and so are learned.
        """
        assert isinstance(before, RecursiveLayer)
        most, new = len(before.steps), len(self.steps) - len(before.steps)
        if not (self.routed and new):
            return
        router = self.router_out
        router.weight[most + 1 :] = router.weight[most]
        router.bias[most + 1 :] = router.bias[most] + math.log(NEW_STEPS_SHARE / new)
        router.bias[most] += math.log1p(-NEW_STEPS_SHARE)

    def forward(
        self, x: Tensor, most: int, threshold: float, context: AttentionContext, slots: range
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """The states after 0 to `most` steps (B, T, D), their probabilities (B, T, most + 1), and the number
        of steps of each token (B, T).

        With DenseKV as the cache, every token takes part in every step.
        """
        first, copy = for_products(self.block(x, context, slots[0]))
        probs = self.pass_probs(copy, most)
        n_steps = self.n_steps(probs, threshold)
        if context.padding is not None:
            n_steps = n_steps * (context.new_places(x.size(1), x.device) >= context.padding[:, None])
        numbers = range(1, most + 1)
        return [first, *pass_again(self._step, first, n_steps, numbers, context, slots[1:])], probs, n_steps

    def pass_probs(self, state: Tensor, most: int) -> Tensor:
        """The probability of each number of steps, (B, T, most + 1) in float32."""
        if not self.routed:
            only = torch.arange(most + 1, device=state.device) == most
            return only.float().expand(*state.shape[:2], -1)
        scores = self.router_out(F.gelu(self.router_in(state))).float()
        return at_most(scores.softmax(-1), most)

    def n_steps(self, pass_probs: Tensor, threshold: float) -> Tensor:
        """The number of steps of each token (B, T): decided, or in training drawn for some tokens, so that
        every number of steps is learned."""
        decided = passes_taken(pass_probs, threshold)
        if not (self.training and torch.is_grad_enabled()):
            return decided
        # By the inverse of the distribution function: unlike torch.multinomial, it accepts NaN.
        point = torch.rand(*decided.shape, 1, device=decided.device)
        drawn = (pass_probs.detach().cumsum(-1)[..., :-1] < point).sum(-1).to(decided.dtype)
        return torch.where(
            torch.rand(decided.shape, device=decided.device) < self.exploration, drawn, decided
        )

    def _step(self, number: int, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        projection = self.steps[number - 1]
        assert isinstance(projection, nn.Linear)
        total, copy = add_output(*for_products(x), projection)
        return self.block(total, context, slot, copy)


class MixtureOfRecursions(RecursiveLM):
    """The model of this module's docstring."""

    config: MixtureOfRecursionsConfig

    def __init__(self, config: MixtureOfRecursionsConfig) -> None:
        super().__init__(config)
        width = config.d_model
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.embedding_norm = BiasedLayerNorm(width)
        plain = config.n_layers - config.gated_layers
        layers = [RecursiveLayer(config, gated=number >= plain) for number in range(config.n_layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = BiasedLayerNorm(width)
        self.head = nn.Linear(width, config.vocab_size, bias=False)
        initialise(self, embedding_std=HEAD_STD if config.tied else 1.0)
        draw_head(self.head, self.embedding if config.tied else None)
        for layer in layers:
            layer.reset_routing()

    @property
    def wave_size(self) -> float:
        return HEAD_STD if self.config.tied else 1.0

    @property
    def trained_depth(self) -> Depth:
        return Depth(1 + self.config.most_steps)

    default_halt: ClassVar[float] = 0.5

    @property
    def early_exit(self) -> Literal["on_request", "always", "never"]:
        return "always" if self.config.router == "adaptive" and self.recursive else "never"

    def reached(self, depth: Depth) -> Depth:
        return Depth(min(depth.cycles, 1 + self.config.most_steps))

    @property
    def recursive(self) -> bool:
        return self.config.most_steps > 0

    def attention_calls(self, depth: Depth) -> int:
        return len(self.layers) * self.reached(depth).cycles

    injects_input: ClassVar[bool] = False
    first_skippable: ClassVar[int] = 2

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(f"layer {number}" for number in range(1, len(self.layers) + 1))

    def hidden(self, tokens: Tensor, depth: Depth, context: AttentionContext) -> Hidden:
        state, passes, _ = self.through_layers(tokens, depth, context)
        return Hidden(state, passes)

    def readout(self, state: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(state))  # (B, T, V)
        return logits.float()

    def training_loss(
        self, tokens: Tensor, targets: Tensor, depth: Depth, documents: Tensor | None = None
    ) -> LossParts:
        """The cross-entropy after the steps taken, plus the price of the expected steps."""
        context = self.attention_context(tokens, documents=documents)
        state, passes, expected = self.through_layers(tokens, depth, context)
        next_token = next_token_loss(self.readout(state), targets)
        total = next_token + self.config.ponder_cost * expected
        return LossParts(total, next_token.detach(), passes.mean())

    def through_layers(
        self, tokens: Tensor, depth: Depth, context: AttentionContext
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The state to be read out (B, T, D), the passes of each token (B, T), and the expected number of
        steps in all layers, as the mean over the tokens."""
        cycles, cache = self.reached(depth).cycles, context.cache
        threshold = self.default_halt if depth.halt is None else depth.halt
        state = self.embedding_norm(self.embed(tokens, context))  # (B, T, D)
        dense = cache is None and torch.is_grad_enabled()
        if cache is None and not dense:  # for this call alone, so every layer can use the same slots
            context = replace(context, cache=self.cache_with(cycles, *tokens.shape))
        applied = torch.zeros(tokens.shape, device=tokens.device)
        expected = torch.zeros((), device=tokens.device)
        for number, (level, layer) in enumerate(zip(self.levels, self.layers, strict=True)):
            if context.ablation.freeze == level:
                continue
            slots = range(cycles) if cache is None else range(number * cycles, (number + 1) * cycles)
            within = replace(context, cache=DenseKV()) if dense else context
            states, probs, n_steps = layer(state, cycles - 1, threshold, within, slots)
            state = _state_taken(states, probs, n_steps) if dense else states[-1]
            expected = expected + expected_passes(probs).mean()
            applied = applied + 1 + context.ablation.count(n_steps)
            if context.trace is not None:
                context.trace.add(level, states[0], router=probs)
                for cycle, later in enumerate(states[1:], start=2):
                    if not context.ablation.skips(cycle):
                        context.trace.add(level, later)
        return state, applied / len(self.layers), expected


def _state_taken(states: list[Tensor], pass_probs: Tensor, n_steps: Tensor) -> Tensor:
    """Each token's state (B, T, D) after its `n_steps` (B, T), with a gradient to `pass_probs` (B, T, N)."""
    if not pass_probs.requires_grad:
        return after(states, n_steps)
    weights = pass_probs - pass_probs.detach()  # (B, T, N)
    taken = n_steps[..., None]  # (B, T, 1)
    weights = weights.scatter_add(-1, taken, torch.ones_like(taken, dtype=weights.dtype))
    return sum_of(states, weights)
