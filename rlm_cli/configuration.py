"""Where a dial's value comes from: typed, environment, `--config` file, or not said at all.

The file becomes the parser's own table of defaults, so that its values are checked like typed
ones. What remains is to settle dials that exclude one another by the same order.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from data.errors import UsageError

_SETTINGS = "rlm_cli.settings"  # where a context keeps the tables of the file
_SOURCES = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP")  # the parser's names, the strongest first


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


def said_dials(
    context: typer.Context, dials: Mapping[str, Any], exclusive: Sequence[str] = ()
) -> dict[str, Any]:
    """The dials that were said somewhere: those of `dials` (name to value) that are not None.

    At most one of `exclusive` comes back: one that was typed displaces one from the environment,
    and either displaces one from the file. Two from the same place: UsageError.
    """
    said = {name: value for name, value in dials.items() if value is not None}
    rivals = {name: _rank(context, name) for name in exclusive if name in said}
    strongest = [name for name, rank in rivals.items() if rank == min(rivals.values())]
    if len(strongest) > 1:
        flags = " and ".join("--" + name.replace("_", "-") for name in strongest)
        raise UsageError(f"{flags} exclude one another.", hint="Give one of them.")
    return {name: value for name, value in said.items() if name not in rivals or name in strongest}


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


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(names))}."
