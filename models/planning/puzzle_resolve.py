"""Everything about a request for puzzles that needs none of them, settled before one is made or read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from data.errors import UsageError
from data.puzzles import PUZZLE_NAMES, size_of_named
from data.sudoku_grid import SIZES
from models.architectures import DEFAULT_PUZZLE_ARCHITECTURE, model_config
from models.config import ModelConfig, TrainingConfig, from_dict
from models.cost import require_memory, skeleton
from models.device import choose_device
from models.planning.preset_choice import preset_for
from models.planning.puzzle_defaults import (
    MINUTES,
    model_recipe,
    require_puzzle_architecture,
    training_recipe,
)
from models.planning.request import Said, TrainRequest, drop_lengths, everything_said, lengths_in, shape_of
from models.presets import Preset
from models.runs.run import Run, require_name

_OF_TEXT = {"tokenizer": "--tokenizer", "vocab_size": "--vocab-size", "context_length": "--context"}
_OF_THE_PUZZLES = ("task", "vocab_size", "context_length")
"""Dials of a model that follow from what it is to solve."""


@dataclass(frozen=True, kw_only=True)
class AskedPuzzles:
    """What is settled already; the rest is for the size of the grids to say."""

    source: str
    """One of GENERATED, or the path of a file."""
    shape: Mapping[str, Any]
    """What is known of the model, its architecture among it."""
    recipe: Mapping[str, Any]
    """The training settings of a preset."""
    said: Mapping[str, Any]
    """The training settings that were typed."""
    device: torch.device

    def model(self, n: int) -> ModelConfig:
        """The model for n × n grids. Raises UsageError."""
        own = {"task": "sudoku", "vocab_size": n + 1, "context_length": n * n}
        return model_config({**model_recipe(self.shape["architecture"], n), **self.shape, **own})

    def training(self, n: int) -> TrainingConfig:
        """The training on n × n grids. Raises UsageError."""
        values = {**training_recipe(n), **self.recipe, **self.said}
        length = lengths_in(self.said) or lengths_in(self.recipe) or {"minutes": MINUTES[n]}
        drop_lengths(values)
        return from_dict(TrainingConfig, {**values, **length}, "training")


def settle_puzzle_request(request: TrainRequest, runs_dir: Path) -> AskedPuzzles:
    """Check a request for puzzles. Raises UsageError for what cannot be meant."""
    source = _source(request)
    for name, flag in _OF_TEXT.items():
        if getattr(request, name) is not None:
            raise UsageError(
                f"{flag} is for text: a puzzle has its digits and its cells.", hint="Leave it out."
            )
    if request.name is not None:
        _require_free(request.name, runs_dir)
    said = everything_said(request)
    preset = preset_for(request.preset, said.training)
    asked = AskedPuzzles(
        source=source,
        shape=_shape(said, preset),
        recipe=preset.training if preset is not None else {},
        said=said.training,
        device=choose_device(str(said.training.get("device", "auto"))),
    )
    _check(asked, size_of_named(source))
    return asked


def _source(request: TrainRequest) -> str:
    """What is typed behind --task, or the one file."""
    assert request.task is not None
    if request.task != "sudoku":
        if not request.task.startswith("sudoku:"):
            raise UsageError(
                f"There is no task '{request.task}'.",
                hint=f"Choose one of: {', '.join(PUZZLE_NAMES)}, or sudoku FILE.",
            )
        if request.paths:
            raise UsageError(
                f"The puzzles of {request.task} are made here, and need no file.",
                hint="For puzzles of your own: rlm train --task sudoku FILE",
            )
        return request.task
    if len(request.paths) != 1:
        raise UsageError(
            "--task sudoku needs one file of puzzles.",
            hint="Give a CSV, or have some made: --task sudoku:4x4",
        )
    if request.paths[0] == "-":
        raise UsageError(
            "Puzzles to learn from cannot come from standard input: whoever resumes needs them again.",
            hint="Put them into a file: rlm train --task sudoku FILE",
        )
    return str(Path(request.paths[0]).expanduser().resolve())


def _require_free(name: str, runs_dir: Path) -> None:
    require_name(name)
    if os.path.lexists(runs_dir / name):
        Run.create(name, runs_dir)  # makes nothing here, and raises unless it was never born


def _shape(said: Said, preset: Preset | None) -> dict[str, Any]:
    for name in _OF_THE_PUZZLES:
        if name in said.model:
            raise UsageError(f"model.{name} follows from the puzzles of --task.", hint="Leave it out.")
    shape = shape_of(said, preset, DEFAULT_PUZZLE_ARCHITECTURE)
    require_puzzle_architecture(shape["architecture"])
    if preset is not None and preset.model.get("lookback") and "lookback" not in said.model:
        raise UsageError(
            f"Preset '{preset.name}' is for text: its model.lookback is {preset.model['lookback']}, and "
            "cells have no order to look back in.",
            hint="Leave --preset out, or take the rest of it: --set model.lookback=0",
        )
    return shape


def _check(asked: AskedPuzzles, size: int | None) -> None:
    """Refuse what no puzzle can make right. Of a file, it is not known yet how large its grids are."""
    n, shape = size or SIZES[-1], dict(asked.shape)
    if size is None and "d_model" not in shape:
        shape.pop("n_heads", None)  # a width that suits the grids is chosen later
    model, training = replace(asked, shape=shape).model(n), asked.training(n)
    if size is not None:
        require_memory(skeleton(model), training, asked.device)
