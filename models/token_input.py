"""How tokens become vectors, and which tokens attention sees: the same in every architecture."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.config import ModelConfig
from models.layers.attention import AttentionContext
from models.layers.kv_cache import KVCache
from models.layers.rotary import rotary_tables, sinusoidal_table


class TokenInput(nn.Module):
    """The tables that `embed` reads: of tokens, of the tokens before each one, and of positions."""

    cos: Tensor
    sin: Tensor
    waves: Tensor
    embedding: nn.Embedding

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        for name, table in self.position_tables().items():
            self.register_buffer(name, table, persistent=False)
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.context_length, config.d_model)
        self.ngram_embeddings = nn.ModuleList(
            nn.Embedding(config.vocab_size, config.d_model) for _ in range(config.ngram)
        )

    @property
    def wave_size(self) -> float:
        """The largest value of sinusoidal positions. Architectures with small embeddings make it smaller."""
        return 1.0

    def position_tables(self) -> dict[str, Tensor]:
        """The buffers that follow from the configuration alone, by name. No file of weights holds them."""
        config = self.config
        if config.positions == "rotary":
            cos, sin = rotary_tables(config.d_model // config.n_heads, config.context_length)
            return {"cos": cos, "sin": sin}
        if config.positions == "sinusoidal":
            return {"waves": self.wave_size * sinusoidal_table(config.d_model, config.context_length)}
        return {}

    def input_modules(self) -> list[nn.Module]:
        """The modules that `embed` reads."""
        positions = [self.position_embedding] if self.config.positions == "learned" else []
        return [self.embedding, self.ngram_embeddings, *positions]

    def embed(self, tokens: Tensor, context: AttentionContext) -> Tensor:
        """`tokens` (B, T) as vectors (B, T, D).

        With `config.ngram` n, the n tokens before each one are embedded too, by one table for each
        distance, and added; before the start of a text they are the pad, id 0. Learned or sinusoidal
        positions are added.
        """
        x, cache, documents = self.embedding(tokens), context.cache, context.documents
        if self.config.positions != "rotary":
            positions = self.positions(tokens, cache, context.padding, documents)
            learned = self.config.positions == "learned"
            x = x + (self.position_embedding(positions) if learned else self.waves[positions])
        n, new = self.config.ngram, tokens.size(1)
        if n:
            before = tokens.new_zeros(tokens.size(0), 0) if cache is None else cache.last_tokens(n)
            extended = F.pad(torch.cat((before, tokens), dim=1), (n - before.size(1), 0))  # (B, n + T)
            for distance, table in enumerate(self.ngram_embeddings, start=1):
                earlier = extended[:, n - distance : n - distance + new]  # (B, T)
                if documents is not None:
                    same = documents == F.pad(documents, (distance, 0), value=-1)[:, :new]
                    earlier = earlier * same
                x = x + table(earlier)
        if cache is not None:
            cache.append_ids(tokens)
        return x

    def positions(
        self,
        tokens: Tensor,
        cache: KVCache | None,
        padding: Tensor | None,
        documents: Tensor | None = None,
    ) -> Tensor:
        """The position of each of `tokens` (B, T) in its text, (B or 1, T); 0 for a pad. With `documents`
        (B, T), in its document."""
        if documents is not None:
            return places_in_documents(documents)
        new, device = tokens.size(1), tokens.device
        index = cache.places(new) if cache is not None else torch.arange(new, device=device)[None]
        return index if padding is None else (index - padding[:, None]).clamp(min=0)

    def attention_context(
        self,
        tokens: Tensor,
        cache: KVCache | None = None,
        padding: Tensor | None = None,
        documents: Tensor | None = None,
    ) -> AttentionContext:
        """The context for attention over `tokens` (B, T), with their rotation if positions are rotary.

        Raises ValueError for `documents` (B, T) beside padding or after cached tokens.
        """
        if documents is not None and (padding is not None or (cache is not None and cache.length)):
            raise ValueError("documents are told apart in whole sequences, without padding")
        context = AttentionContext(cache=cache, padding=padding, documents=documents)
        if self.config.positions == "rotary":
            positions = self.positions(tokens, cache, padding, documents)
            context.cos = self.cos[positions][:, :, None, None]  # (B or 1, T, 1, 1, K)
            context.sin = self.sin[positions][:, :, None, None]
        start, new = (cache.length if cache is not None else 0), tokens.size(1)
        if padding is None and start == 0 and documents is None:
            return context
        context.causal = False
        if padding is None and new == 1:
            return context
        queries = torch.arange(start, start + new, device=tokens.device)[:, None]
        keys = torch.arange(start + new, device=tokens.device)[None]
        mask = (keys <= queries)[None]  # (1, T, S)
        if padding is not None:
            # A pad sees itself: softmax over no key at all would be NaN.
            mask = (mask & (keys >= padding[:, None, None])) | (keys == queries)
        if documents is not None:
            mask = mask & (documents[:, :, None] == documents[:, None])  # (B, T, T)
        context.mask = mask[:, None]  # (B or 1, 1, T, S)
        return context


def places_in_documents(documents: Tensor) -> Tensor:
    """The place of each token in its document, from 0, (B, T). `documents` (B, T) has equal numbers for the
    tokens of one document, which follow each other."""
    index = torch.arange(documents.size(1), device=documents.device)
    begins = torch.ones_like(documents, dtype=torch.bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return index - torch.where(begins, index, 0).cummax(dim=1).values
