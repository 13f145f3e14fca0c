"""transformer: the dense baseline. The same blocks as the others, none of them shared."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.config import ModelConfig, multiple_of, require
from models.kv_cache import KVCache
from models.layers.block import Block
from models.layers.initialise import initialise
from models.layers.norm import NORMS, rms_norm
from models.recursion import Depth
from models.recursive_lm import Output, RecursiveLM


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(ModelConfig):
    """The dense model's own dials."""

    architecture: ClassVar[str] = "transformer"
    n_layers: int = 4
    """Blocks."""
    norm: str = "rms"
    """rms, or layer: GPT-2's, here without bias."""
    feed_forward: str = "swiglu"
    """swiglu, or gelu: GPT-2's, four times as wide as the model."""
    qk_norm: bool = True
    """Whether queries and keys are normed."""
    tied: bool = False
    """Whether the head is the embedding."""
    gpt2_weights: bool = False
    """Draw every weight with deviation 0.02, and do not norm what is embedded."""

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        require(1 <= self.n_layers <= 256, "model.n_layers", self.n_layers, "1 to 256")
        require(self.norm in ("rms", "layer"), "model.norm", self.norm, "rms or layer")
        require(
            self.feed_forward in ("swiglu", "gelu"), "model.feed_forward", self.feed_forward, "swiglu or gelu"
        )


class Transformer(RecursiveLM):
    """See the module. Depth changes nothing, and `recursive` says so."""

    config: TransformerConfig

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        width = config.d_model
        hidden = 4 * width if config.feed_forward == "gelu" else multiple_of(32, width * 8 / 3)
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.blocks = nn.ModuleList(
            Block(
                width,
                config.n_heads,
                hidden,
                norm=config.norm,
                feed_forward=config.feed_forward,
                qk_norm=config.qk_norm,
                dropout=config.dropout,
            )
            for _ in range(config.n_layers)
        )
        self.norm = NORMS[config.norm](width)
        self.head = nn.Linear(width, config.vocab_size, bias=False)
        if config.gpt2_weights:
            _draw_as_gpt2(self)
        else:
            initialise(self)
        if config.tied:
            self.head.weight = self.embedding.weight
        nn.init.normal_(self.head.weight, std=0.02)

    @property
    def trained_depth(self) -> Depth:
        return Depth(1)

    @property
    def recursive(self) -> bool:
        return False

    def attention_calls(self, depth: Depth) -> int:
        return len(self.blocks)

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
        context = self.attention_context(tokens, cache, padding)
        x = self.embed(tokens, cache, padding)  # (B, T, D)
        if not self.config.gpt2_weights:
            x = rms_norm(x)
        for slot, block in enumerate(self.blocks):
            x = block(x, context, slot)
        x = self.norm(x)
        if cache is not None:
            cache.advance(tokens.size(1))
        passes = torch.ones(tokens.shape, device=tokens.device)
        return Output(self.head(x).float(), passes, [x] if keep_states else None)


def _draw_as_gpt2(model: nn.Module) -> None:
    """Every weight normal with GPT-2's deviation, whatever the width."""
    for part in model.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=0.02)
