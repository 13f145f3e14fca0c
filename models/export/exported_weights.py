"""The weights of an exported folder, checked against the model that its config.json describes."""

from pathlib import Path

import torch
from torch import Tensor

from data.storage import digest_of
from models.architectures import skeleton
from models.config import ModelConfig
from models.errors import CheckpointError
from models.export.export_folder import WEIGHTS_FILE
from models.export.tensor_names import PREFIX, name_in_run
from models.runs.compatibility import require_matching_shapes
from models.runs.run_names import CONFIG_FILE
from models.runs.tensor_file import read_tensors

_TIED = ("embedding.weight", "head.weight")
_HINT = "Export the run again, or put the file back as it was."


def exported_weights(folder: Path, config: ModelConfig) -> dict[str, Tensor]:
    """The tensors by their names in a run, in float32. Raises CheckpointError."""
    path = folder / WEIGHTS_FILE
    if not path.exists() and (folder / f"{WEIGHTS_FILE}.index.json").exists():
        raise CheckpointError(
            f"The weights in '{folder}' are in several files.",
            hint="Save the model as one: model.save_pretrained(FOLDER, max_shard_size='1TB')",
        )
    found, _ = read_tensors(path.resolve())  # a downloaded file may be a link
    tensors: dict[str, Tensor] = {}
    for exported, tensor in found.items():
        name = name_in_run(config.architecture, exported)
        if name is None:
            raise CheckpointError(f"There is no place for '{exported:.100}' of '{path}'.", hint=_HINT)
        tensors[name] = tensor if tensor.dtype == torch.float32 else _as_float32(path, exported, tensor)
    if getattr(config, "tied", False):
        _tie(path, tensors)
    require_matching_shapes(config, tensors, f"'{path}'", to=f"the {CONFIG_FILE} beside it")
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"'{PREFIX}{name}' of '{path}' holds values that are no numbers.", hint=_HINT
            )
    return {name: tensors[name] for name in skeleton(config).state_dict()}


def weights_sha256(folder: Path) -> str:
    """The hash of the weights file. Raises CheckpointError."""
    path = folder / WEIGHTS_FILE
    try:
        return digest_of(path.resolve()).sha256
    except OSError as error:
        raise CheckpointError(f"'{path}' cannot be read: {error.strerror or error}.") from error


def _as_float32(path: Path, name: str, tensor: Tensor) -> Tensor:
    if not tensor.dtype.is_floating_point:
        raise CheckpointError(f"'{name}' of '{path}' is {tensor.dtype}, not a float.", hint=_HINT)
    return tensor.float()


def _tie(path: Path, tensors: dict[str, Tensor]) -> None:
    """Make head and embedding of a tied model one tensor. Raises CheckpointError where they differ."""
    found = [tensors[name] for name in _TIED if name in tensors]
    if len(found) == 2 and not torch.equal(*found):
        raise CheckpointError(f"Embedding and head of '{path}' are tied, and differ.", hint=_HINT)
    if found:
        tensors |= dict.fromkeys(_TIED, found[0])
