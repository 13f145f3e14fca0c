"""Everything about a request that needs no text, settled and checked before a byte of it is read."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from data.errors import StorageError, UsageError
from data.tokenizer import Tokenizer, load_tokenizer
from models.architectures import model_config
from models.config import ModelConfig, TrainingConfig, from_dict
from models.cost import require_memory, skeleton
from models.device import choose_device
from models.planning.create import DEFAULT_VOCAB_SIZE
from models.planning.preset_choice import counts_alike, preset_for
from models.planning.request import (
    Said,
    TrainRequest,
    drop_lengths,
    everything_said,
    is_same,
    lengths_in,
    shape_of,
)
from models.presets import Preset
from models.runs.run import Run
from models.runs.tokenizer import load_run_tokenizer

_KINDS = ("character", "bpe")
_FREE_TO_CHANGE = ("context_length", "dropout", "vocab_size")
"""What a created model may still be given when it is first trained."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is settled already. The rest is for the text to say.

    In `model` and `training` the strongest voice has won: what was said, over what a created run
    holds, over the preset. `training` has no length and `model` no vocabulary size in it.
    """

    created: Run | None
    architecture: str
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    length: Mapping[str, Any] | None
    """The one length that counts, or None where nobody gave one."""
    tokenizer: Tokenizer | str | None
    """One that is there already, or a kind (character, bpe), or None."""
    tokenizer_reason: str
    vocab_size: int | None
    context_is_said: bool
    device: torch.device
    preset: Preset | None = None


def settle_request(request: TrainRequest, runs_dir: Path) -> Asked:
    """Check a request. Raises UsageError for what cannot be meant, TokenizerError, RunError."""
    if request.name is not None:
        _require_name(request.name)
    said = everything_said(request)
    created = _created_run(request.name, runs_dir)
    stored = created.read_config() if created is not None else {}
    preset = preset_for(request.preset, {**stored.get("training", {}), **said.training})
    if created is not None:
        _require_same_shape(created, stored["model"], said, preset)
    recipe = preset.training if preset is not None else {}
    told = {**stored.get("training", {}), **said.training}
    training = {**recipe, **told}
    length = _length(said.training, stored.get("training", {}), recipe)
    drop_lengths(training)
    checked = from_dict(TrainingConfig, {**training, **(length or {})}, "training")
    shape = {**stored["model"], **said.model} if created is not None else shape_of(said, preset)
    device = choose_device(checked.device)
    if shape.get("task", "text") != "text":
        raise UsageError(
            f"A model of task '{shape['task']}' cannot learn text.",
            hint="Train it: rlm train --task sudoku:4x4",
        )
    described = _checked_model(shape, checked, device)
    size = described.vocab_size if "vocab_size" in said.model else None
    tokenizer, reason, vocab_size = _tokenizer(request.tokenizer, size, preset, created, stored)
    if preset is not None and "target_loss" not in told and not counts_alike(preset, tokenizer):
        training.pop("target_loss", None)
    shape.pop("vocab_size", None)
    return Asked(
        created=created,
        architecture=shape["architecture"],
        model=shape,
        training=training,
        length=None if length is None else {name: getattr(checked, name) for name in length},
        tokenizer=tokenizer,
        tokenizer_reason=reason,
        vocab_size=vocab_size,
        context_is_said="context_length" in said.model or created is not None,
        device=device,
        preset=preset,
    )


def require_untrained(run: Run) -> None:
    """Raise UsageError unless `run` still waits for its first text."""
    if "data" in run.read_config():
        raise UsageError(
            f"There is a run '{run.name}' already.",
            hint=f"Go on with it: rlm resume {run.name}   Or choose another --name.",
        )


def _created_run(name: str | None, runs_dir: Path) -> Run | None:
    """The untrained run that `--name` means, if it is one. Raises UsageError for a trained one."""
    if name is None or not os.path.lexists(runs_dir / name):
        return None
    if not (runs_dir / name / "config.json").exists():
        Run.create(name, runs_dir)  # raises where the name is taken by something else
        return None
    run = Run.open(name, runs_dir)
    require_untrained(run)
    return run


def _require_same_shape(run: Run, stored: Mapping[str, Any], said: Said, preset: Preset | None) -> None:
    """Raise UsageError where something was asked for that the created model is not."""
    of_preset = {"architecture": preset.architecture, **preset.model} if preset is not None else {}
    for name, value in of_preset.items():
        if not is_same(stored.get(name), value):
            assert preset is not None
            raise UsageError(
                f"Run '{run.name}' has its architecture already, and it is not that of preset "
                f"'{preset.name}': its {name} is {stored.get(name)}, not {value}.",
                hint="Leave --preset out, or choose another --name.",
            )
    for name, value in said.model.items():
        if name not in _FREE_TO_CHANGE and name in stored and not is_same(stored[name], value):
            raise UsageError(
                f"Run '{run.name}' has its architecture already: its {name} is {stored[name]}, not {value}.",
                hint="Leave that out, or choose another --name.",
            )


def _length(*places: Mapping[str, Any]) -> dict[str, Any] | None:
    """The length given in the first place that gives one."""
    return next((found for place in places if (found := lengths_in(place))), None)


def _checked_model(shape: Mapping[str, Any], training: TrainingConfig, device: torch.device) -> ModelConfig:
    """Refuse what no text can make right. Raises UsageError.

    A width that is left open is chosen later, and heads have to suit it: they are not judged yet.
    """
    known = {"vocab_size": 2, **shape}
    if "d_model" not in known:
        known.pop("n_heads", None)
    described = model_config(known)
    require_memory(skeleton(described), training, device)
    return described


def _tokenizer(
    wanted: str | None,
    vocab_size: int | None,
    preset: Preset | None,
    created: Run | None,
    stored: Mapping[str, Any],
) -> tuple[Tokenizer | str | None, str, int | None]:
    """The tokenizer or its kind where either is known, why, and the vocabulary size asked for."""
    if wanted in _KINDS:
        if wanted == "character" and vocab_size is not None:
            raise UsageError(
                "A character tokenizer has one token for each character: its size cannot be chosen.",
                hint="Leave --vocab-size out, or take --tokenizer bpe.",
            )
        return wanted, "as asked for", vocab_size
    if wanted is not None:
        return _of_size(load_tokenizer(wanted), vocab_size), f"the one in {wanted}", None
    if created is not None and (own := _created_with(created, stored)) is not None:
        return _of_size(own, vocab_size), "the one the model was created with", None
    if vocab_size is not None:
        return "bpe", "as asked for", vocab_size
    if created is not None and stored["model"]["vocab_size"] != DEFAULT_VOCAB_SIZE:
        return None, "the vocabulary the model was created for", stored["model"]["vocab_size"]
    return (preset.tokenizer if preset is not None else None), "as the preset has it", None


def _created_with(run: Run, stored: Mapping[str, Any]) -> Tokenizer | None:
    """The tokenizer that the model was created with, or None where there was none.

    A training that was killed before it began may have left its own in the place of that.
    """
    if "tokenizer_hash" not in stored:  # created before that was kept
        return load_tokenizer(run.tokenizer_path) if run.tokenizer_path.exists() else None
    if stored["tokenizer_hash"] is None:
        return None
    expected = {"data": {"tokenizer_hash": stored["tokenizer_hash"]}}
    return load_run_tokenizer(run, expected, model_config(stored["model"]).vocab_size)[0]


def _of_size(tokenizer: Tokenizer, vocab_size: int | None) -> Tokenizer:
    """`tokenizer`. Raises UsageError where another size was asked for."""
    if vocab_size not in (None, tokenizer.vocab_size):
        raise UsageError(
            f"The tokenizer has {tokenizer.vocab_size} tokens, not {vocab_size}.",
            hint="Leave --vocab-size out: the tokenizer says it.",
        )
    return tokenizer


def _require_name(name: str) -> None:
    """Raise UsageError for a name no run can have."""
    with contextlib.suppress(StorageError):  # Run.create knows the names; nothing is ever made there
        Run.create(name, Path(os.devnull))
