"""What a user asks for: where the text is, which model is meant, and the settings they chose.

Torch is imported only to look up a setting that belongs to one architecture.
"""

import dataclasses
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import UnionType
from typing import Any, Self

from data.errors import UsageError
from models.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, config_type
from models.config import LENGTHS, ModelConfig, TrainingConfig
from models.cost.machines import parse_figure
from models.presets import Preset
from models.processes.placement import ALONE, Processes
from models.settings import Settings, parse_value, unknown_setting

_OF_NEW_MODEL = ("name", "preset", "tokenizer")
_OF_CONTINUED_RUN = ("replay", "grow_vocab")
_OF_TEXT = (
    *("tokenizer", "encoding", "filters", "model.vocab_size", "model.context_length"),
    *("training.grow_every", "training.grow_by", "training.attend_within"),
)


@dataclass(frozen=True, slots=True)
class Overrides:
    """The settings somebody chose, by dotted path (`training.minutes`), each of its field's type."""

    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """From values that may be text. Raises UsageError as `parse_setting`."""
        return cls({path: parse_setting(path, value) for path, value in values.items()})

    @property
    def model(self) -> Settings:
        """The settings of the model, by field."""
        return self._section("model")

    @property
    def training(self) -> Settings:
        """The settings of the training but its length, by field."""
        return {name: value for name, value in self._section("training").items() if name not in LENGTHS}

    @property
    def machine(self) -> dict[str, float]:
        """The figures of a machine that is only planned for, by name."""
        return self._section("machine")

    @property
    def length(self) -> Settings:
        """The length, by field; empty where it is left open."""
        return length_in(self._section("training"))

    def without(self, paths: Collection[str]) -> "Overrides":
        """The same without those paths."""
        return Overrides({path: value for path, value in self.values.items() if path not in paths})

    def _section(self, name: str) -> Settings:
        start = f"{name}."
        return {
            path.removeprefix(start): value for path, value in self.values.items() if path.startswith(start)
        }


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """What a training was asked for with; None is what was left open."""

    paths: tuple[str, ...]
    """The text, or a file of puzzles."""
    name: str | None = None
    """Of the run: a new one, or one that was created and not trained yet."""
    preset: str | None = None
    tokenizer: str | None = None
    """character, bpe, technical, technical:nfkc, or the path of a tokenizer.json."""
    overrides: Overrides = Overrides()
    ambient: frozenset[str] = frozenset()
    """The paths of overrides and the names of fields that come from the environment or a file. They never
    tell which model is meant, and give way where they do not fit it."""
    task: str | None = None
    """What to learn if it is not text: sudoku (of a file), sudoku:4x4 and so on."""
    count: int | None = None
    """How many puzzles."""
    encoding: str | None = None
    """Of the text's files; None where it is to be detected."""
    guess_encoding: bool = True
    """Whether the likelier of two close encodings is taken. Without it, planning raises
    UnclearEncodingError."""
    filters: str | None = None
    """Names of filters with commas between; None for those that a known text was read with, or none."""
    mix: str | None = None
    """A mix file, or the name of a recipe, in the place of `paths`. Paths may also have weights."""
    continue_run: str | None = None
    """The run that goes on with this text; None for a new one."""
    replay: float | None = None
    """Share of what it learns from then on that comes from its earlier texts."""
    grow_vocab: int | None = None
    """Byte pairs it learns then, besides those it has."""
    processes: Processes = ALONE
    """That train together."""
    for_absent_device: bool = False
    """Whether training.device is one that is not on this machine: then there is only a plan, and
    `models.planning.absent_device` made the request."""

    @property
    def encodings(self) -> tuple[str, ...]:
        """The encoding as a corpus takes it."""
        return () if self.encoding is None else (self.encoding,)

    @property
    def filter_names(self) -> tuple[str, ...]:
        """The filters as a corpus takes them. Raises UsageError for one there is not."""
        from data.filters import parse_filters  # loads numpy, which a form does without

        return parse_filters(self.filters or "").names

    @property
    def names_model(self) -> bool:
        """Whether it says which model is meant: a run, or a name or preset for a new one. A task and a mix
        make a new one."""
        names = ("name", "preset", "continue_run")
        typed = (name for name in names if name not in self.ambient)
        makes_new = self.task is not None or self.mix is not None
        return makes_new or any(getattr(self, name) is not None for name in typed)

    def without_unfit_preferences(self) -> "TrainRequest":
        """Without what is ambient and for a new model where a run goes on, for a run that goes on where the
        model is new, and for text where there is a task."""
        unfit = set(_OF_CONTINUED_RUN)
        if self.continue_run is not None:
            shape = {path for path in self.overrides.values if path.startswith("model.")}
            unfit = {*_OF_NEW_MODEL, *shape - {"model.dropout"}}
        if self.task is not None:
            unfit |= set(_OF_TEXT)
        unfit &= self.ambient
        fields: Settings = {name: None for name in unfit if "." not in name}
        return replace(self, overrides=self.overrides.without(unfit), **fields)


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """What a model without training was asked for with; None is what was left open."""

    name: str
    preset: str | None = None
    tokenizer: str | None = None
    """The path of a tokenizer.json."""
    overrides: Overrides = Overrides()


