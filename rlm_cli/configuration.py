"""Settings from the command line, the environment and a `--config` file, merged into one.

The values of the file become the parser's defaults, so that the parser checks them. This module merges
values for the same field, such as a flag and `--set`: the command line wins over the environment, and
the environment over the file. Of minutes, steps and epochs only one counts.
"""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from data.errors import UsageError
from data.nearest import did_you_mean
from data.plain_file import UnreadableFileError, read_plain_file
from data.tokenizer import KINDS
from models.config import LENGTHS
from models.planning.request import CreateRequest, Overrides, TrainRequest, parse_assignment, parse_setting
from models.presets import PRESETS
from rlm_cli.wording import SETTING_FLAGS

_TABLES = "rlm_cli.tables"  # key in context.meta for the tables of the file
_TYPED_ONLY = ("continue", "fresh")  # they choose the model, so a file must not set them
_SOURCES = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP")  # the parser's names, highest priority first
_TYPED, _IN_FILE = _SOURCES.index("COMMANDLINE"), _SOURCES.index("DEFAULT_MAP")
_REQUEST_FIELDS = {
    one.name for request in (TrainRequest, CreateRequest) for one in dataclasses.fields(request)
} - {"paths", "overrides", "ambient", "processes"}
_LARGEST_FILE = 1 << 20  # bytes of a configuration
_SIZED_KINDS = set(KINDS) - {"character"}
_LENGTH_PATHS = {f"training.{name}" for name in LENGTHS}


@dataclass(frozen=True, slots=True)
class Configuration:
    """The merged settings of a command."""

    fields: Mapping[str, Any]
    """Fields of the request by name, without those that were not set."""
    overrides: Overrides
    ambient: frozenset[str]
    """Names of fields and paths of overrides that come from the environment or the file."""


@dataclass(frozen=True, slots=True)
class _Value:
    """One value and its source."""

    path: str
    """Dotted path of a setting, or name of a request field."""
    value: Any
    rank: int
    """Index in _SOURCES. The lowest rank wins."""
    label: str


def load_config_file(context: typer.Context, path: Path) -> Path:
    """Read a TOML file as defaults: top-level keys are long flags, tables are sections of settings.

    The callback of `--config`. Raises UsageError if the file is missing, is not TOML, or has a key
    that is not a flag of this command.
    """
    content = _read(path)
    flags = {
        flag.removeprefix("--"): parameter.name
        for parameter in context.command.params
        for flag in parameter.opts
        if flag.startswith("--") and parameter.name != "config"
    }
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    values = {key.replace("_", "-"): value for key, value in content.items() if key not in tables}
    for key, value in values.items():
        if key in _TYPED_ONLY and key in flags:
            raise UsageError(
                f"'{path}' sets '{key}', which only the command line may set.",
                hint=f"Remove it from the file and type --{key}.",
            )
        if key not in flags:
            raise UsageError(
                f"'{path}' has an unknown key '{key}'.", hint=did_you_mean(key, sorted(flags), "There are")
            )
        if not isinstance(value, (str, int, float)):
            raise UsageError(f"In '{path}', '{key}' must be a number or a string.")
    context.default_map = {flags[key]: value for key, value in values.items()}
    context.meta[_TABLES] = tables
    return path


def read_configuration(context: typer.Context, assignments: Iterable[str] | None) -> Configuration:
    """Merge the flags of a command, its `--set` assignments and its file.

    A flag with a setting counts as that setting. A typed value wins over the environment, and that over
    the file. Raises UsageError if two values from the same source differ, and as `parse_setting`.
    """
    values = [*_from_flags(context), *_from_settings(context, assignments or ())]
    merged: dict[str, _Value] = {}
    for one in sorted(values, key=lambda one: one.rank):
        key = "length" if one.path in _LENGTH_PATHS else one.path
        winner = merged.setdefault(key, one)
        if winner.rank == one.rank and (winner.path, winner.value) != (one.path, one.value):
            raise UsageError(f"{winner.label} and {one.label} exclude each other.", hint="Give one of them.")
    _drop_weaker_shape(merged)
    _drop_weaker_vocabulary(merged)
    winners = merged.values()
    return Configuration(
        fields={one.path: one.value for one in winners if one.path in _REQUEST_FIELDS},
        overrides=Overrides({one.path: one.value for one in winners if one.path not in _REQUEST_FIELDS}),
        ambient=frozenset(one.path for one in winners if one.rank != _TYPED),
    )


def _from_flags(context: typer.Context) -> Iterable[_Value]:
    """Values of the flags that belong to a setting or a request field."""
    settings = {flag: path for path, flag in SETTING_FLAGS.items()}
    for parameter in context.command.params:
        flag = next((flag for flag in parameter.opts if flag.startswith("--")), "")
        name, value = str(parameter.name), context.params.get(str(parameter.name))
        path = settings.get(flag, name if name in _REQUEST_FIELDS else None)
        if path is None or value is None:
            continue
        if path in settings.values():
            value = parse_setting(path, value)
        yield _Value(path, value, _rank(context, name), flag)


def _from_settings(context: typer.Context, assignments: Iterable[str]) -> Iterable[_Value]:
    """Values of `--set` and of the tables of the file. The last `--set` of a path wins."""
    texts = dict(parse_assignment(assignment) for assignment in assignments)
    for path, text in texts.items():
        yield _Value(path, parse_setting(path, text), _TYPED, f"--set {path}")
    for section, fields in context.meta.get(_TABLES, {}).items():
        for field, value in fields.items():
            if (path := f"{section}.{field}") not in texts:
                yield _Value(path, parse_setting(path, value), _IN_FILE, path)


def _drop_weaker_shape(merged: dict[str, _Value]) -> None:
    """If preset and architecture contradict each other, drop the one of lower priority."""
    preset, architecture = merged.get("preset"), merged.get("model.architecture")
    if preset is None or architecture is None or preset.rank == architecture.rank:
        return
    known = PRESETS.get(preset.value)
    if known is None or known.architecture != architecture.value:
        weaker = max(preset, architecture, key=lambda one: one.rank)
        del merged[weaker.path]


def _drop_weaker_vocabulary(merged: dict[str, _Value]) -> None:
    """A character or file tokenizer has a fixed size. Drop it or the size, by priority."""
    tokenizer, size = merged.get("tokenizer"), merged.get("model.vocab_size")
    if tokenizer is None or size is None or tokenizer.value in _SIZED_KINDS:
        return
    if tokenizer.rank < size.rank:
        del merged[size.path]
    elif size.rank < tokenizer.rank and tokenizer.value == "character":  # a file may have that size
        del merged[tokenizer.path]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_plain_file(path, _LARGEST_FILE, follow_links=True)
        return tomllib.loads(content.decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise UsageError(f"The configuration '{path}' cannot be read: {error.strerror}.") from error
    except UnreadableFileError as error:
        raise UsageError(f"The configuration {error.message}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"The configuration '{path}' is not TOML: {error}.") from error


def _rank(context: typer.Context, name: str) -> int:
    source = context.get_parameter_source(name)
    return _SOURCES.index(source.name) if source is not None and source.name in _SOURCES else len(_SOURCES)
