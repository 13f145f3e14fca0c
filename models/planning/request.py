"""What a user may say of a new model and its training, by the names the configurations have. Torch-free."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from data.errors import UsageError
from models.architectures import DEFAULT_ARCHITECTURE
from models.config import LENGTHS
from models.presets import Preset

FIELD_OF: Mapping[str, str] = {
    "architecture": "model.architecture",
    "d_model": "model.d_model",
    "n_heads": "model.n_heads",
    "context_length": "model.context_length",
    "vocab_size": "model.vocab_size",
    "minutes": "training.minutes",
    "steps": "training.steps",
    "epochs": "training.epochs",
    "seed": "training.seed",
    "batch_size": "training.batch_size",
    "optimizer": "training.optimizer",
    "target_loss": "training.target_loss",
    "patience": "training.patience",
    "device": "training.device",
    "number_format": "training.number_format",
    "threads": "training.threads",
    "grow_every": "training.grow_every",
    "grow_by": "training.grow_by",
}
"""The setting that each field of a request is another name for."""

_OF_NEW = {name for name, path in FIELD_OF.items() if path.startswith("model.")} | {
    "name",
    "preset",
    "tokenizer",
}
"""The fields that only a new model can be given."""
_OF_CONTINUED = {"replay", "grow_vocab"}
"""Those that only a model can be given that knows another text."""


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """What a user said; None is what they left open."""

    paths: tuple[str, ...]
    name: str | None = None
    preset: str | None = None
    architecture: str | None = None
    minutes: float | None = None
    steps: int | None = None
    epochs: float | None = None
    seed: int | None = None
    batch_size: int | None = None
    context_length: int | None = None
    tokenizer: str | None = None
    vocab_size: int | None = None
    d_model: int | None = None
    n_heads: int | None = None
    optimizer: str | None = None
    target_loss: float | None = None
    patience: int | None = None
    device: str | None = None
    number_format: str | None = None
    threads: int | None = None
    task: str | None = None
    """What to learn if it is not text: sudoku (of a file), sudoku:4x4 and so on."""
    count: int | None = None
    """How many puzzles."""
    continue_run: str | None = None
    """The run that goes on with this text; None for a new one."""
    replay: float | None = None
    """Share of what it learns from then on that comes from its earlier texts."""
    grow_vocab: int | None = None
    """Byte pairs it learns then, besides those it has."""
    grow_every: int | None = None
    grow_by: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """`section.field` to value: what `--set` and configuration files give. The fields go over it."""
    standing: frozenset[str] = frozenset()
    """Which of the fields and settings are preferences from the environment or a file, and not said of
    this text: they never tell what model is meant, and give way where they do not fit it."""

    @property
    def leaves_model_open(self) -> bool:
        """Whether nothing says what model is meant: none of those there are, and nothing of a new one."""
        here = self._without(self.standing - {"task"})
        of_new = (here.name, here.preset, here.tokenizer, here.task, here.continue_run)
        shape = set(everything_said(here).model) - {"dropout"}
        return all(value is None for value in of_new) and not shape

    def fitting_its_model(self) -> "TrainRequest":
        """Without those standing preferences that are for a new model where a run goes on, and without
        those that are for one that goes on where the model is new."""
        if self.continue_run is None:
            return self._without(self.standing & _OF_CONTINUED)
        shape = {path for path in self.settings if path.startswith("model.") and path != "model.dropout"}
        return self._without(self.standing & (_OF_NEW | shape))

    def _without(self, names: Collection[str]) -> "TrainRequest":
        fields: dict[str, Any] = {name: None for name in names if "." not in name}
        settings = {path: value for path, value in self.settings.items() if path not in names}
        return replace(self, settings=settings, **fields)

    def is_standing(self, path: str) -> bool:
        """Whether the setting `path`, under either of its names, is a standing preference."""
        return any(path in (name, FIELD_OF.get(name)) for name in self.standing)

    def flag_of(self, path: str) -> str:
        """What the setting `path` was typed as."""
        name = next((name for name, setting in FIELD_OF.items() if setting == path), None)
        if name is None or getattr(self, name) is None:
            return f"--set {path}"
        return "--" + name.replace("_", "-")


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """What a user said; None is what they left open."""

    name: str
    preset: str | None = None
    architecture: str | None = None
    d_model: int | None = None
    n_heads: int | None = None
    context_length: int | None = None
    vocab_size: int | None = None
    tokenizer: str | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """Everything said, a mapping for each section, and at most one length among it."""

    model: dict[str, Any]
    training: dict[str, Any]


def everything_said(request: TrainRequest | CreateRequest) -> Said:
    """The settings of a request, and its fields over them.

    Raises UsageError for a section there is not. The values themselves are not looked at.
    """
    said = Said({}, {})
    for path, value in request.settings.items():
        section, _, name = path.partition(".")
        if section not in ("model", "training") or not name:
            raise UsageError(
                f"There is no setting '{path}'.",
                hint="Write model.FIELD or training.FIELD, as in model.dropout=0.1.",
            )
        getattr(said, section)[name] = value
    fields = {name: getattr(request, name, None) for name in FIELD_OF}
    if any(fields[name] is not None for name in LENGTHS):
        drop_lengths(said.training)
    for name, value in fields.items():
        if value is not None:
            section, _, setting = FIELD_OF[name].partition(".")
            getattr(said, section)[setting] = value
    if "architecture" in said.model:
        said.model["architecture"] = str(said.model["architecture"]).replace("-", "_")
    return said


def require_growing(request: TrainRequest, before: Mapping[str, Any]) -> None:
    """Raise UsageError where it was said by how much a model is to grow, and neither how often nor in the
    training settings it had `before`."""
    if request.grow_by is None or "grow_by" in request.standing:
        return
    every = everything_said(request).training.get("grow_every", before.get("grow_every"))
    if every in (None, "none"):
        raise UsageError("--grow-by says how much, and not how often.", hint="Add --grow-every CHARS.")


def shape_of(said: Said, preset: Preset | None, usual: str = DEFAULT_ARCHITECTURE) -> dict[str, Any]:
    """What is known of a new model: what was said, over the preset, over the `usual` architecture.

    Raises UsageError where both name an architecture, and not the same.
    """
    architecture = said.model.get("architecture", preset.architecture if preset else usual)
    if preset is not None and preset.architecture != architecture:
        raise UsageError(
            f"Preset '{preset.name}' is of architecture {preset.architecture}, not {architecture}.",
            hint="Keep one of --preset and --arch.",
        )
    return {**(preset.model if preset else {}), **said.model, "architecture": architecture}


def lengths_in(training: Mapping[str, Any]) -> dict[str, Any]:
    """The lengths among training settings: those that are not left open."""
    return {name: training[name] for name in LENGTHS if training.get(name) not in (None, "none")}


def drop_lengths(training: dict[str, Any]) -> None:
    """Take every length out of training settings."""
    for name in LENGTHS:
        training.pop(name, None)


def is_same(stored: Any, value: Any) -> bool:
    """Whether a value that may have been typed as text is the one stored."""
    if isinstance(value, (str, int, float)) and type(stored) in (int, float):
        try:
            return float(value) == stored
        except ValueError:
            return False
    return str(stored).lower() == str(value).lower()
