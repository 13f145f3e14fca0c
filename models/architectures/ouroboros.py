"""ouroboros: one shared block with latent attention, applied to its own output.

    x <- norm(embedding);    s <- x
    s <- norm(block(s + x)), `passes` times
    logits = head(norm(s)), with the features of s moved by D/4

The block is pre-norm: RMSNorm, latent attention, RMSNorm, SwiGLU (latent attention after DeepSeek-AI 2024,
arXiv 2405.04434). The norm around it has no gain. Without that norm, the residual stream would grow with
every pass; with it, the state is bounded at any depth. Without x in every pass, passes beyond the second
made answers worse.

A few learned reasoning tokens come before every text, and every token sees them. They see only each other,
so their states depend on the weights and not on the text. They are computed once for a whole batch, and
once for a cache, at positions -P to -1 whatever the padding.

Depth: `cycles` is the number of quarters of `config.passes`, so four cycles are all passes; `steps` is
ignored.

Parameters, with width D, head width K, and the head tied to the embedding (V D):

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

from models.config import ModelConfig
from models.depth import Depth
from models.layers.attention import AttentionContext
from models.layers.block import PreNormBlock
from models.layers.initialise import draw_head, initialise
from models.layers.kv_cache import KVCache
from models.layers.latent_attention import LatentAttention, LatentContext
from models.layers.latent_cache import LatentCache
from models.layers.norm import RMSNorm, rms_norm
from models.layers.rotary import rotary_tables
from models.recursive_lm import Hidden, RecursiveLM, States
from models.settings import require
from models.token_input import places_in_documents

CYCLES = 4
"""The cycles of a depth that make up `config.passes`."""


@dataclass(frozen=True, kw_only=True)
class OuroborosConfig(ModelConfig):
    """The fields of the one-block model."""

    architecture: ClassVar[str] = "ouroboros"
    growth_axes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"loops": "max_cycles", "ff": "d_feed_forward", "vocab": "vocab_size"}
    )
    problem_shape: ClassVar[Mapping[str, int]] = MappingProxyType({"passes": 8})
    d_model: int = 256
    """Width of the state; latents are a quarter of it."""
    passes: int = 4
    """Applications of the block in four cycles: a multiple of 4."""
    max_cycles: int = CYCLES
    """The largest number of cycles in training; more than four for a grown model."""
    d_feed_forward: int | None = None
    """Hidden width of the block's feed-forward network. None: four times d_model."""
    reasoning_tokens: int = 5
    """Learned vectors before the text, which every token sees."""
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
    """The model of this module's docstring."""

    config: OuroborosConfig
    blocks_used_in_part: ClassVar[tuple[str, ...]] = ("block",)

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
        initialise(self, embedding_std=0.02)
        nn.init.normal_(self.reasoning)
        draw_head(self.head, self.embedding if config.tied else None)

    reasoning_cos: Tensor
    reasoning_sin: Tensor

    def position_tables(self) -> dict[str, Tensor]:
        """Those of the text, and the rotation of the reasoning tokens."""
        tables, config = super().position_tables(), self.config
        if config.positions == "rotary":
            count = config.reasoning_tokens
            cos, sin = rotary_tables(config.d_model // config.n_heads, count, first=-count)
            tables |= {"reasoning_cos": cos[None, :, None], "reasoning_sin": sin[None, :, None]}
        return tables

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
        x = rms_norm(self.embed(tokens, context))  # (B, T, D)
        history, cycles = self.recur((x,), x, depth, context, slots)
        return Hidden(history[-1][0], cycles * (self.config.passes // CYCLES))

    def readout(self, state: Tensor) -> Tensor:
        # A state resembles the embedding of its own token, and the head may be that table. So an untrained
        # model would repeat the token. With the features moved by a quarter it has no such preference.
        logits: Tensor = self.head(self.norm(state).roll(self.config.d_model // 4, dims=-1))  # (B, T, V)
        return logits.float()

    def cycle(
        self, number: int, states: States, x: Tensor, context: AttentionContext, slots: range
    ) -> States:
        """One application of the block for every slot."""
        (state,) = states
        if context.ablation.freeze == "block":
            return states
        for slot in slots:
            state = self.one_pass(state, x, context, slot)
            context.record("block", state)
        return (state,)

    default_halt: ClassVar[float] = 0.8
    """On Shakespeare, a third of the passes is saved at the same loss."""

    def one_pass(self, state: Tensor, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        """The state (B, T, D) after one application of the block, with the input `x` (B, T, D)."""
        return rms_norm(self.block(state + x, context, slot))

    def latents(self, state: Tensor) -> Tensor:
        """The latents (B, T, R) that the block would cache for its input `state` (B, T, D)."""
        attention = self.block.attention
        assert isinstance(attention, LatentAttention)
        latents: Tensor = attention.kv_down(self.block.attention_norm(state))
        return latents

    def prefix(self, slots: int, tokens: AttentionContext) -> Tensor:
        """The latents of the reasoning tokens in each slot, (slots, P, R), from the cache if it has them.

        `tokens` is the context of the text. Its ablation applies to the reasoning tokens too.
        """
        cache, ablation = tokens.cache, tokens.ablation
        cached = cache.prefix if isinstance(cache, LatentCache) else None
        if cached is not None:
            return cached
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
        self,
        tokens: Tensor,
        cache: KVCache | None = None,
        padding: Tensor | None = None,
        documents: Tensor | None = None,
    ) -> LatentContext:
        """The context for attention over `tokens` (B, T), with the rotation of the prefix and all tokens."""
        plain = super().attention_context(tokens, cache, padding, documents)
        context = LatentContext(**{field.name: getattr(plain, field.name) for field in fields(plain)})
        new = tokens.size(1)
        if self.config.positions == "rotary":
            places = torch.arange(new + (cache.length if cache is not None else 0), device=tokens.device)
            positions = places[None] if padding is None else (places - padding[:, None]).clamp(min=0)
            if documents is not None:  # the reasoning tokens are as far away as from the beginning of a text
                positions = places_in_documents(documents)
            cos, sin = self.cos[positions][:, :, None], self.sin[positions][:, :, None]  # (B or 1, S, 1, K)
            rows = (len(cos), -1, -1, -1)
            context.key_cos = torch.cat((self.reasoning_cos.expand(rows), cos), dim=1)
            context.key_sin = torch.cat((self.reasoning_sin.expand(rows), sin), dim=1)
        return context
