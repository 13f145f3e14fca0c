"""Where a dial's value comes from: typed, environment, `--config` file, or not said at all.

The file becomes the parser's own table of defaults, so that its values are checked like typed
ones. What remains is to settle by the same order what stands for the same thing: a flag and the
setting of the same field, and the lengths, of which one counts.
"""

import contextlib
import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from data.errors import UsageError
from models.config import LENGTHS
from models.planning.request import FIELD_OF
from models.presets import PRESETS

_SETTINGS = "rlm_cli.settings"  # where a context keeps the tables of the file
_TYPED_ONLY = ("continue", "fresh")  # they say which model is meant, and no preference does
_SOURCES = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP")  # the parser's names, the strongest first
_LENGTH_FIELDS = {FIELD_OF[name] for name in LENGTHS}


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
    sections = {key: value for key, value in content.items() if isinstance(value, dict)}
    values = {key.replace("_", "-"): value for key, value in content.items() if key not in sections}
    for key, value in values.items():
        if key in _TYPED_ONLY and key in flags:
            raise UsageError(
                f"'{path}' says '{key}', and which model is meant is said with the text.",
                hint=f"Take it out of the file, and type --{key}.",
            )
        if key not in flags:
            raise UsageError(f"'{path}' has an unknown key '{key}'.", hint=_nearest(key, flags))
        if not isinstance(value, (str, int, float)):
            raise UsageError(f"In '{path}', '{key}' must be a number or a string.")
    context.default_map = {flags[key]: value for key, value in values.items()}
    context.meta[_SETTINGS] = {
        f"{section}.{field}": _as_text(value)
        for section, fields in sections.items()
        for field, value in fields.items()
    }
    return path


def said_request(
    context: typer.Context, dials: Mapping[str, Any], assignments: Iterable[str] | None
) -> dict[str, Any]:
    """The dials that were said somewhere (name to value, None is not said), and `settings`.

    A flag and a setting may be two names of one field, and lengths stand for one another: what
    was typed, as either, displaces what the environment says, and that what the file says. Two
    from the same place that differ: UsageError.
    """
    assignments = list(assignments or ())
    settings = said_settings(context, assignments)
    typed = {assignment.partition("=")[0].strip() for assignment in assignments}
    said = [
        _Said(name, FIELD_OF.get(name, name), value, _rank(context, name), _flag(context, name))
        for name, value in dials.items()
        if value is not None
    ]
    in_file = _SOURCES.index("DEFAULT_MAP")
    said += [
        _Said(None, path, value, 0 if path in typed else in_file, f"--set {path}")
        for path, value in settings.items()
    ]
    kept: dict[str, _Said] = {}
    for one in sorted(said, key=lambda one: one.rank):
        slot = "length" if one.field in _LENGTH_FIELDS else one.field
        stronger = kept.setdefault(slot, one)
        if stronger.rank == one.rank and not stronger.agrees_with(one):
            raise UsageError(
                f"{stronger.label} and {one.label} exclude one another.", hint="Give one of them."
            )
    _drop_weaker_shape(kept)
    _drop_weaker_vocabulary(kept)
    request: dict[str, Any] = {one.dial: one.value for one in kept.values() if one.dial is not None}
    request["settings"] = {one.field: one.value for one in kept.values() if one.dial is None}
    return request


def standing_among(
    context: typer.Context, request: Mapping[str, Any], assignments: Iterable[str] | None
) -> frozenset[str]:
    """The dials and settings of a `request` from `said_request` that nobody typed."""
    typed = {assignment.partition("=")[0].strip() for assignment in assignments or ()}
    dials = {name for name in request if name != "settings" and _rank(context, name) > 0}
    return frozenset(dials | (set(request["settings"]) - typed))


@dataclass(frozen=True, slots=True)
class _Said:
    """One value and where it comes from; the lowest `rank` is the strongest place."""

    dial: str | None
    """The name of the parameter, or None for a setting."""
    field: str
    value: Any
    rank: int
    label: str

    def agrees_with(self, other: "_Said") -> bool:
        same = str(self.value) == str(other.value)
        with contextlib.suppress(TypeError, ValueError):
            same = same or float(self.value) == float(other.value)
        return self.field == other.field and same


def _drop_weaker_shape(kept: dict[str, _Said]) -> None:
    """Where preset and architecture contradict each other, only the stronger place counts."""
    preset, architecture = kept.get("preset"), kept.get(FIELD_OF["architecture"])
    if preset is None or architecture is None or preset.rank == architecture.rank:
        return
    known = PRESETS.get(str(preset.value))
    if known is None or known.architecture != str(architecture.value).replace("-", "_"):
        weaker = max(preset, architecture, key=lambda one: one.rank)
        del kept[weaker.field]


def _drop_weaker_vocabulary(kept: dict[str, _Said]) -> None:
    """A tokenizer that is not made anew says its own size: where both are said, the stronger counts."""
    tokenizer, size = kept.get("tokenizer"), kept.get(FIELD_OF["vocab_size"])
    if tokenizer is None or size is None or tokenizer.value == "bpe":
        return
    if tokenizer.rank < size.rank:
        del kept[size.field]
    elif size.rank < tokenizer.rank and tokenizer.value == "character":  # a file may be of that size
        del kept[tokenizer.field]


def said_settings(context: typer.Context, typed: Iterable[str] | None) -> dict[str, str]:
    """`section.field` settings: the tables of the file, and `--set` over them, the last one first.

    Raises UsageError for a `--set` that is not of the form section.field=value.
    """
    settings = dict(context.meta.get(_SETTINGS, {}))
    for assignment in typed or ():
        name, equals, value = assignment.partition("=")
        section, _, field = name.strip().partition(".")
        if not (equals and section and field):
            raise UsageError(
                f"'--set {assignment}' is not of the form section.field=value.",
                hint="For example: --set training.weight_decay=0.05",
            )
        settings[name.strip()] = value.strip()
    return settings


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


def _flag(context: typer.Context, name: str) -> str:
    """The long flag of a parameter, for a message."""
    flags = next((parameter.opts for parameter in context.command.params if parameter.name == name), [])
    return next((flag for flag in flags if flag.startswith("--")), name)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(names))}."
