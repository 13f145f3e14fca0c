"""config.json: what a run is, typed. Torch-free.

A run that was created has a model and what is known of its training; one that was given a text has
all of it. Change a configuration with `dataclasses.replace`, and write it with `Run.save_config`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self

from models.config import ModelConfig, TrainingConfig
from models.errors import RunError, in_command
from models.runs.typed_json import (
    Count,
    Finite,
    JsonObject,
    Limits,
    MismatchError,
    OneOf,
    Positive,
    Size,
    Text,
    read_record,
    to_json,
)
from models.settings import from_dict

PUZZLES = "puzzles"
"""The kind of the data of a run that solves puzzles."""
PROBLEMS = "problems"
"""The kind of the data of a run that learned problems which are made here."""
NUMBER_FORMATS = ("float32", "bfloat16", "float16")
NAME_LENGTH = 200
"""Characters of a name in the cache."""
Label = Annotated[str, Limits(0, 2**16)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSection:
    """A model by its architecture and dials. `compatibility.model_config_of` makes it a ModelConfig."""

    architecture: Text
    foreign: Mapping[str, object] = field(default_factory=dict)
    """The dials, each checked where the model is laid out."""

    @classmethod
    def of(cls, config: ModelConfig) -> Self:
        return cls(architecture=config.architecture, foreign=dataclasses.asdict(config))

    @property
    def dials(self) -> JsonObject:
        """The architecture and every dial, by name."""
        return {"architecture": self.architecture, **self.foreign}


@dataclass(frozen=True, slots=True, kw_only=True)
class MixSourceSection:
    """A source of a mix: how it is read (data/mixes/spec.py), and what was found in it."""

    name: Text
    weight: Positive
    parts: Size
    """Of 10,000 tokens, those that come from it."""
    content_hash: Text
    kind: Text
    """text, documents or messages."""
    path: Text | None = None
    dataset: Text | None = None
    config: Text | None = None
    split: Text | None = None
    streaming: bool = True
    columns: tuple[Text, ...] = ()
    template: Text | None = None
    filter: tuple[Text, ...] = ()
    documents: Size | None = None
    held_out: Size | None = None
    """Documents at its beginning; None where it is a part of each text."""
    prepared: Annotated[str, Limits(1, NAME_LENGTH)] | None = None
    """The name of its token files in the cache."""
    train_tokens: Count = 0
    validation_tokens: Count = 0
    foreign: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixSection:
    """The mix that a run is trained on now."""

    name: Text
    sources: tuple[MixSourceSection, ...]
    foreign: Mapping[str, object] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[int, ...]:
        """Of 10,000 tokens, those of each source."""
        return tuple(source.parts for source in self.sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSection:
    """The text, the mix, or the puzzles that a run is trained on now."""

    paths: tuple[Text, ...]
    content_hash: Text
    kind: Text
    """text, documents, messages, puzzles or problems."""
    tokenizer: Text | None = None
    """The kind: character, bpe, technical or technical:nfkc."""
    tokenizer_hash: Text | None = None
    reconstructed_from_hash: Text | None = None
    """The hash of the tokenizer that a reconstruction replaced."""
    prepared: Annotated[str, Limits(1, NAME_LENGTH)] | None = None
    """The name of its token files in the cache."""
    count: Count | None = None
    """Puzzles that were made."""
    seed: Count | None = None
    """Of the puzzles that were made."""
    held_out: Count | None = None
    """Puzzles held out."""
    symbols: Text | None = None
    """The symbols of puzzles that are strings, in their order."""
    mix: MixSection | None = None
    """Of a mix: its sources. `content_hash` is then the hash of the mix."""
    foreign: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured and chosen on the machine that trains the run."""

    device: Text
    number_format: Annotated[str, OneOf(NUMBER_FORMATS)]
    compiled: bool
    threads: Annotated[int, Limits(0, 4096)]
    micro_batch: Size
    shallow_step_s: Positive
    """Seconds of a step at the least depth."""
    deep_step_s: Positive
    """Seconds of a step at the trained depth."""
    machine: Text | None = None
    """Where it was measured; None in runs of earlier versions."""
    processes: Size = 1
    """That shared a batch. The threads and the micro-batch are those of each one."""
    foreign: Mapping[str, object] = field(default_factory=dict)

    def step_s(self, calls: float, shallow_calls: int, deep_calls: int) -> float:
        """Seconds of a step of `calls` attention calls, on the line between the two that were measured."""
        share = (calls - shallow_calls) / max(1, deep_calls - shallow_calls)
        return self.shallow_step_s + share * (self.deep_step_s - self.shallow_step_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySection:
    """The share of the training sequences that come from earlier texts, why, and their content hashes."""

    share: Annotated[float, Limits(0, 1 - 2**-53)]
    reason: Text | None = None
    corpora: tuple[Text, ...] = ()
    foreign: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """More training that was asked for after the checkpoint of step `from_step`."""

    from_step: Count
    minutes: Positive | None
    steps: Size | None
    foreign: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What config.json holds."""

    model: ModelSection
    name: Label | None = None
    corpus: Label | None = None
    """What the text is called."""
    parameters: Count | None = None
    embedding_parameters: Count | None = None
    started_at: Finite | None = None
    """When planning began, in seconds since the epoch."""
    training: Mapping[str, object] = field(default_factory=dict)
    """What is known of the training. `training_config` has all of it, checked."""
    data: DataSection | None = None
    """None for a run that was created and not trained."""
    tokenizer_hash: Text | None = None
    """Of the tokenizer that a model was created with."""
    calibration: Calibration | None = None
    replay: ReplaySection | None = None
    extension: Extension | None = None
    revision: Count = 0
    """How often the run grew or was given another text."""
    vocab_size_before: Size | None = None
    """Of the vocabulary before the current text."""
    lineage: tuple[Mapping[str, object], ...] = ()
    """The runs that it was grown from, the first one first."""
    foreign: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises MismatchError with what is wrong."""
        if isinstance(value, dict) and "data" in value:  # a run that was given a text has all of this
            for key in ("training", "started_at"):
                if value.get(key) is None:
                    raise MismatchError(f"it has no '{key}'")
        return read_record(cls, value)

    def to_json(self) -> JsonObject:
        return to_json(self)

    def training_config(self) -> TrainingConfig:
        """Raises UsageError for a value that no training can have."""
        return from_dict(TrainingConfig, self.training, "training")

    @property
    def content_hash(self) -> str:
        """Of the text or the puzzles that the run is trained on now; empty where there is none."""
        return "" if self.data is None else self.data.content_hash

    @property
    def learned_hashes(self) -> tuple[str, ...]:
        """The content hashes of the text, or of the sources of the mix, that the run is trained on now."""
        if self.mix is not None:
            return tuple(source.content_hash for source in self.mix.sources)
        return () if self.data is None else (self.data.content_hash,)

    @property
    def mix(self) -> MixSection | None:
        """The mix that the run is trained on now; None for one text."""
        return None if self.data is None else self.data.mix

    @property
    def solves_puzzles(self) -> bool:
        return self.data is not None and self.data.kind == PUZZLES

    @property
    def answers_problems(self) -> bool:
        return self.data is not None and self.data.kind == PROBLEMS

    @property
    def puzzle_task(self) -> str | None:
        """The task of a run that solves puzzles: sudoku, maze or grid."""
        task = self.model.foreign.get("task", "sudoku")
        return str(task) if self.solves_puzzles else None

    def require_text(self, path: Path) -> None:
        """Raise RunError where the run in the folder `path` solves puzzles."""
        if self.solves_puzzles:
            raise RunError(
                f"Run '{path.name}' solves puzzles and knows no text.",
                hint=f"Give it one: {{solve {in_command(path)} PUZZLE}}",
            )

    def require_puzzles(self, path: Path) -> None:
        """Raise RunError where the run in the folder `path` solves no puzzles."""
        if not self.solves_puzzles:
            raise RunError(
                f"Run '{path.name}' writes text and solves no puzzles.",
                hint="Train one that does: {train task=sudoku:4x4}",
            )

    def require_problems(self, path: Path) -> None:
        """Raise RunError where the run in the folder `path` answers no problems."""
        if not self.answers_problems:
            raise RunError(
                f"Run '{path.name}' learned no problems.",
                hint="Train one that does: {train task=compose:s3}",
            )

    def require_learned_text(self, path: Path) -> None:
        """Raise RunError where the run in the folder `path` learned no text of somebody's own."""
        self.require_text(path)
        if self.answers_problems:
            raise RunError(
                f"Run '{path.name}' learned problems that are made here, and no text.",
                hint=f"Have it answer one: {{solve {in_command(path)} --random}}",
            )
