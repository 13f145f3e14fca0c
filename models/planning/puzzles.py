"""A request for puzzles: what is resolved before one is made or read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from data.errors import UsageError
from data.puzzle_kind import PuzzleKind
from data.puzzle_kinds import kind_of, named_set
from models.architectures import DEFAULT_PUZZLE_ARCHITECTURE, model_config
from models.config import ModelConfig, TrainingConfig
from models.planning.absent_device import device_of
from models.planning.preset_choice import preset_for
from models.planning.puzzle_defaults import (
    puzzle_model_defaults,
    puzzle_training_defaults,
    require_puzzle_architecture,
    suited_to,
)
from models.planning.request import Overrides, TrainRequest, length_in, model_settings, without_length
from models.planning.resolve import require_memory_if_large
from models.presets import Preset
from models.processes.placement import Processes
from models.runs.run_names import require_free_name
from models.settings import Settings, from_dict
from models.training.several_processes import require_trainable_in

_FILES: Mapping[str, tuple[str, str]] = {
    "sudoku": ("puzzles", "Give a CSV, or have some made: {task=sudoku:4x4}"),
    "maze": ("mazes", "Give a CSV, or have some made: {task=maze:15x15}"),
    "grid": ("strings", "Give a CSV with two columns, input and target: {train task=grid FILE}"),
}
"""Of each task, what is in a file of it, and what to give."""
_ANY_SYMBOLS, _ANY_CELLS = "01", {"sudoku": 81, "maze": 225, "grid": 12}
"""Of a file that was not read yet."""
_ONLY_FOR_TEXT = ("tokenizer", "filters", "model.vocab_size", "model.context_length")


@dataclass(frozen=True, kw_only=True)
class ResolvedPuzzleRequest:
    """What is known before the puzzles are; the rest follows from the size of their grids."""

    source: str
    """The name of puzzles that are made here, or the path of a file."""
    task: str
    """The kind of puzzles: sudoku, maze or grid."""
    shape: Mapping[str, Any]
    """What is known of the model, its architecture among it."""
    overrides: Overrides
    recipe: Mapping[str, Any]
    """The training settings of a preset."""
    device: torch.device

    def model(self, kind: PuzzleKind, cells: int) -> ModelConfig:
        """The model for puzzles of a kind with so many cells. Raises UsageError."""
        symbols = len(kind.layout(cells).is_asked)
        own = {"task": kind.task, "vocab_size": symbols, "context_length": cells}
        width = self.shape.get("d_model")
        usual = puzzle_model_defaults(self.shape["architecture"], kind, cells, width)
        return model_config({**usual, **self.shape, **own})

    def training(self, kind: PuzzleKind, cells: int) -> TrainingConfig:
        """The training on them. Raises UsageError."""
        usual = puzzle_training_defaults(kind, cells)
        chosen = {**usual, **without_length(self.recipe), **self.overrides.training}
        minutes = suited_to(kind, cells).minutes
        length = self.overrides.length or length_in(self.recipe) or {"minutes": minutes}
        return from_dict(TrainingConfig, {**chosen, **length}, "training")


def resolve_puzzle_request(request: TrainRequest, runs_dir: Path) -> ResolvedPuzzleRequest:
    """Check a request for puzzles. Raises UsageError for what cannot be meant."""
    source = _source(request)
    for path in _ONLY_FOR_TEXT:
        if path in request.overrides.values or getattr(request, path, None) is not None:
            raise UsageError(
                f"{{{path}}} is for text: a puzzle has its symbols and its cells.",
                hint="Leave it out.",
                field=path,
            )
    if request.name is not None:
        require_free_name(request.name, runs_dir)
    training = request.overrides.training
    preset = preset_for(request.preset, training, for_absent_device=request.for_absent_device)
    assert request.task is not None
    resolved = ResolvedPuzzleRequest(
        source=source,
        task=request.task.partition(":")[0],
        shape=_shape(request.overrides, preset),
        overrides=request.overrides,
        recipe=preset.training if preset is not None else {},
        device=device_of(request, str(training.get("device", "auto"))),
    )
    _require_possible(resolved, request.processes)
    return resolved


def _source(request: TrainRequest) -> str:
    """The puzzles that the task names, or the one file."""
    assert request.task is not None
    family, colon, _ = request.task.partition(":")
    what, how = _FILES[family]
    if colon and family == "grid":
        raise UsageError(
            f"There is no task '{request.task}': {{task=grid}} takes a file and no size.",
            hint=how,
            field="task",
        )
    if colon:
        named_set(request.task)  # raises where there is no such set
        if request.paths:
            raise UsageError(
                f"The puzzles of {request.task} are made here, and need no file.",
                hint=f"For puzzles of your own: {{train task={family} FILE}}",
                field="task",
            )
        return request.task
    if len(request.paths) != 1:
        raise UsageError(f"{{task={family}}} needs one file of {what}.", hint=how, field="task")
    if request.paths[0] == "-":
        raise UsageError(
            "Puzzles to learn from cannot come from standard input: whoever resumes needs them again.",
            hint=f"Put them into a file: {{train task={family} FILE}}",
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


def _require_possible(resolved: ResolvedPuzzleRequest, processes: Processes) -> None:
    """Refuse what no puzzle can make right. Of a file, it is not known yet how large its grids are."""
    made, shape = named_set(resolved.source), dict(resolved.shape)
    if made is None and "d_model" not in shape:
        shape.pop("n_heads", None)  # a width that suits the grids is chosen later
    if made is not None:
        kind, cells = made.kind, made.cells
    else:
        kind, cells = kind_of(resolved.task, _ANY_SYMBOLS), _ANY_CELLS[resolved.task]
    model, training = replace(resolved, shape=shape).model(kind, cells), resolved.training(kind, cells)
    is_batch_known = made is not None or "batch_size" in {*resolved.recipe, *resolved.overrides.training}
    require_trainable_in(
        processes, training, resolved.device, is_batch_known=is_batch_known, solves_puzzles=True
    )
    if made is not None:
        require_memory_if_large(model, training, resolved.device)
