"""The configuration of an exported model, as transformers reads it from config.json."""

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig

from models.architectures import model_config
from models.config import ModelConfig
from models.export.config_names import MODEL_TYPE, NAMES


class RLMConfig(PreTrainedConfig):
    """The model's own settings are in `rlm_model`; all that transformers asks for follows from them."""

    model_type = MODEL_TYPE

    def __init__(
        self,
        rlm_model: Mapping[str, Any] | None = None,
        mode: str = "normal",
        use_cache: bool = True,
        **others: Any,
    ) -> None:
        """`rlm_model` is the architecture and its settings. `mode` is the depth where no other is given."""
        self.rlm_model = dict(rlm_model or {})
        self.mode = mode
        self.use_cache = use_cache
        for name, ours in NAMES.items():
            others.pop(name, None)
            setattr(self, name, self.rlm_model.get(ours))
        self.num_hidden_layers = others.pop("num_hidden_layers", 1)
        tied = bool(self.rlm_model.get("tied", False))
        super().__init__(**{**others, "tie_word_embeddings": tied})

    def model_config(self) -> ModelConfig:
        """The model's own configuration, checked. Raises ValueError for one that describes no model."""
        try:
            return model_config(self.rlm_model)
        except Exception as error:
            raise ValueError(f"'rlm_model' in config.json describes no model: {error}") from error
