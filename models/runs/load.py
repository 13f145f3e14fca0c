"""A trained model, ready to use."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from data.tokenizer import Tokenizer
from models.architectures import build_model
from models.device import choose_device, prepare_process
from models.errors import CheckpointError, RunError
from models.growth.transaction import config_after, kept_model, pending_change
from models.layers.initialise import Undrawn
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import load_weights
from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.compatibility import described_model, require_fit
from models.runs.datasets import read_datasets
from models.runs.run import Run
from models.runs.task import require_text
from models.runs.tokenizer import load_run_tokenizer


@dataclass(frozen=True, slots=True)
class Trained:
    """`kind` is text, documents or messages: what the model learned to go on with. One that learned
    conversations still knows how they go when it has learned a plain text since."""

    model: RecursiveLM
    tokenizer: Tokenizer
    run: Run
    config: dict[str, Any]
    kind: str
    notes: tuple[str, ...] = ()
    """Sentences the user should see: a fallback that was taken."""


def load_trained(run: Run, device: str = "cpu") -> Trained:
    """The run's best weights, in float32 and evaluation mode.

    Raises RunError where nothing is trained yet, CheckpointError where the weights are missing,
    damaged or do not fit, TokenizerError.
    """
    config = run.read_config()
    if "data" not in config:
        raise RunError(
            f"Run '{run.name}' is not trained yet.", hint=f"Train it: rlm train FILE --name {run.name}"
        )
    require_text(run.name, config)
    config = _config_of_weights(run, config)
    model = load_model(run, config, device)
    tokenizer, note = load_run_tokenizer(run, config, model.config.vocab_size)
    return Trained(
        model=model,
        tokenizer=tokenizer,
        run=run,
        config=config,
        kind=_kind(run, config),
        notes=() if note is None else (note,),
    )


def _kind(run: Run, config: Mapping[str, Any]) -> str:
    with contextlib.suppress(RunError):  # a damaged datasets.json is no reason not to talk
        if any(entry.get("kind") == "messages" for entry in read_datasets(run)):
            return "messages"
    kind: str = config["data"]["kind"]
    return kind


def _config_of_weights(run: Run, config: dict[str, Any]) -> dict[str, Any]:
    """`config`, or that of a change which was interrupted when the kept weights had been replaced."""
    change = pending_change(run, config)
    if change is None:
        return config
    wanted = config_after(change)
    return wanted if kept_model(run) == wanted["model"] else config


def load_model(run: Run, config: Mapping[str, Any], device: str = "cpu") -> RecursiveLM:
    """The model of a run that was trained, with the best weights. Raises as `load_trained` does."""
    described = described_model(run, config)
    weights = _weights(run)
    require_fit(described, weights, f"The model.safetensors of run '{run.name}'")
    prepare_process()
    with Undrawn():
        model = build_model(described)
    model.load_state_dict(weights)
    return model.to(choose_device(device)).eval()


def _weights(run: Run) -> dict[str, Tensor]:
    """The kept weights. Raises RunError and CheckpointError, each with what can be done about it."""
    newest = newest_checkpoint(run.checkpoints_path)
    was_judged = newest is not None and newest.state.get("counters", {}).get("last_evaluated", -1) >= 0
    if not run.weights_path.exists():
        if was_judged:
            raise CheckpointError(
                f"The model.safetensors of run '{run.name}' is missing.",
                hint=f"Make it again from the newest checkpoint: rlm resume {run.name}",
            )
        raise RunError(f"Run '{run.name}' is not trained yet.", hint=f"Train it: rlm resume {run.name}")
    try:
        weights, _ = load_weights(run.weights_path)
    except CheckpointError as error:
        if error.hint is None and was_judged:
            error.hint = f"Move that file away, and make it again: rlm resume {run.name}"
        raise
    return weights
