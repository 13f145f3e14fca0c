"""Whether weights and config.json describe the same model, checked before memory is taken for it."""

from collections.abc import Mapping

from torch import Tensor

from data.errors import UsageError
from models.architectures import model_config, skeleton
from models.config import ModelConfig
from models.errors import CheckpointError
from models.runs.run import Run
from models.runs.run_config import RunConfig


def model_config_of(run: Run, config: RunConfig) -> ModelConfig:
    """The model that a run's config.json describes. Raises CheckpointError where it describes none."""
    try:
        return model_config(config.model.dials)
    except (UsageError, TypeError, ValueError) as error:
        problem = error.message if isinstance(error, UsageError) else "its 'model' is damaged."
        raise CheckpointError(
            f"The config.json of run '{run.name}' describes no model: {problem}",
            hint="Put the config.json back that it was trained with.",
        ) from error


def require_matching_shapes(
    config: ModelConfig, tensors: Mapping[str, Tensor], what: str, *, to: str = "the config.json of its run"
) -> None:
    """Compare names and shapes of `tensors` with those of the model, which is not built for it.

    `what` begins the sentence of the CheckpointError raised where they differ; `to` is the file that
    describes the model.
    """
    try:
        expected = {name: tuple(tensor.shape) for name, tensor in skeleton(config).state_dict().items()}
    except UsageError as error:
        raise _misfit(what, to, "no memory could hold the model it describes") from error
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors:
            raise _misfit(what, to, f"'{name}' is missing")
        if name not in expected:
            raise _misfit(what, to, f"there is no place for '{name}'")
        found = tuple(tensors[name].shape)
        if found != expected[name]:
            raise _misfit(what, to, f"'{name}' is of shape {found}, and {expected[name]} is expected")


def _misfit(what: str, to: str, why: str) -> CheckpointError:
    return CheckpointError(
        f"{what} does not fit {to}: {why}.",
        hint="One of the two was changed since it was trained; put the old one back.",
    )
