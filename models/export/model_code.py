"""The Python files of an exported folder: the model's own code, copied, and its link to transformers."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

from data.errors import UsageError
from models.architectures import ARCHITECTURES
from models.export.source_copy import copy_source

CONFIGURATION = "configuration_rlm"
MODELING = "modeling_rlm"
CONFIG_CLASS = "RLMConfig"
MODEL_CLASS = "RLMForCausalLM"
AUTO_MAP: Mapping[str, str] = {
    "AutoConfig": f"{CONFIGURATION}.{CONFIG_CLASS}",
    "AutoModelForCausalLM": f"{MODELING}.{MODEL_CLASS}",
}
"""Where transformers finds the classes of the folder."""

_ROOM = "models.export.remote_code"

_ONE_ARCHITECTURE = '''\
"""The one architecture of this folder."""

from collections.abc import Mapping
from typing import Any

from data.errors import UsageError
from models.architectures.{module} import {name}, {name}Config
from models.settings import from_dict


def model_config(values: Mapping[str, Any]) -> {name}Config:
    """The configuration from its settings. Raises UsageError for another architecture, or a wrong value."""
    values = dict(values)
    if values.pop("architecture", None) != "{module}":
        raise UsageError("The code of this folder is that of the architecture {module}.")
    return from_dict({name}Config, values, "model")


def build_model(config: {name}Config) -> {name}:
    """A new model."""
    return {name}(config)
'''

_NO_PUZZLES = '''\
"""Puzzles stay with rlm: an exported model writes text."""

from typing import Any

from data.errors import UsageError

KINDS: dict[str, Any] = {}


def layout_of(task: str, vocab_size: int, context_length: int) -> Any:
    """Nothing: always raises UsageError."""
    raise UsageError(f"A model for the task {task} cannot be used without rlm.")
'''

_COMPILED = {
    "attention": ("fused_attention",),
    "feed_forward": ("fused_gelu", "fused_swiglu"),
    "heads": ("fused_heads",),
    "norm": ("fused_norm",),
    "residual": (
        "Norm", "add_then_norm", "add_with_bias", "add_with_copy", "add_with_norm", "with_copy", "with_norm",
    ),
    "routing": ("choose", "weighted_sum"),
}  # fmt: skip
"""What layers use of models/kernels, after checks that always say no in an exported model."""
_NEVER = """

def {name}(*tensors: Any) -> bool:
    \"\"\"Never: compiled code for training stays with rlm.\"\"\"
    return False
"""


def _without_kernels() -> dict[str, str]:
    """Stand-ins for the modules of models/kernels."""
    any_type = "from typing import Any\n\n"
    found = {
        f"models.kernels.{module}": any_type + "".join(f"{name}: Any = None\n" for name in names)
        for module, names in _COMPILED.items()
    }
    found["models.kernels.attention"] += _NEVER.format(name="can_fuse_attention")
    return found | {"models.kernels.calls": any_type + "FORMATS: Any = ()\n" + _NEVER.format(name="can_fuse")}


@cache
def model_code(architecture: str) -> Mapping[str, str]:
    """The Python files of a folder with a model of that architecture, by name. Raises RlmError."""
    if architecture not in ARCHITECTURES:
        raise UsageError(f"There is no architecture '{architecture}'.")
    stand_ins = {
        "models.architectures": _ONE_ARCHITECTURE.format(
            module=architecture, name=ARCHITECTURES[architecture]
        ),
        "data.puzzle_kinds": _NO_PUZZLES,
        **_without_kernels(),
    }
    wanted = ((f"{_ROOM}.{CONFIGURATION}", CONFIG_CLASS), (f"{_ROOM}.{MODELING}", MODEL_CLASS))
    head = f"# Copied from rlm{_version()} by `rlm export`. License: MIT."
    return MappingProxyType(copy_source(wanted, stand_ins, head))


def _version() -> str:
    try:
        return f" {version('rlm')}"
    except PackageNotFoundError:
        return ""
