"""ouroboros: one shared block that is fed its own output, with latent attention.

The block (RMSNorm, latent attention, RMSNorm, SwiGLU; both halves added to what comes in) is
applied `passes` times, s <- norm(block(s + x)). The norm has no gain: a pre-norm residual stream
through one block grows with every pass, a normed one is bounded at any depth. Without the input
x given back, passes beyond the second made answers worse.

A few learned reasoning tokens stand before every text, and every token sees them. They see each
other alone, so what they are in each pass depends on the weights and not on the text: they are
read once for a whole batch, once for a cache, and stand at positions -P to -1 whatever the
padding.

Parameters, with D the width, K that of a head, and a head that is the embedding (V D):

    latent attention, no biases: q_down, kv_down, q_up, k_up, v_up D^2/4 each, out D^2     9/4 D^2
    gains of the norms of queries and keys, shared by the heads                            2 K
    SwiGLU of hidden width 4 D, with biases                                                12 D^2 + 9 D
    two norms in the block, one before the head                                            3 D
    five reasoning tokens                                                                  5 D
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.config import ModelConfig, require
from models.layers.attention import AttentionContext
from models.layers.block import PreNormBlock
from models.layers.initialise import initialise
from models.layers.kv_cache import KVCache
from models.layers.latent_attention import LatentAttention, LatentContext
from models.layers.latent_cache import LatentCache
from models.layers.norm import RMSNorm, rms_norm
from models.layers.rotary import rotary_tables
from models.recursion import Depth
from models.recursive_lm import Hidden, RecursiveLM, States

CYCLES = 4
"""Of the dial at the trained depth: one is a quarter of the passes."""


@dataclass(frozen=True, kw_only=True)
class OuroborosConfig(ModelConfig):
    """The one-block model's own dials."""

    architecture: ClassVar[str] = "ouroboros"
    growth_axes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"loops": "max_cycles", "ff": "d_feed_forward", "vocab": "vocab_size"}
    )
    d_model: int = 256
    """Width of the residual stream; latents are a quarter of it."""
    passes: int = 4
    """Applications of the block in four cycles: a multiple of 4, for each cycle is a quarter."""
    max_cycles: int = CYCLES
    """The most cycles training uses; a model that grew uses more than four."""
    d_feed_forward: int | None = None
    """Hidden width of the block's network; four times d_model unless given."""
    reasoning_tokens: int = 5
    """Learned vectors before the text that every token sees."""
    tied: bool = True
    """Whether the head is the embedding."""

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        require(self.d_model % 4 == 0, "model.d_model", self.d_model, "a multiple of 4")
        whole = 4 <= self.passes <= 64 and self.passes % CYCLES == 0
        require(whole, "model.passes", self.passes, "a multiple of 4, up to 64")
        require(1 <= self.reasoning_tokens <= 64, "model.reasoning_tokens", self.reasoning_tokens, "1 to 64")
        cycles, hidden = self.max_cycles, self.d_feed_forward
        require(CYCLES <= cycles <= 64, "model.max_cycles", cycles, f"{CYCLES} to 64")
        require(hidden is None or hidden >= 8, "model.d_feed_forward", hidden, "at least 8")


