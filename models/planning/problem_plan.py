"""From a request for problems to a plan: nothing is written until it starts."""

import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from data.errors import UsageError
from data.problems.chains import Chains
from data.problems.names import open_task
from data.problems.problem import ProblemTask
from data.problems.sampler import tokenizer_of
from data.storage import storing
from data.tokenizer import Tokenizer
from data.wording import byte_size, counted
from models.architectures import config_type, model_config, skeleton
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import Estimate, estimate, require_memory
from models.planning.absent_device import device_of
from models.planning.preset_choice import preset_for
from models.planning.request import TrainRequest, length_in, model_settings, without_length
from models.recursive_lm import RecursiveLM
from models.runs.datasets import Dataset
from models.runs.events import Event
from models.runs.new_run import new_run
from models.runs.run import Run
from models.runs.run_config import PROBLEMS, DataSection, ModelSection, RunConfig
from models.runs.run_names import require_free_name, suggest_name
from models.runs.typed_json import JsonObject
from models.settings import Settings, from_dict

DEFAULT_MINUTES = 2.0
_SHAPE: Settings = {"d_model": 64, "n_heads": 4, "ngram": 2}
"""What suits every architecture; what suits one in particular is its `problem_shape`."""
_CHAINS_WIDTH, _CHAINS_HEAD_WIDTH = 96, 32
"""Names are found by their letters, which takes wide heads: with heads of 16 numbers a model learns one hop,
and no more."""
_TRAINING: Settings = {"batch_size": 64, "number_format": "float32"}
_ONLY_FOR_TEXT = ("tokenizer", "encoding", "filters", "count", "model.vocab_size", "model.context_length")


