"""Errors of the command line's parser in our words: the flag or variable, its value, and what it must be."""

import os
import re
from collections.abc import Mapping
from typing import Any

import typer

from data.errors import UsageError
from rlm_cli.program import program

_NAMES = {"int": "a whole number", "float": "a number", "finite": "a number", "bool": "true or false"}
_BOUNDS = {"ge": "{} or more", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}
_PATH = re.compile(r"(?:dir|file|path) (?P<path>'.*') is (?P<what>a file|a directory|not readable)\.", re.S)
_PATH_WORDS = {
    "a file": "which is a file and no folder",
    "a directory": "which is a folder and no file",
    "not readable": "which cannot be read",
}


def usage_error(error: typer.TyperException) -> UsageError:
    """An error of the parser as a UsageError with a hint."""
    context: Any = getattr(error, "ctx", None)
    # The parser is told "rlm" for the sake of shell completion.
    command = program() + (context.command_path.removeprefix("rlm") if context is not None else "")
    message = _value_message(error, context) or error.format_message().strip()
    sentence = message if message.endswith((".", "?", ")")) else message + "."
    return UsageError(sentence, hint=f"See: {command} --help")


def _value_message(error: typer.TyperException, context: Any) -> str | None:
    """The message about a value of the wrong type or out of bounds. None for other errors."""
    details = getattr(error.__cause__, "errors", None)
    parameter: Any = getattr(error, "param", None)
    if parameter is None or context is None:
        return None
    label = _label(parameter, context)
    if path := _PATH.fullmatch(str(getattr(error, "message", ""))):
        return f"{label} is {path['path']}, {_PATH_WORDS[path['what']]}."
    if not callable(details):
        return None
    found: Mapping[str, Any] = details()[0]
    value = str(found["input"])
    shown = value if len(value) <= 60 else f"{value[:60]}..."
    for bound, words in _BOUNDS.items():
        if bound in found.get("ctx", {}):
            return f"{label} is {shown}; it must be {words.format(found['ctx'][bound])}."
    name = _NAMES.get(str(found["type"]).partition("_")[0])
    if name is not None:
        return f"{label} is '{shown}', which is not {name}."
    # The validator's own sentence, which for a choice begins with the value again.
    reason = str(found.get("ctx", {}).get("error", found["msg"])).strip(".")
    if reason.startswith(again := f"{value!r} is "):
        return f"{label} is '{shown}', which is {reason.removeprefix(again)}."
    return f"{label} is '{shown}': {reason}."


def _label(parameter: Any, context: Any) -> str:
    """What the user set: the variable, the key of the file, or the flag."""
    flag = next((flag for flag in parameter.opts if flag.startswith("--")), str(parameter.name).upper())
    source = context.get_parameter_source(parameter.name)
    match getattr(source, "name", None):
        case "ENVIRONMENT":
            names = [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or []
            return next((name for name in names if os.environ.get(name)), flag)
        case "DEFAULT_MAP":
            return f"{flag.removeprefix('--')} in the --config file"
    return str(flag)
