"""The form of a training without widgets: its fields, the command they make, what is wrong. Torch-free."""

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data.errors import RlmError, UsageError
from data.file_encoding import named_encoding
from models.planning.check_settings import setting_errors
from models.planning.request import parse_assignment
from models.runs.run_names import require_name

_FLAGS = {"filters": "--filter"}
"""Of the fields of a request whose options have another name."""
SETTINGS = "settings"
"""The field for any other settings, as `section.field=value`."""
_SETTING_IN_BRACES = re.compile(r"\{([a-z_.]+)(?:=([^{}]*))?\}")
_SETTING_SECTIONS = ("model.", "training.")


@dataclass(frozen=True, slots=True)
class Field:
    """A field by the path of its setting or the name of its field in the request."""

    path: str
    label: str
    placeholder: str = "rlm chooses"

    @property
    def id(self) -> str:
        """The id of its widget."""
        return self.path.replace(".", "-")


NAME = Field("name", "name", "that of the text")
NAME_OF_COPY = Field("name", "name", "only for a copy that learns in its place")
MINUTES = Field("training.minutes", "minutes")
_LENGTH_AND_PLACE = (
    Field("training.steps", "steps", "instead of minutes"),
    Field("training.batch_size", "batch"),
    Field("training.learning_rate", "rate"),
)
_PLACE_AND_ENCODING = (
    Field("training.device", "device", "the fastest there is"),
    Field("encoding", "encoding", "detected"),
)
_OTHER_SETTINGS = Field(SETTINGS, "settings", "training.weight_decay=0.05 model.dropout=0.1")
ADVANCED = (
    Field("model.d_model", "width"),
    Field("model.n_heads", "heads"),
    Field("model.context_length", "context"),
    Field("tokenizer", "tokenizer", "character, bpe, technical or a tokenizer.json"),
    Field("model.vocab_size", "vocabulary"),
    *_LENGTH_AND_PLACE,
    Field("training.seed", "seed", "0"),
    *_PLACE_AND_ENCODING,
    Field("filters", "filter", "none; technical, or url,words:8"),
    _OTHER_SETTINGS,
)
ADVANCED_OF_CONTINUED = (
    Field("replay", "replay", "the share of earlier texts; rlm chooses"),
    Field("grow_vocab", "more tokens", "none"),
    *_LENGTH_AND_PLACE,
    *_PLACE_AND_ENCODING,
    Field("filters", "filter", "none; of a text that it knows, as before"),
    _OTHER_SETTINGS,
)
LABELS = {field.path: field.label for field in (NAME, MINUTES, *ADVANCED, *ADVANCED_OF_CONTINUED)} | {
    "paths": "text",
    "preset": "preset",
    "model.architecture": "kind",
}


def arguments(
    values: Mapping[str, str], paths: list[str], runs_dir: Path, run: Path | None = None
) -> list[str]:
    """The `rlm train` of what is filled in, by path: of a new model, or of `run` that goes on.

    What is empty is left to rlm. Raises UsageError where the line of settings cannot be read.
    """
    words = [
        "train",
        *(["--fresh"] if run is None else ["--continue", str(run)]),
        "--runs-dir",
        str(runs_dir),
    ]
    for path, value in _filled(values).items():
        if path == SETTINGS:
            words += [word for one in _assignments(value) for word in ("--set", one)]
        elif path.startswith(_SETTING_SECTIONS):
            words += ["--set", f"{path}={value}"]
        else:
            words += [_FLAGS.get(path, f"--{path.replace('_', '-')}"), value]
    return [*words, "--", *(os.path.expanduser(path) for path in paths)]


def errors(values: Mapping[str, str]) -> dict[str, RlmError]:
    """What is wrong with what is filled in, by the path of the field. The plan finds more."""
    found: dict[str, RlmError] = {}
    settings: dict[str, str] = {}
    for path, value in _filled(values).items():
        try:
            if path == SETTINGS:
                settings |= dict(map(parse_assignment, _assignments(value)))
            elif path.startswith(_SETTING_SECTIONS):
                settings[path] = value
            elif path == "name":
                require_name(value)
            elif path == "encoding":
                named_encoding(value)
            elif path == "filters":
                from data.filters import parse_filters  # it imports numpy

                parse_filters(value)
        except RlmError as error:
            found[path] = error
    for path, wrong in setting_errors(settings).items():
        found.setdefault(path if path in values else SETTINGS, wrong)
    return found


def place_of(error: RlmError, values: Mapping[str, str]) -> str | None:
    """The path of the field that an error is about; None where it is about none of them."""
    if error.field is None or error.field in values or error.field == "paths":
        return error.field
    return SETTINGS if error.field in values.get(SETTINGS, "") else None


def words_of(error: RlmError) -> str:
    """An error in a sentence that calls settings as the form does."""
    label = LABELS.get(error.field or "")
    message = error.message
    if label is not None and message.startswith(f"{error.field} "):
        message = f"{label}{message.removeprefix(str(error.field))}"
    words = " ".join(part for part in (message, error.hint) if part)
    return _SETTING_IN_BRACES.sub(_as_field, words)


def _as_field(found: re.Match[str]) -> str:
    label, value = LABELS.get(found[1]), found[2]
    if label is None:
        return found[0]
    return label if value is None else f"{label} {value}"


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    return {path: value.strip() for path, value in values.items() if value.strip()}


def _assignments(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"The settings cannot be read: {error}.", hint="Close the quotes.") from None
