"""How tokens become vectors, and what attention over them may see: the same in every architecture."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.config import ModelConfig
from models.layers.attention import AttentionContext
from models.layers.kv_cache import KVCache
from models.layers.rotary import rotary_tables, sinusoidal_table


class TokenInput(nn.Module):
    """Tables of tokens and positions, read by `embed`."""

    cos: Tensor
    sin: Tensor
    waves: Tensor
    embedding: nn.Embedding

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        if config.positions == "rotary":
            cos, sin = rotary_tables(config.d_model // config.n_heads, config.context_length)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)
        elif config.positions == "sinusoidal":
            waves = sinusoidal_table(config.d_model, config.context_length)
            self.register_buffer("waves", waves, persistent=False)
        else:
            self.position_embedding = nn.Embedding(config.context_length, config.d_model)
        self.ngram_embeddings = nn.ModuleList(
            nn.Embedding(config.vocab_size, config.d_model) for _ in range(config.ngram)
        )

    def input_modules(self) -> list[nn.Module]:
        """What `embed` looks up: tables of tokens, of earlier tokens, of learned positions."""
        positions = [self.position_embedding] if self.config.positions == "learned" else []
        return [self.embedding, self.ngram_embeddings, *positions]

    def embed(self, tokens: Tensor, cache: KVCache | None, padding: Tensor | None) -> Tensor:
        """`tokens` (B, T) as vectors (B, T, D).

        With `ngram`, each position also embeds the tokens before it, every distance in a
        table of its own; before the beginning stands id 0, the pad. Learned or sinusoidal
        positions are added.
        """
        x = self.embedding(tokens)
        if self.config.positions == "learned":
            x = x + self.position_embedding(self.positions(tokens, cache, padding))
        elif self.config.positions == "sinusoidal":
            x = x + self.waves[self.positions(tokens, cache, padding)]
        reach, new = self.config.ngram, tokens.size(1)
        if reach:
            before = tokens.new_zeros(tokens.size(0), 0) if cache is None else cache.last_tokens(reach)
            extended = F.pad(torch.cat((before, tokens), dim=1), (reach - before.size(1), 0))
            for distance, table in enumerate(self.ngram_embeddings, start=1):
                x = x + table(extended[:, reach - distance : reach - distance + new])
        if cache is not None:
            cache.hold(tokens)
        return x

    def positions(self, tokens: Tensor, cache: KVCache | None, padding: Tensor | None) -> Tensor:
        """Where each of `tokens` (B, T) stands in its row, (B or 1, T), pads counted as 0."""
        start = cache.length if cache is not None else 0
        index = torch.arange(start, start + tokens.size(1), device=tokens.device)[None]
        return index if padding is None else (index - padding[:, None]).clamp(min=0)

    def attention_context(
        self, tokens: Tensor, cache: KVCache | None, padding: Tensor | None
    ) -> AttentionContext:
        """What attention over `tokens` may see, and the rotation of their positions."""
        context = AttentionContext(cache=cache, padding=padding)
        if self.config.positions == "rotary":
            where = self.positions(tokens, cache, padding)
            context.cos = self.cos[where][:, :, None, None]  # (B or 1, T, 1, 1, K)
            context.sin = self.sin[where][:, :, None, None]
        start, new = (cache.length if cache is not None else 0), tokens.size(1)
        if padding is None and start == 0:
            return context
        context.causal = False
        if padding is None and new == 1:
            return context
        queries = torch.arange(start, start + new, device=tokens.device)[:, None]
        keys = torch.arange(start + new, device=tokens.device)[None]
        mask = (keys <= queries)[None]  # (1, T, S)
        if padding is not None:
            # A pad sees itself alone: a row of nothing to see would be NaN.
            mask = (mask & (keys >= padding[:, None, None])) | (keys == queries)
        context.mask = mask[:, None]
        return context
