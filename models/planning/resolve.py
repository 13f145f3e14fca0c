"""Everything about a request that needs no text, resolved and checked before a byte of it is read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from data.errors import TokenizerError, UsageError
from data.nearest import did_you_mean
from data.tokenizer import KINDS, Tokenizer, load_tokenizer
from data.wording import counted
from models.architectures import model_config, skeleton
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import require_memory
from models.planning.absent_device import device_of
from models.planning.defaults import DEFAULT_VOCAB_SIZE
from models.planning.preset_choice import counts_alike, preset_for
from models.planning.request import Overrides, TrainRequest, length_in, model_settings, without_length
from models.presets import Preset
from models.processes.placement import Processes
from models.runs.compatibility import model_config_of
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.run_names import CONFIG_FILE, require_free_name, require_name
from models.runs.tokenizer import copies_inside, load_run_tokenizer
from models.settings import Settings, from_dict
from models.training.several_processes import require_trainable_in

_FREE_TO_CHANGE = ("context_length", "dropout", "vocab_size")
"""What a created model may still be given when it is first trained."""
_LARGE_WEIGHTS, _LARGE_BATCH = 10**7, 2**16


@dataclass(frozen=True, kw_only=True)
class ResolvedRequest:
    """What is known of a training before its text is read.

    In `model` and `training` the strongest place has won: the overrides, over what a created run holds,
    over the preset.
    """

    created: Run | None
    preset: Preset | None
    architecture: str
    model: Mapping[str, Any]
    """By field, without the size of the vocabulary."""
    training: TrainingConfig
    """Has no length where nobody chose one."""
    chosen: frozenset[str]
    """The fields of `training` that somebody chose; the text may decide about the others."""
    tokenizer: Tokenizer | str | None
    """One that is there already, or one of KINDS, or None."""
    tokenizer_reason: str
    vocab_size: int | None
    context_is_chosen: bool
    device: torch.device
    processes: Processes

    @property
    def length(self) -> Settings:
        """The length by field; empty where it is left open."""
        return length_in(vars(self.training))


def resolve_request(request: TrainRequest, runs_dir: Path) -> ResolvedRequest:
    """Check a request. Raises UsageError for what cannot be meant, TokenizerError, RunError."""
    created = _created_run(request.name, runs_dir)
    stored = created.config() if created is not None else None
    if created is not None and stored is not None:
        require_untrained(created, stored)
    overrides, of_run = request.overrides, stored.training if stored is not None else {}
    preset = preset_for(
        request.preset,
        {**of_run, **overrides.training},
        for_absent_device=request.for_absent_device,
    )
    if created is not None and stored is not None:
        _require_same_shape(created, stored.model.dials, overrides, preset)
        shape = {**stored.model.dials, **overrides.model}
    else:
        shape = model_settings(overrides, preset)
    training, chosen = _training(overrides, of_run, preset)
    device = device_of(request, training.device)
    require_trainable_in(request.processes, training, device, is_batch_known="batch_size" in chosen)
    _require_text_model(shape, training, device, request.processes.shards)
    size = overrides.model.get("vocab_size")
    tokenizer, reason, vocab_size = _tokenizer(request.tokenizer, size, preset, created, stored)
    is_own_target = "target_loss" in {**of_run, **overrides.training}
    if preset is not None and not is_own_target and not counts_alike(preset, tokenizer):
        training = replace(training, target_loss=None)
    return ResolvedRequest(
        created=created,
        preset=preset,
        architecture=shape["architecture"],
        model={name: value for name, value in shape.items() if name != "vocab_size"},
        training=training,
        chosen=chosen,
        tokenizer=tokenizer,
        tokenizer_reason=reason,
        vocab_size=vocab_size,
        context_is_chosen="context_length" in overrides.model or created is not None,
        device=device,
        processes=request.processes,
    )


def require_untrained(run: Run, config: RunConfig) -> None:
    """Raise UsageError unless `run` still waits for its first text."""
    if config.data is not None:
        raise UsageError(
            f"There is already a run '{run.name}'.",
            hint=f"Go on with it: {{resume {run.in_command}}}   Or choose another {{name}}.",
            field="name",
        )


def require_memory_if_large(
    model: ModelConfig, training: TrainingConfig, device: torch.device, shards: int = 1
) -> None:
    """Raise UsageError where a training does not fit into memory, before anything is read for it.

    The model is laid out for that only where a rough count of its weights and of a batch's tokens is high:
    below these counts, both fit into the memory of any machine.
    """
    width, blocks = model.d_model, sum(model.size_of(axis) for axis in model.block_axes) or 1
    weights = width * (model.context_length + blocks * (width + model.size_of("ff")))
    if weights > _LARGE_WEIGHTS or training.batch_size * model.context_length > _LARGE_BATCH:
        require_memory(skeleton(model), training, device, shards=shards)


def _created_run(name: str | None, runs_dir: Path) -> Run | None:
    """The run of that name, if there is one. Raises UsageError for a name that is impossible or taken by
    something else."""
    if name is None:
        return None
    require_name(name)
    if not os.path.exists(runs_dir / name / CONFIG_FILE):
        require_free_name(name, runs_dir)
        return None
    run = Run.open(name, runs_dir)
    return run


def _require_same_shape(
    run: Run, stored: Mapping[str, Any], overrides: Overrides, preset: Preset | None
) -> None:
    """Raise UsageError where something was asked for that the created model is not."""
    of_preset = {"architecture": preset.architecture, **preset.model} if preset is not None else {}
    for name, value in of_preset.items():
        if stored.get(name) != value:
            assert preset is not None
            raise UsageError(
                f"Run '{run.name}' does not fit preset '{preset.name}': "
                f"its {name} is {stored.get(name)}, not {value}.",
                hint="Leave {preset} out, or choose another {name}.",
                field="preset",
            )
    for name, value in overrides.model.items():
        if name not in _FREE_TO_CHANGE and name in stored and stored[name] != value:
            raise UsageError(
                f"Run '{run.name}' was created with {{model.{name}={stored[name]}}}, not {value}.",
                hint=f"Drop {{model.{name}}}, or choose another {{name}}.",
                field=f"model.{name}",
            )


def _training(
    overrides: Overrides, of_run: Mapping[str, Any], preset: Preset | None
) -> tuple[TrainingConfig, frozenset[str]]:
    """The training as far as it is known, and the fields that somebody chose. Raises UsageError."""
    recipe = preset.training if preset is not None else {}
    chosen = without_length({**recipe, **of_run, **overrides.training})
    length = overrides.length or length_in(of_run) or length_in(recipe)
    return from_dict(TrainingConfig, {**chosen, **length}, "training"), frozenset(chosen)


def _require_text_model(
    shape: Mapping[str, Any], training: TrainingConfig, device: torch.device, shards: int
) -> None:
    """Refuse what no text can make right. Raises UsageError.

    A width that is left open is chosen later, and heads have to suit it: they are not judged yet.
    """
    if shape.get("task", "text") != "text":
        raise UsageError(
            f"A model of task '{shape['task']}' cannot learn text.",
            hint="Train it: {train task=sudoku:4x4}",
            field="model.task",
        )
    known = {"vocab_size": 2, **shape}
    if "d_model" not in known:
        known.pop("n_heads", None)
    require_memory_if_large(model_config(known), training, device, shards)


def _tokenizer(
    requested: str | None,
    vocab_size: int | None,
    preset: Preset | None,
    created: Run | None,
    stored: RunConfig | None,
) -> tuple[Tokenizer | str | None, str, int | None]:
    """The tokenizer or its kind where either is known, why, and the size of its vocabulary."""
    if requested in KINDS:
        if requested == "character" and vocab_size is not None:
            raise UsageError(
                "A character tokenizer has one token for each character: its size cannot be chosen.",
                hint="Leave {model.vocab_size} out, or take {tokenizer=bpe}.",
                field="model.vocab_size",
            )
        return requested, "your choice", vocab_size
    if requested is not None:
        return _of_size(_in_file(requested), vocab_size), f"the one in {requested}", None
    created_for = None
    if created is not None and stored is not None:
        created_for = model_config_of(created, stored).vocab_size
        if (own := _created_with(created, stored, created_for)) is not None:
            return _of_size(own, vocab_size), "the one the model was created with", None
    if vocab_size is not None:
        return "bpe", "your choice", vocab_size
    if created_for not in (None, DEFAULT_VOCAB_SIZE):
        return None, "the vocabulary the model was created for", created_for
    return (preset.tokenizer if preset is not None else None), "as the preset has it", None


def _created_with(run: Run, stored: RunConfig, vocab_size: int) -> Tokenizer | None:
    """The tokenizer that the model was created with, or None where there was none.

    A training that was killed before it began may have left its own in the place of that: where no hash
    is stored, only the copy in the weights counts.
    """
    if stored.tokenizer_hash is not None:
        return load_run_tokenizer(run, stored, vocab_size)[0]
    return next((tokenizer for _, tokenizer in copies_inside(run)), None)


def _in_file(name: str) -> Tokenizer:
    """The tokenizer in the file `name`. Raises TokenizerError."""
    if not os.path.lexists(name):
        raise TokenizerError(
            f"There is no tokenizer at '{name}'.",
            hint=did_you_mean(name, KINDS, "Name the tokenizer.json of a run that rlm trained, or a kind"),
        )
    return load_tokenizer(name)


def _of_size(tokenizer: Tokenizer, vocab_size: int | None) -> Tokenizer:
    """`tokenizer`. Raises UsageError where another size was chosen."""
    if vocab_size not in (None, tokenizer.vocab_size):
        raise UsageError(
            f"The tokenizer has {counted(tokenizer.vocab_size, 'token')}, not {vocab_size}.",
            hint="Leave {model.vocab_size} out: the tokenizer says it.",
            field="model.vocab_size",
        )
    return tokenizer
