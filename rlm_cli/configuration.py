"""What was asked for, from the command line, the environment and a `--config` file: typed, and merged.

The file becomes the parser's own table of defaults, so that its values are checked like typed ones.
What remains is to merge by one order, typed over environment over file, what stands for the same thing:
a flag and the setting of the same field, and the lengths, of which one counts.
"""

import dataclasses
import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from data.errors import UsageError
from models.config import LENGTHS
from models.planning.request import CreateRequest, Overrides, TrainRequest, parse_setting
from models.presets import PRESETS
from rlm_cli.wording import SETTING_FLAGS

_TABLES = "rlm_cli.tables"  # where a context keeps the tables of the file
_TYPED_ONLY = ("continue", "fresh")  # they tell which model is meant, and no preference does
_SOURCES = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP")  # the parser's names, the strongest first
_TYPED, _IN_FILE = _SOURCES.index("COMMANDLINE"), _SOURCES.index("DEFAULT_MAP")
_REQUEST_FIELDS = {
    one.name for request in (TrainRequest, CreateRequest) for one in dataclasses.fields(request)
} - {"paths", "overrides", "ambient"}
_LENGTH_PATHS = {f"training.{name}" for name in LENGTHS}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a command was asked for."""

    fields: Mapping[str, Any]
    """The fields of a request, by name; those that were left open are not in it."""
    overrides: Overrides
    ambient: frozenset[str]
    """The fields and the paths of the overrides that nobody typed."""


@dataclass(frozen=True, slots=True)
class _Value:
    """One value and where it comes from."""

    path: str
    """Of a setting, or the name of a request's field."""
    value: Any
    rank: int
    """Of its place in _SOURCES; the lowest is the strongest."""
    label: str


def load_config_file(context: typer.Context, path: Path | None) -> Path | None:
    """Put a TOML file behind what was typed: top-level keys are long flags, tables are sections.

    The callback of `--config`. Raises UsageError where the file is missing, is no TOML, or holds
    a key this command has no flag for.
    """
    if path is None or context.resilient_parsing:  # the shell is completing: nothing is needed
        return path
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
                f"'{path}' has '{key}', and a file cannot tell which model is meant.",
                hint=f"Take it out of the file, and type --{key}.",
            )
        if key not in flags:
            raise UsageError(f"'{path}' has an unknown key '{key}'.", hint=_nearest(key, flags))
        if not isinstance(value, (str, int, float)):
            raise UsageError(f"In '{path}', '{key}' must be a number or a string.")
    context.default_map = {flags[key]: value for key, value in values.items()}
    context.meta[_TABLES] = tables
    return path


def read_configuration(context: typer.Context, assignments: Iterable[str] | None) -> Configuration:
    """Everything the parameters of a command, its `--set` assignments and its file ask for.

    A flag whose option names a setting is that setting. What was typed displaces what the environment
    says of the same, and that what the file says. Raises UsageError for two from the same place that
    differ, and as `parse_setting`.
    """
    values = [*_from_flags(context), *_from_settings(context, assignments or ())]
    merged: dict[str, _Value] = {}
    for one in sorted(values, key=lambda one: one.rank):
        slot = "length" if one.path in _LENGTH_PATHS else one.path
        stronger = merged.setdefault(slot, one)
        if stronger.rank == one.rank and (stronger.path, stronger.value) != (one.path, one.value):
            raise UsageError(
                f"{stronger.label} and {one.label} exclude one another.", hint="Give one of them."
            )
    _drop_weaker_shape(merged)
    _drop_weaker_vocabulary(merged)
    found = merged.values()
    return Configuration(
        fields={one.path: one.value for one in found if one.path in _REQUEST_FIELDS},
        overrides=Overrides({one.path: one.value for one in found if one.path not in _REQUEST_FIELDS}),
        ambient=frozenset(one.path for one in found if one.rank != _TYPED),
    )


def _from_flags(context: typer.Context) -> Iterable[_Value]:
    """What the flags say that stand for settings or fields of a request."""
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
    """What the tables of the file say, and `--set` over them, the last one first."""
    texts = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        section, _, field = path.strip().partition(".")
        if not (equals and section and field):
            raise UsageError(
                f"'--set {assignment}' is not of the form section.field=value.",
                hint="For example: --set training.weight_decay=0.05",
            )
        texts[path.strip()] = text.strip()
    for path, text in texts.items():
        yield _Value(path, parse_setting(path, text), _TYPED, f"--set {path}")
    for section, fields in context.meta.get(_TABLES, {}).items():
        for field, value in fields.items():
            if (path := f"{section}.{field}") not in texts:
                yield _Value(path, parse_setting(path, value), _IN_FILE, path)


def _drop_weaker_shape(merged: dict[str, _Value]) -> None:
    """Where preset and architecture contradict each other, only the stronger place counts."""
    preset, architecture = merged.get("preset"), merged.get("model.architecture")
    if preset is None or architecture is None or preset.rank == architecture.rank:
        return
    known = PRESETS.get(preset.value)
    if known is None or known.architecture != architecture.value:
        weaker = max(preset, architecture, key=lambda one: one.rank)
        del merged[weaker.path]


def _drop_weaker_vocabulary(merged: dict[str, _Value]) -> None:
    """A tokenizer that is not made anew has its own size: where both are given, the stronger counts."""
    tokenizer, size = merged.get("tokenizer"), merged.get("model.vocab_size")
    if tokenizer is None or size is None or tokenizer.value == "bpe":
        return
    if tokenizer.rank < size.rank:
        del merged[size.path]
    elif size.rank < tokenizer.rank and tokenizer.value == "character":  # a file may be of that size
        del merged[tokenizer.path]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The configuration '{path}' cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The configuration '{path}' is not TOML: {error}.") from error


def _rank(context: typer.Context, name: str) -> int:
    source = context.get_parameter_source(name)
    return _SOURCES.index(source.name) if source is not None and source.name in _SOURCES else len(_SOURCES)


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(names))}."
