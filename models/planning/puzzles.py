"""A request for puzzles: what is resolved before one is made or read, and what suits them.

The default figures come from runs on two CPU cores. What suits an architecture in particular stands in
its own file.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from data.errors import UsageError
from data.puzzles import size_of_named
from data.sudoku_grid import SIZES
from models.architectures import ARCHITECTURES, DEFAULT_PUZZLE_ARCHITECTURE, config_type, model_config
from models.architectures.two_state import TwoStateConfig
from models.config import ModelConfig, TrainingConfig
from models.device import choose_device
from models.planning.preset_choice import preset_for
from models.planning.request import Overrides, TrainRequest, length_in, model_settings, without_length
from models.planning.resolve import require_memory_if_large
from models.presets import Preset
from models.runs.run_names import require_free_name
from models.settings import Settings, from_dict

DEFAULT_MINUTES: Mapping[int, float] = {4: 2.0, 6: 5.0, 9: 20.0}
"""By the side of the grid."""

_WIDTHS: Mapping[int, int] = {4: 64, 6: 64, 9: 96}
_ONLY_FOR_TEXT = ("tokenizer", "model.vocab_size", "model.context_length")


@dataclass(frozen=True, kw_only=True)
class ResolvedPuzzleRequest:
    """What is known before the puzzles are; the rest follows from the size of their grids."""

    source: str
    """One of GENERATED, or the path of a file."""
    shape: Mapping[str, Any]
    """What is known of the model, its architecture among it."""
    overrides: Overrides
    recipe: Mapping[str, Any]
    """The training settings of a preset."""
    device: torch.device

    def model(self, n: int) -> ModelConfig:
        """The model for n × n grids. Raises UsageError."""
        own = {"task": "sudoku", "vocab_size": n + 1, "context_length": n * n}
        return model_config({**puzzle_model_defaults(self.shape["architecture"], n), **self.shape, **own})

    def training(self, n: int) -> TrainingConfig:
        """The training on n × n grids. Raises UsageError."""
        chosen = {**puzzle_training_defaults(n), **without_length(self.recipe), **self.overrides.training}
        length = self.overrides.length or length_in(self.recipe) or {"minutes": DEFAULT_MINUTES[n]}
        return from_dict(TrainingConfig, {**chosen, **length}, "training")


def resolve_puzzle_request(request: TrainRequest, runs_dir: Path) -> ResolvedPuzzleRequest:
    """Check a request for puzzles. Raises UsageError for what cannot be meant."""
    source = _source(request)
    for path in _ONLY_FOR_TEXT:
        if path in request.overrides.values or getattr(request, path, None) is not None:
            raise UsageError(
                f"{{{path}}} is for text: a puzzle has its digits and its cells.",
                hint="Leave it out.",
                field=path,
            )
    if request.name is not None:
        require_free_name(request.name, runs_dir)
    training = request.overrides.training
    preset = preset_for(request.preset, training)
    resolved = ResolvedPuzzleRequest(
        source=source,
        shape=_shape(request.overrides, preset),
        overrides=request.overrides,
        recipe=preset.training if preset is not None else {},
        device=choose_device(str(training.get("device", "auto"))),
    )
    _require_possible(resolved)
    return resolved


def puzzle_architectures() -> tuple[str, ...]:
    """Those that solve puzzles, the usual one first."""
    found = (name for name in ARCHITECTURES if issubclass(config_type(name), TwoStateConfig))
    return tuple(sorted(found, key=lambda name: name != DEFAULT_PUZZLE_ARCHITECTURE))


def require_puzzle_architecture(name: str) -> type[TwoStateConfig]:
    """Its configuration class. Raises UsageError for one that solves no puzzles, and where there is none."""
    found = config_type(name)
    if not issubclass(found, TwoStateConfig):
        raise UsageError(
            f"Architecture '{name}' solves no puzzles.",
            hint=f"Choose one of: {', '.join(puzzle_architectures())}.",
            field="model.architecture",
        )
    return found


def puzzle_model_defaults(architecture: str, size: int) -> Settings:
    """The model for grids of that side. Raises UsageError as `require_puzzle_architecture`."""
    width = _WIDTHS[size]
    return {
        **require_puzzle_architecture(architecture).puzzle_shape,
        "max_steps": 2 if size < 9 else 3,
        "d_model": width,
        "n_heads": 4,
        "d_feed_forward": 2 * width,
        "gradient_cycles": 1,
        "supervision_steps": 8 if size < 9 else 16,
        "supervision_power": 0.0,
        "halting_weight": 0.5,
    }


def puzzle_training_defaults(size: int) -> Settings:
    """The training for grids of that side."""
    return {
        "batch_size": 64,
        "warmup_steps": 50,
        "average_decay": 0.995 if size < 9 else 0.999,
        "cooldown": 0.5,
        "shallow_fraction": 0.0,
        "full_depth_prob": 1.0,
    }


def _source(request: TrainRequest) -> str:
    """The puzzles that the task names, or the one file."""
    assert request.task is not None
    if request.task != "sudoku":
        if request.paths:
            raise UsageError(
                f"The puzzles of {request.task} are made here, and need no file.",
                hint="For puzzles of your own: {train task=sudoku FILE}",
                field="task",
            )
        return request.task
    if len(request.paths) != 1:
        raise UsageError(
            "{task=sudoku} needs one file of puzzles.",
            hint="Give a CSV, or have some made: {task=sudoku:4x4}",
            field="task",
        )
    if request.paths[0] == "-":
        raise UsageError(
            "Puzzles to learn from cannot come from standard input: whoever resumes needs them again.",
            hint="Put them into a file: {train task=sudoku FILE}",
        )
    return str(Path(os.path.expanduser(request.paths[0])).resolve())


def _shape(overrides: Overrides, preset: Preset | None) -> Settings:
    if "task" in overrides.model:
        raise UsageError(
            "model.task follows from the puzzles of {task}.", hint="Leave it out.", field="model.task"
        )
    shape = model_settings(overrides, preset, DEFAULT_PUZZLE_ARCHITECTURE)
    require_puzzle_architecture(shape["architecture"])
    if preset is not None and preset.model.get("ngram") and "ngram" not in overrides.model:
        raise UsageError(
            f"Preset '{preset.name}' is for text: its model.ngram is {preset.model['ngram']}, and "
            "cells have no order to look back in.",
            hint="Leave {preset} out, or take the rest of it: {model.ngram=0}",
            field="preset",
        )
    return shape


def _require_possible(resolved: ResolvedPuzzleRequest) -> None:
    """Refuse what no puzzle can make right. Of a file, it is not known yet how large its grids are."""
    size, shape = size_of_named(resolved.source), dict(resolved.shape)
    if size is None and "d_model" not in shape:
        shape.pop("n_heads", None)  # a width that suits the grids is chosen later
    n = size or SIZES[-1]
    model, training = replace(resolved, shape=shape).model(n), resolved.training(n)
    if size is not None:
        require_memory_if_large(model, training, resolved.device)
