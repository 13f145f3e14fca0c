"""From a request for puzzles to a plan: nothing is written until it starts."""

import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from data.puzzles import PuzzleSet, open_puzzles, split
from data.wording import byte_size, counted
from models.architectures import skeleton
from models.architectures.two_state import TwoStateConfig
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import Estimate, estimate, require_memory
from models.planning.puzzles import resolve_puzzle_request
from models.planning.request import TrainRequest
from models.planning.text_plan import record_notes
from models.planning.text_rows import number_format_row
from models.recursive_lm import RecursiveLM
from models.runs.datasets import Dataset
from models.runs.events import Event, NoticeGiven
from models.runs.new_run import new_run
from models.runs.progress import with_progress_events
from models.runs.run import Run
from models.runs.run_config import PUZZLES, DataSection, ModelSection, RunConfig
from models.runs.run_names import suggest_name
from models.runs.typed_json import JsonObject

PUZZLE_SEED = 0
"""Of the puzzles that are made: other trainings, whatever their seed, find the same ones in the cache."""


@dataclass(frozen=True, kw_only=True)
class PuzzlePlan:
    """A training on puzzles, decided but for what only a measurement can tell."""

    name: str
    runs_dir: Path
    source: str
    count: int | None
    learned: PuzzleSet
    held_out: PuzzleSet
    notes: tuple[str, ...]
    """On what of the file was left out."""
    content_hash: str
    model: ModelConfig
    training: TrainingConfig
    skeleton: RecursiveLM
    estimate: Estimate
    started_at: float

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        model, cost, learned = self.model, self.estimate, self.learned
        assert isinstance(model, TwoStateConfig)
        calls = self.skeleton.attention_calls(self.skeleton.trained_depth)
        steps = counted(model.supervision_steps, "step")
        symmetries = ", under random symmetries" if learned.kind.has_symmetries else ""
        return [
            ("run", self.name),
            ("puzzles", self._puzzles()),
            ("model", f"{model.architecture}, width {model.d_model}, {counted(model.n_heads, 'head')}"),
            ("thinking", f"{counted(calls, 'block pass')} a step, up to {steps} in training"),
            ("parameters", f"{cost.parameters:,} ({cost.embedding_parameters:,} in embeddings)"),
            ("batch", counted(self.training.batch_size, learned.kind.noun) + symmetries),
            ("optimizer", "adamw" if self.training.optimizer == "adamw" else "muon and adamw"),
            number_format_row(cost),
            ("memory", f"about {byte_size(cost.training_bytes)}"),
            ("length", self._length()),
        ]

    def to_dict(self) -> JsonObject:
        """The plan as JSON has it."""
        return {
            "name": self.name,
            "puzzles": {
                "name": self.source,
                "content_hash": self.content_hash,
                "kind": PUZZLES,
                "task": self.learned.kind.task,
                "size": self.learned.size,
                "puzzles": len(self.learned),
                "held_out": len(self.held_out),
            },
            "model": ModelSection.of(self.model).dials,
            "training": asdict(self.training),
            "parameters": self.estimate.parameters,
            "embedding_parameters": self.estimate.embedding_parameters,
            "number_format": self.estimate.number_format.name,
            "memory_bytes": self.estimate.training_bytes,
        }

    def start(self) -> Run:
        """Make the run directory, with all that training needs to begin; where this fails, nothing of it
        is left. Raises UsageError, StorageError."""
        with new_run(self.name, self.runs_dir) as run:
            run.save_datasets([self._dataset()])
            run.save_config(
                RunConfig(
                    name=run.name,
                    corpus=self.source,
                    parameters=self.estimate.parameters,
                    embedding_parameters=self.estimate.embedding_parameters,
                    started_at=self.started_at,
                    model=ModelSection.of(self.model),
                    training=asdict(self.training),
                    data=DataSection(
                        paths=(self.source,),
                        content_hash=self.content_hash,
                        kind=PUZZLES,
                        count=self.count,
                        seed=PUZZLE_SEED,
                        held_out=len(self.held_out) + self.held_out.left_out,
                        symbols=self.learned.kind.symbols,
                    ),
                )
            )
            record_notes(run, self.notes)
        return run

    def _dataset(self) -> Dataset:
        return Dataset(
            name=self.source,
            content_hash=self.content_hash,
            kind=PUZZLES,
            size=self.learned.size,
            puzzles=len(self.learned),
            notes=self.notes,
        )

    def _puzzles(self) -> str:
        learned, kind = self.learned, self.learned.kind
        symbols = "" if kind.symbols is None else f", with {len(kind.symbols)} different ones"
        size = f"{counted(len(learned), kind.noun)} of {kind.size_name(learned.cells)}{symbols}"
        return f"{size}, and {len(self.held_out):,} to measure on"

    def _length(self) -> str:
        training = self.training
        if training.minutes is not None:
            return f"{counted(training.minutes, 'minute')} at most"
        if training.steps is not None:
            return counted(training.steps, "step")
        return counted(training.epochs or 1.0, "epoch")


def plan_puzzles(request: TrainRequest, runs_dir: Path) -> Generator[Event, None, PuzzlePlan]:
    """Make or read the puzzles, and decide everything the request leaves open.

    Raises UsageError for what cannot be meant, CorpusError for a file without puzzles.
    """
    started_at = time.time()
    resolved = resolve_puzzle_request(request, runs_dir)
    puzzles = yield from with_progress_events(
        open_puzzles(resolved.source, request.count, PUZZLE_SEED, task=resolved.task)
    )
    for note in puzzles.notes:
        yield NoticeGiven(message=note, is_warning=True)
    learned, held_out = split(puzzles, seed=PUZZLE_SEED)
    for note in learned.notes[len(puzzles.notes) :]:
        yield NoticeGiven(message=note, is_warning=not learned.kind.has_rules)
    kind, cells = learned.kind, learned.cells
    model, training = resolved.model(kind, cells), resolved.training(kind, cells)
    layout = skeleton(model)
    require_memory(layout, training, resolved.device)
    return PuzzlePlan(
        name=request.name or suggest_name(puzzles.name, runs_dir),
        runs_dir=runs_dir,
        source=resolved.source,
        count=request.count,
        learned=learned,
        held_out=held_out,
        notes=puzzles.notes,
        content_hash=puzzles.content_hash,
        model=model,
        training=training,
        skeleton=layout,
        estimate=estimate(layout, training, resolved.device),
        started_at=started_at,
    )
