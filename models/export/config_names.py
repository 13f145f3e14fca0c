"""What transformers calls settings that every model has."""

from collections.abc import Mapping
from types import MappingProxyType

MODEL_TYPE = "rlm"
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "vocab_size": "vocab_size",
        "hidden_size": "d_model",
        "num_attention_heads": "n_heads",
        "max_position_embeddings": "context_length",
    }
)
"""By the name in an exported config.json, the name in the model's own configuration."""
