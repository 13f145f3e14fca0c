"""transformer: the dense baseline, with the blocks of the other architectures and no recursion.

    x <- x + attention(norm(x)),  x <- x + feed_forward(norm(x)), in each block once
    logits = head(norm(x))

(Vaswani et al. 2017, arXiv 1706.03762; pre-norm: Xiong et al. 2020, arXiv 2002.04745.) With its GPT-2
options it is the model of nanoGPT.

Depth: it changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.config import ModelConfig, multiple_of
from models.depth import Depth
from models.layers.attention import AttentionContext
from models.layers.block import PreNormBlock
from models.layers.initialise import draw_head, initialise
from models.layers.norm import NORMS, rms_norm
from models.recursive_lm import Hidden, RecursiveLM
from models.settings import require


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(ModelConfig):
    """The fields of the dense model."""

    architecture: ClassVar[str] = "transformer"
    growth_axes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"layers": "n_layers", "ff": "d_feed_forward", "vocab": "vocab_size"}
    )
    block_axes: ClassVar[tuple[str, ...]] = ("layers",)
    problem_shape: ClassVar[Mapping[str, int]] = MappingProxyType({"n_layers": 3})
    n_layers: int = 4
    """Blocks."""
    norm: str = "rms"
    """rms, or layer: that of GPT-2, without a bias."""
    feed_forward: str = "swiglu"
    """swiglu, or gelu: that of GPT-2."""
    d_feed_forward: int | None = None
    """Hidden width of each block's feed-forward network. None: 8/3 of d_model in steps of 32, or with gelu
    four times d_model."""
    qk_norm: bool = True
    """Whether queries and keys are normed."""
    tied: bool = False
    """Whether the head is the embedding."""
    gpt2_weights: bool = False
    """Draw every weight with a standard deviation of 0.02, and do not norm the embedding."""

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        require(1 <= self.n_layers <= 256, "model.n_layers", self.n_layers, "1 to 256")
        require(self.norm in ("rms", "layer"), "model.norm", self.norm, "rms or layer")
        require(
            self.feed_forward in ("swiglu", "gelu"), "model.feed_forward", self.feed_forward, "swiglu or gelu"
        )
        hidden = self.d_feed_forward
        require(hidden is None or hidden >= 8, "model.d_feed_forward", hidden, "at least 8")

    @property
    def default_feed_forward(self) -> int:
        width = self.d_model
        return 4 * width if self.feed_forward == "gelu" else multiple_of(32, width * 8 / 3)


class Transformer(RecursiveLM):
    """The model of this module's docstring."""

    config: TransformerConfig

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        width = config.d_model
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.blocks = nn.ModuleList(
            PreNormBlock(
                width,
                config.n_heads,
                config.size_of("ff"),
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
        draw_head(self.head, self.embedding if config.tied else None)

    @property
    def trained_depth(self) -> Depth:
        return Depth(1)

    @property
    def recursive(self) -> bool:
        return False

    def attention_calls(self, depth: Depth) -> int:
        return len(self.blocks)

    def hidden(self, tokens: Tensor, depth: Depth, context: AttentionContext) -> Hidden:
        x = self.embed(tokens, context)  # (B, T, D)
        if not self.config.gpt2_weights:
            x = rms_norm(x)
        for slot, block in enumerate(self.blocks):
            x = block(x, context, slot)
            context.record(f"layer {slot + 1}", x)
        return Hidden(x, torch.ones(tokens.shape, device=tokens.device))

    def readout(self, state: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(state))  # (B, T, V)
        return logits.float()


def _draw_as_gpt2(model: nn.Module) -> None:
    """Draw every weight normally with a standard deviation of 0.02, whatever the width."""
    for part in model.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=0.02)
