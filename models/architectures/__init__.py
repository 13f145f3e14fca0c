"""One file for each architecture, and the only list of their names."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from data.errors import UsageError
from models.config import ModelConfig, from_dict

if TYPE_CHECKING:
    from models.recursive_lm import RecursiveLM

ARCHITECTURES = {
    "looped": "Looped",
    "hrm": "HRM",
    "trm": "TRM",
    "ouroboros": "Ouroboros",
    "recursive_router": "RecursiveRouter",
    "mixture_of_recursions": "MixtureOfRecursions",
    "transformer": "Transformer",
}
"""The class each architecture's file holds; its configuration is named after it."""

DEFAULT_ARCHITECTURE = "looped"
DEFAULT_PUZZLE_ARCHITECTURE = "trm"
"""Of those that solve puzzles, the one that does it best for its size."""


def config_type(name: str) -> type[ModelConfig]:
    """The configuration class of an architecture, which loads its file. Raises UsageError."""
    module, class_name = _locate(name)
    found: type[ModelConfig] = getattr(module, f"{class_name}Config")
    return found


def model_config(values: Mapping[str, Any]) -> ModelConfig:
    """The configuration that `{"architecture": …, …}` describes. Raises UsageError."""
    values = dict(values)
    found = config_type(str(values.pop("architecture", DEFAULT_ARCHITECTURE)))
    return from_dict(found, values, "model")


def build_model(config: ModelConfig) -> "RecursiveLM":
    """A new model with freshly drawn weights, from torch's global random state."""
    module, class_name = _locate(config.architecture)
    model: RecursiveLM = getattr(module, class_name)(config)
    return model


def skeleton(config: ModelConfig) -> "RecursiveLM":
    """The model on the meta device: shapes and counts, and no memory for weights.

    Raises UsageError for a model that no memory could hold.
    """
    import torch  # the names of the architectures are listed without it

    from models.layers.initialise import no_init

    try:
        with torch.device("meta"), no_init():
            return build_model(config)
    except (RuntimeError, TypeError, OverflowError) as error:
        raise UsageError(
            "A model of these sizes is larger than any memory.",
            hint="Choose a smaller width, as {model.d_model=256}.",
            field="model.d_model",
        ) from error


def _locate(name: str) -> tuple[Any, str]:
    key = name.replace("-", "_")
    if key not in ARCHITECTURES:
        raise UsageError(
            f"There is no architecture '{name}'.", hint=f"Choose one of: {', '.join(ARCHITECTURES)}."
        )
    return import_module(f"models.architectures.{key}"), ARCHITECTURES[key]
