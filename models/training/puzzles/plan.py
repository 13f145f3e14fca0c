"""From what was typed and which puzzles there are to a plan: nothing is written until it starts."""

import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.errors import UsageError
from data.puzzles import GENERATED, PuzzleSet, open_puzzles, split
from models.architectures import model_config
from models.config import ModelConfig, TrainingConfig, from_dict
from models.device import choose_device
from models.events import Event, NoticeGiven
from models.puzzle_model import TwoStateConfig
from models.run import Run, require_name, suggest_name
from models.task import PUZZLES
from models.training.estimate import Estimate, estimate, require_memory, skeleton
from models.training.fresh_run import fresh_run
from models.training.opening import advancing
from models.training.preset_choice import preset_for
from models.training.puzzles.recipes import ARCHITECTURES, MINUTES, model_recipe, training_recipe
from models.training.request import TrainRequest, drop_lengths, everything_said, lengths_in

PUZZLE_SEED = 0
"""Of the puzzles that are made: other trainings, whatever their seed, find the same ones in the cache."""

_OF_TEXT = {"tokenizer": "--tokenizer", "vocab_size": "--vocab-size", "context_length": "--context"}


@dataclass(frozen=True, kw_only=True)
class PuzzlePlan:
    """Everything settled but what only a measurement can settle."""

    name: str
    runs_dir: Path
    source: str
    count: int | None
    learned: PuzzleSet
    held_out: PuzzleSet
    content_hash: str
    model: ModelConfig
    training: TrainingConfig
    estimate: Estimate
    started_at: float

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        model, cost, n = self.model, self.estimate, self.learned.size
        assert isinstance(model, TwoStateConfig)
        thoughts = skeleton(model)
        calls = thoughts.attention_calls(thoughts.trained_depth)
        return [
            ("run", self.name),
            (
                "puzzles",
                f"{len(self.learned):,} Sudokus of {n}×{n}, and {len(self.held_out):,} to measure on",
            ),
            ("model", f"{model.architecture}, width {model.d_model}, {model.n_heads} heads"),
            ("thinking", f"{calls} block passes a step, up to {model.supervision_steps} steps in training"),
            ("parameters", f"{cost.parameters:,} ({cost.embedding_parameters:,} in embeddings)"),
            ("batch", f"{self.training.batch_size} puzzles, under random symmetries"),
            ("optimizer", "adamw" if self.training.optimizer == "adamw" else "muon and adamw"),
            ("memory", f"about {cost.training_bytes / 1e6:,.0f} MB"),
            ("length", self._length()),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return {
            "name": self.name,
            "puzzles": {**self._described(), "held_out": len(self.held_out)},
            "model": {"architecture": self.model.architecture, **asdict(self.model)},
            "training": asdict(self.training),
            "parameters": self.estimate.parameters,
            "embedding_parameters": self.estimate.embedding_parameters,
            "memory_bytes": self.estimate.training_bytes,
        }

    def start(self) -> Run:
        """Make the run directory, with all that training needs to begin; where this fails, nothing of it
        is left. Raises UsageError, StorageError."""
        with fresh_run(self.name, self.runs_dir) as run:
            run.write_json("datasets.json", [self._described()])
            run.write_config(
                {
                    "name": run.name,
                    "corpus": self.source,
                    "parameters": self.estimate.parameters,
                    "embedding_parameters": self.estimate.embedding_parameters,
                    "started_at": self.started_at,
                    "model": {"architecture": self.model.architecture, **asdict(self.model)},
                    "training": asdict(self.training),
                    "data": {
                        "paths": [self.source],
                        "content_hash": self.content_hash,
                        "kind": PUZZLES,
                        "count": self.count,
                        "seed": PUZZLE_SEED,
                        "held_out": len(self.held_out),
                    },
                }
            )
        return run

    def _described(self) -> dict[str, Any]:
        return {
            "name": self.source,
            "content_hash": self.content_hash,
            "kind": PUZZLES,
            "size": self.learned.size,
            "puzzles": len(self.learned),
        }

    def _length(self) -> str:
        training = self.training
        if training.minutes is not None:
            return f"{training.minutes:g} minutes at most"
        if training.steps is not None:
            return f"{training.steps:,} steps"
        return f"{training.epochs or 1:g} epochs"


def plan_puzzles(request: TrainRequest, runs_dir: Path) -> Generator[Event, None, PuzzlePlan]:
    """Make or read the puzzles, and settle everything the request leaves open.

    Raises UsageError for what cannot be meant, CorpusError for a file without puzzles.
    """
    started_at = time.time()
    source = _source(request)
    for name, flag in _OF_TEXT.items():
        if getattr(request, name) is not None:
            raise UsageError(
                f"{flag} is for text: a puzzle has its digits and its cells.", hint="Leave it out."
            )
    if request.name is not None:
        require_name(request.name)
    said = everything_said(request)
    preset = preset_for(request.preset, said.training)
    architecture = said.model.get("architecture", preset.architecture if preset else ARCHITECTURES[0])
    if architecture not in ARCHITECTURES:
        raise UsageError(
            f"Architecture '{architecture}' solves no puzzles.",
            hint=f"Choose one of: {', '.join(ARCHITECTURES)}.",
        )
    puzzles = yield from advancing(open_puzzles(source, request.count, PUZZLE_SEED))
    learned, held_out = split(puzzles, seed=PUZZLE_SEED)
    for note in learned.notes:
        yield NoticeGiven(message=note)
    n = puzzles.size
    given = {**(preset.model if preset else {}), **said.model}
    own = {"architecture": architecture, "task": "sudoku", "vocab_size": n + 1, "context_length": n * n}
    model = model_config({**model_recipe(architecture, n), **given, **own})
    training = _training(n, preset.training if preset else {}, said.training)
    device = choose_device(training.device)
    require_memory(skeleton(model), training, device)
    return PuzzlePlan(
        name=request.name or suggest_name(puzzles.name, runs_dir),
        runs_dir=runs_dir,
        source=source,
        count=request.count,
        learned=learned,
        held_out=held_out,
        content_hash=puzzles.content_hash,
        model=model,
        training=training,
        estimate=estimate(model, training, device),
        started_at=started_at,
    )


def _source(request: TrainRequest) -> str:
    """What is typed behind --task, or the one file. Raises UsageError."""
    assert request.task is not None
    if request.task != "sudoku":
        if not request.task.startswith("sudoku:"):
            raise UsageError(
                f"There is no task '{request.task}'.",
                hint=f"Choose one of: {', '.join(GENERATED)}, or sudoku FILE.",
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
    return str(Path(request.paths[0]).expanduser().resolve())


def _training(n: int, recipe: Mapping[str, Any], said: Mapping[str, Any]) -> TrainingConfig:
    values = {**training_recipe(n), **recipe, **said}
    length = lengths_in(said) or lengths_in(recipe) or {"minutes": MINUTES[n]}
    drop_lengths(values)
    return from_dict(TrainingConfig, {**values, **length}, "training")