def parse_setting(path: str, value: Any) -> Any:
    """The value of the setting at `path` (`section.field`), which may be text, as its field has it.

    A model's setting may be of any architecture. Raises UsageError for a setting there is not, with the
    nearest one, and for a value that is not of its type.
    """
    section, _, name = path.partition(".")
    if section == "machine" and name:
        return parse_figure(name, value)
    if section not in ("model", "training") or not name:
        raise UsageError(
            f"There is no setting '{path}'.",
            hint="Write model.FIELD or training.FIELD, as in model.dropout=0.1.",
        )
    if path == "model.architecture":
        return str(value).replace("-", "_")
    types = _field_types(TrainingConfig if section == "training" else ModelConfig)
    if section == "model" and name not in types:
        types = _types_of_every_architecture()
    if name not in types:
        raise unknown_setting(section, name, types)
    return parse_value(value, types[name], path)


def parse_assignment(text: str) -> tuple[str, str]:
    """The path and the value in `section.field=value`. Raises UsageError for another form."""
    path, equals, value = text.partition("=")
    section, _, field = path.strip().partition(".")
    if not (equals and section and field):
        raise UsageError(
            f"'{text}' does not have the form section.field=value.",
            hint="For example: {training.weight_decay=0.05}",
        )
    return path.strip(), value.strip()


def model_settings(
    overrides: Overrides, preset: Preset | None, usual: str = DEFAULT_ARCHITECTURE
) -> Settings:
    """What is known of a new model: the overrides, over the preset, over the `usual` architecture.

    Raises UsageError where both name an architecture, and not the same.
    """
    chosen = overrides.model
    architecture = chosen.get("architecture", preset.architecture if preset else usual)
    if preset is not None and preset.architecture != architecture:
        raise UsageError(
            f"Preset '{preset.name}' is of architecture {preset.architecture}, not {architecture}.",
            hint="Keep one of {preset} and {model.architecture}.",
            field="model.architecture",
        )
    return {**(preset.model if preset else {}), **chosen, "architecture": architecture}


def length_in(training: Mapping[str, Any]) -> Settings:
    """The lengths among training settings that are not left open."""
    return {name: training[name] for name in LENGTHS if training.get(name) not in (None, "none")}


def without_length(training: Mapping[str, Any]) -> Settings:
    """Training settings without any length."""
    return {name: value for name, value in training.items() if name not in LENGTHS}


def require_growing(request: TrainRequest, before: Mapping[str, Any]) -> None:
    """Raise UsageError where it was typed by how much a model is to grow, and how often is neither typed
    nor in the training settings it had `before`."""
    path = "training.grow_by"
    if path not in request.overrides.values or path in request.ambient:
        return
    if request.overrides.training.get("grow_every", before.get("grow_every")) is None:
        raise UsageError(
            "{training.grow_by} says how much, and not how often.",
            hint="Add {training.grow_every=CHARS}.",
            field="training.grow_every",
        )


def _field_types(config: type) -> Settings:
    hints = typing.get_type_hints(config)
    return {one.name: hints[one.name] for one in dataclasses.fields(config)}


def _types_of_every_architecture() -> Settings:
    """By field. Where one architecture lets a field be none and another does not, it may be none."""
    types: Settings = {}
    for architecture in ARCHITECTURES:
        for name, hint in _field_types(config_type(architecture)).items():
            if name not in types or isinstance(hint, UnionType):
                types[name] = hint
    return types
