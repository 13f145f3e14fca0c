"""The architectures: one file each, and the registry of their names.

How to add one, as an example `spiral`:

1. Write `spiral.py` with two classes. `SpiralConfig(ModelConfig)` is a frozen dataclass with the fields of
   its own; it names the `architecture`, checks its fields in `__post_init__`, and lists the axes along which
   it can grow in `growth_axes` and `block_axes`. `Spiral(RecursiveLM)` builds its modules in `__init__`,
   `embedding` and `head` among them, and has these methods:

   * `trained_depth`: the deepest depth of training;
   * `attention_calls(depth)`: how many slots a cache needs;
   * `hidden(tokens, depth, context)`: the state to be read out. A model with a recursion implements
     `cycle` and calls `recur`, which takes care of early exit, the trace and ablations;
   * `readout(state)`: logits;
   * `levels`: the names of the states that `cycle` takes, the one that is read out first;
   * `training_loss`, `halting_score`, `reached`, `recursive`, `new_cache`: only if the ones of `RecursiveLM`
     do not fit.

   The docstring of the file gives the equations, their source, and how depth is read.
2. Add one line to `ARCHITECTURES` below.
3. Add the passes of a forward call to EXPECTED in `tests/models/test_trace.py`, and small sizes to SMALL in
   `tests/models/small_models.py` if the defaults are large. Then these tests cover it: test_laws (causal,
   honest on noise, bounded, live in every weight), test_cached_logits, test_depth_is_real, test_halting,
   test_trace, test_ablation and test_parameter_counts. Those of growth need a line in KINDS in
   `tests/models/growth/conftest.py`. What is its own gets a file in `tests/models/architectures`.

Layering: this package imports `models.layers` and the root modules of `models`, and nothing else of it.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from data.errors import UsageError
from data.nearest import did_you_mean
from models.config import ModelConfig
from models.settings import from_dict

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
"""The class in each architecture's file. The class of its configuration has the same name and `Config`."""

DEFAULT_ARCHITECTURE = "looped"
DEFAULT_PUZZLE_ARCHITECTURE = "trm"
"""The architecture that solves puzzles best for its size."""


def config_type(name: str) -> type[ModelConfig]:
    """The configuration class of an architecture. Imports its file. Raises UsageError for an unknown name."""
    module, class_name = _locate(name)
    found: type[ModelConfig] = getattr(module, f"{class_name}Config")
    return found


def model_config(values: Mapping[str, Any]) -> ModelConfig:
    """The configuration from `{"architecture": …, …}`. Raises UsageError for an unknown name or value."""
    values = dict(values)
    found = config_type(str(values.pop("architecture", DEFAULT_ARCHITECTURE)))
    return from_dict(found, values, "model")


def build_model(config: ModelConfig) -> "RecursiveLM":
    """A new model. Its weights are drawn from torch's global random state."""
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
        raise UsageError(f"There is no architecture '{name}'.", hint=did_you_mean(name, ARCHITECTURES))
    return import_module(f"models.architectures.{key}"), ARCHITECTURES[key]