@dataclass(frozen=True, kw_only=True)
class ProblemPlan:
    """A training on problems, decided but for what only a measurement can tell."""

    name: str
    is_named: bool
    """Whether the user chose the name."""
    runs_dir: Path
    problems: ProblemTask
    tokenizer: Tokenizer
    model: ModelConfig
    training: TrainingConfig
    skeleton: RecursiveLM
    estimate: Estimate
    started_at: float

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        model, cost, problems = self.model, self.estimate, self.problems
        blocks = cost.parameters - cost.embedding_parameters
        depth = self.skeleton.recursion_in_words()
        heads = counted(model.n_heads, "head")
        return [
            ("run", self.name),
            ("problems", f"{problems.name}: {problems.about}, {_up_to(problems)}"),
            ("measured on", f"{_listed(problems.measured)} {problems.unit}s, {_held_out(problems)}"),
            ("model", f"{model.architecture}, width {model.d_model}, {heads}, {depth}"),
            (
                "parameters",
                f"{cost.parameters:,} ({blocks:,} in blocks, {cost.embedding_parameters:,} in embeddings)",
            ),
            ("batch", counted(self.training.batch_size, "problem")),
            ("optimizer", "adamw" if self.training.optimizer == "adamw" else "muon and adamw"),
            ("number format", cost.number_format.name),
            ("memory", f"about {byte_size(cost.training_bytes)}"),
            ("length", self._length()),
        ]

    def to_dict(self) -> JsonObject:
        """The plan as JSON has it."""
        return {
            "name": self.name,
            "problems": {
                "name": self.problems.name,
                "content_hash": self.problems.content_hash,
                "kind": PROBLEMS,
                "most": self.problems.most,
                "measured": list(self.problems.measured),
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
        problems = self.problems
        suggested = None if self.is_named else run_stem(problems)
        with new_run(self.name, self.runs_dir, suggested_from=suggested) as run:
            with storing("the tokenizer"):
                self.tokenizer.save(run.tokenizer_path)
            run.save_datasets(
                [
                    Dataset(
                        name=problems.name,
                        content_hash=problems.content_hash,
                        kind=PROBLEMS,
                        paths=(problems.name,),
                    )
                ]
            )
            run.save_config(
                RunConfig(
                    name=run.name,
                    corpus=problems.name,
                    parameters=self.estimate.parameters,
                    embedding_parameters=self.estimate.embedding_parameters,
                    started_at=self.started_at,
                    model=ModelSection.of(self.model),
                    training=asdict(self.training),
                    data=DataSection(
                        paths=(problems.name,),
                        content_hash=problems.content_hash,
                        kind=PROBLEMS,
                        tokenizer=self.tokenizer.kind,
                        tokenizer_hash=self.tokenizer.hash,
                    ),
                )
            )
        return run

    def _length(self) -> str:
        training = self.training
        if training.minutes is not None:
            return f"{counted(training.minutes, 'minute')} at most"
        return counted(training.steps, "step") if training.steps else counted(training.epochs or 1.0, "epoch")


def _shape_for(task: ProblemTask, chosen: Settings) -> Settings:
    """What a model of `task` needs besides, where `chosen` is what somebody chose of it."""
    if not isinstance(task, Chains):
        return {}
    width = chosen.get("d_model", _CHAINS_WIDTH)
    return {"d_model": width, "n_heads": max(1, width // _CHAINS_HEAD_WIDTH)}


def plan_problems(request: TrainRequest, runs_dir: Path) -> Generator[Event, None, ProblemPlan]:
    """Decide what a request for problems leaves open. Raises UsageError for what cannot be meant."""
    yield from ()
    started_at = time.time()
    assert request.task is not None
    problems = open_task(request.task)
    _require_possible(request, problems)
    if request.name is not None:
        require_free_name(request.name, runs_dir)
    overrides = request.overrides
    preset = preset_for(request.preset, overrides.training, for_absent_device=request.for_absent_device)
    recipe = dict(preset.training) if preset is not None else {}
    tokenizer = tokenizer_of(problems)
    shape = model_settings(overrides, preset)
    model = model_config(
        {
            **_SHAPE,
            **_shape_for(problems, shape),
            **config_type(shape["architecture"]).problem_shape,
            **shape,
            "vocab_size": tokenizer.vocab_size,
            "context_length": problems.context_length,
        }
    )
    length = overrides.length or length_in(recipe) or {"minutes": DEFAULT_MINUTES}
    chosen = {**_TRAINING, **without_length(recipe), **overrides.training, **length}
    training = from_dict(TrainingConfig, chosen, "training")
    device, layout = device_of(request, training.device), skeleton(model)
    require_memory(layout, training, device, shards=request.processes.shards)
    return ProblemPlan(
        name=request.name or suggest_name(run_stem(problems), runs_dir),
        is_named=request.name is not None,
        runs_dir=runs_dir,
        problems=problems,
        tokenizer=tokenizer,
        model=model,
        training=training,
        skeleton=layout,
        estimate=estimate(layout, training, device),
        started_at=started_at,
    )


def run_stem(problems: ProblemTask) -> str:
    """The name of a run that learns them, where it is free."""
    return problems.name.replace(":", "-")


def _require_possible(request: TrainRequest, problems: ProblemTask) -> None:
    if request.paths:
        raise UsageError(
            f"The problems of {problems.name} are made here, and need no file.",
            hint=f"Leave '{request.paths[0]}' out, or train on it as text: {{train {request.paths[0]}}}",
            field="task",
        )
    for path in _ONLY_FOR_TEXT:
        if path in request.ambient:
            continue
        if path in request.overrides.values or getattr(request, path, None) is not None:
            raise UsageError(
                f"{{{path}}} follows from the problems of {problems.name}.", hint="Leave it out.", field=path
            )


def _up_to(problems: ProblemTask) -> str:
    most = counted(problems.most, problems.unit)
    return most if problems.most == 1 else f"1 to {most}"


def _held_out(problems: ProblemTask) -> str:
    least = problems.held_out_from
    return "held out" if least == 1 else f"held out from {least} up"


def _listed(numbers: tuple[int, ...]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last
