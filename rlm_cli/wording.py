"""Turns settings and commands in messages of the core into flags and commands of `rlm`.

The core knows no flags. Its messages put a setting or a command in braces: `{model.d_model}` becomes
`--d-model`, `{training.beta2=0.9}` becomes `--set training.beta2=0.9`, and
`{resume book training.minutes=5}` becomes `rlm resume book --minutes 5`, or `.venv/bin/rlm resume …` if that
is how `rlm` was called. A run stands there by its absolute path, and becomes its name or the shortest path
that works. A command without such a path repeats the `--runs-dir` that was typed. Other text in braces
stays, and so does everything in single quotes: a message quotes the names of files and runs that way.
"""

import os
import re
import shlex
from pathlib import Path

from data.errors import RlmError
from rlm_cli.program import program, runs_dir_flag
from rlm_cli.run_reference import new_name_flags, reference_to

COMMANDS = frozenset(
    {
        "train",
        "data",
        "resume",
        "create",
        "expand",
        "chat",
        "generate",
        "solve",
        "serve",
        "watch",
        "pause",
        "stop",
    }
    | {"save", "sample", "ls", "show", "plot", "analyze", "benchmark", "trace", "verify", "doctor"}
    | {"recover-tokenizer", "export", "import", "copy", "rename", "rm", "tui", "ui"}
    | {"train-run", "train-plans"}
)
"""The commands of `rlm`. A test compares them with the registered ones."""

SETTING_FLAGS: dict[str, str] = {}
"""Flags by the dotted path of their setting. `options.env_option` fills it."""

_REQUEST_FLAGS = {
    "name": "--name",
    "preset": "--preset",
    "task": "--task",
    "mix": "--mix",
    "encoding": "--encoding",
    "filters": "--filter",
    "count": "--count",
    "tokenizer": "--tokenizer",
    "continue_run": "--continue",
    "force": "--force",
    "fresh": "--fresh",
    "replay": "--replay",
    "grow_vocab": "--grow-vocab",
    "target_parameters": "--target-params",
    "like": "--like",
    "reference": "--reference",
    "text": "--text",
    "runs_dir": "--runs-dir",
    "halt": "--halt",
    "halt_threshold": "--halt-threshold",
}
"""Flags by the name of their request field."""

_QUOTED_OR_BRACES = re.compile(
    r"""(?<![^\s(])'.*?'(?=[\s.,:;)]|$)|\{((?:'[^'\n]*'|"[^"\n]*"|[^{}'"\n])+)\}"""
)
_SETTING = re.compile(r"(?:machine|model|training)\.[a-z][a-z0-9_]*")


def in_cli_words(text: str) -> str:
    """Replace settings and commands in braces by flags and commands of `rlm`."""
    if "{" not in text:
        return text
    return _QUOTED_OR_BRACES.sub(
        lambda found: (_as_typed(_split(found[1])) if found[1] else None) or found[0], text
    )


def flag_of(field: str) -> str | None:
    """The flag of a setting (by dotted path) or of a request field, or None."""
    import rlm_cli.train_options  # noqa: F401  # importing it fills SETTING_FLAGS

    return _REQUEST_FLAGS.get(field) or SETTING_FLAGS.get(field)


def error_in_cli_words(error: RlmError) -> tuple[str, str | None]:
    """Message and hint of an error. A leading field path becomes its flag, if it has one."""
    message, flag = error.message, flag_of(error.field) if error.field is not None else None
    if flag is not None and message.startswith(f"{error.field} "):
        message = flag + message.removeprefix(str(error.field))
    return in_cli_words(message), None if error.hint is None else in_cli_words(error.hint)


def _as_typed(words: list[str]) -> str | None:
    """The words in braces as flags or a command, or None if they are neither."""
    if not words:
        return None
    if words[0] in COMMANDS:
        typed = " ".join((program(), words[0], *(_as_flag(word) or _as_argument(word) for word in words[1:])))
        return typed if _has_place(words) else typed + runs_dir_flag()
    flags = [_as_flag(word) for word in words]
    return None if None in flags else " ".join(str(flag) for flag in flags)


def _has_place(words: list[str]) -> bool:
    """Whether the command finds its run without --runs-dir: by its path, or since it takes no folder."""
    return words[0] == "benchmark" or any(os.path.isabs(word.split("=", 1)[-1]) for word in words[1:])


def _split(words: str) -> list[str]:
    """The words of a command; one in quotes may hold blanks."""
    try:
        return shlex.split(words)
    except ValueError:
        return words.split(" ")


def _as_argument(word: str) -> str:
    """The word as one types it. The core names runs by their absolute paths."""
    return shlex.quote(reference_to(Path(word)) if os.path.isabs(word) else word)


def _as_flag(word: str) -> str | None:
    """The flag for `word`, with its value if it has one; None if `word` is not a setting."""
    field, equals, value = word.partition("=")
    flag = flag_of(field)
    if field == "name" and os.path.isabs(value):
        return new_name_flags(Path(value))
    if flag is not None:
        value = _as_argument(value)
        return f"{flag} {value}" if equals else flag
    return f"--set {word}" if _SETTING.fullmatch(field) else None