class Ouroboros(RecursiveLM):
    """See the module. Depth is read as `cycles` quarters of the passes; `steps` has no meaning here."""

    config: OuroborosConfig

    def __init__(self, config: OuroborosConfig) -> None:
        super().__init__(config)
        width, heads = config.d_model, config.n_heads
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.reasoning = nn.Parameter(torch.empty(config.reasoning_tokens, width))
        attention = LatentAttention(width, heads, width // 4)
        self.block = PreNormBlock(
            width,
            heads,
            config.size_of("ff"),
            feed_forward_bias=True,
            dropout=config.dropout,
            attention=attention,
        )
        self.norm = RMSNorm(width)
        self.head = nn.Linear(width, config.vocab_size, bias=False)
        if config.positions == "rotary":
            count = config.reasoning_tokens
            cos, sin = rotary_tables(width // heads, count, first=-count)
            self.register_buffer("reasoning_cos", cos[None, :, None], persistent=False)
            self.register_buffer("reasoning_sin", sin[None, :, None], persistent=False)
        initialise(self, embedding_std=0.02)
        nn.init.normal_(self.reasoning)
        if config.tied:
            self.head.weight = self.embedding.weight
        nn.init.normal_(self.head.weight, std=0.02)

    reasoning_cos: Tensor
    reasoning_sin: Tensor

    @property
    def trained_depth(self) -> Depth:
        return Depth(self.config.max_cycles)

    def attention_calls(self, depth: Depth) -> int:
        return depth.cycles * self.config.passes // CYCLES

    def passes(self, depth: Depth) -> int:
        """Applications of the block."""
        return self.attention_calls(depth)

    def new_cache(self, batch: int, length: int, depth: Depth | None = None) -> LatentCache:
        """An empty cache of latents for `batch` rows of up to `length` tokens at `depth`."""
        slots = self.attention_calls(depth or self.trained_depth)
        return LatentCache(slots, batch, length, self.config.d_model // 4, self.embedding.weight.device)

    @property
    def levels(self) -> tuple[str, ...]:
        return ("block",)

    def hidden(self, tokens: Tensor, depth: Depth, context: AttentionContext) -> Hidden:
        assert isinstance(context, LatentContext)
        slots = range(self.attention_calls(depth))
        context.prefix = self.prefix(len(slots), context)
        x = rms_norm(self.embed(tokens, context.cache, context.padding))  # (B, T, D)
        history, cycles = self.recur((x,), x, depth, context, slots)
        return Hidden(history[-1][0], cycles * (self.config.passes // CYCLES))

    def readout(self, state: Tensor) -> Tensor:
        # A state holds much of its own token. Held against the table as it stands, it would say that
        # token again; with its features moved by a quarter it says nothing of it until it learns to.
        logits: Tensor = self.head(self.norm(state).roll(self.config.d_model // 4, dims=-1))  # (B, T, V)
        return logits.float()

    def cycle(
        self, number: int, states: States, x: Tensor, context: AttentionContext, slots: range
    ) -> States:
        """The block, as often as there are slots."""
        (state,) = states
        if context.ablation.freeze == "block":
            return states
        for slot in slots:
            state = self.one_pass(state, x, context, slot)
            context.record("block", state)
        return (state,)

    default_halt: ClassVar[float] = 0.8
    """On Shakespeare: a third fewer passes than all four, and the loss is the same."""

    def one_pass(self, state: Tensor, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        """The state (B, T, D) after one more application of the block, reminded of the input `x`."""
        return rms_norm(self.block(state + x, context, slot))

    def latents(self, state: Tensor) -> Tensor:
        """What the block would keep of `state` (B, T, D), (B, T, R)."""
        attention = self.block.attention
        assert isinstance(attention, LatentAttention)
        latents: Tensor = attention.kv_down(self.block.attention_norm(state))
        return latents

    def prefix(self, slots: int, tokens: AttentionContext) -> Tensor:
        """The latents of the reasoning tokens in each slot, (slots, P, R), read where no cache has them.

        `tokens` is the context of the text. What its ablation leaves out is left out here too.
        """
        cache, ablation = tokens.cache, tokens.ablation
        held = cache.prefix if isinstance(cache, LatentCache) else None
        if held is not None:
            return held
        context = LatentContext(causal=False)
        if self.config.positions == "rotary":
            context.key_cos, context.key_sin = self.reasoning_cos, self.reasoning_sin
            context.cos, context.sin = context.key_cos[:, :, None], context.key_sin[:, :, None]
        state = x = rms_norm(self.reasoning)[None]  # (1, P, D)
        if ablation.drop_input:
            x = torch.zeros_like(x)
        per_cycle, latents = self.config.passes // CYCLES, []
        for slot in range(slots):
            latents.append(self.latents(state + x)[0])
            left_out = ablation.freeze == "block" or ablation.skips(slot // per_cycle + 1)
            if slot + 1 < slots and not left_out:
                state = self.one_pass(state, x, context, slot)
        prefix = torch.stack(latents)
        if isinstance(cache, LatentCache):
            cache.prefix = prefix
        return prefix

    def attention_context(
        self, tokens: Tensor, cache: KVCache | None, padding: Tensor | None
    ) -> LatentContext:
        """What attention over `tokens` may see, and the rotation of all positions."""
        plain = super().attention_context(tokens, cache, padding)
        context = LatentContext(**{field.name: getattr(plain, field.name) for field in fields(plain)})
        new = tokens.size(1)
        if context.causal:  # the prefix makes it oblong: more keys than queries
            context.mask = torch.ones(1, 1, new, new, dtype=torch.bool, device=tokens.device).tril()
            context.causal = False
        if self.config.positions == "rotary":
            places = torch.arange(new + (cache.length if cache is not None else 0), device=tokens.device)
            where = places[None] if padding is None else (places - padding[:, None]).clamp(min=0)
            cos, sin = self.cos[where][:, :, None], self.sin[where][:, :, None]  # (B or 1, S, 1, K)
            rows = (len(cos), -1, -1, -1)
            context.key_cos = torch.cat((self.reasoning_cos.expand(rows), cos), dim=1)
            context.key_sin = torch.cat((self.reasoning_sin.expand(rows), sin), dim=1)
        return context
