"""The table of chat commands, and the parser of a typed line. Every front end uses both. Torch-free.

A command may always begin with a slash. The slash may be left out where the line is hardly text:
`mode deep`, `deep`, `temp 0.8`, `undo`. A line that starts with a space or with two slashes is always text.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from data.errors import UsageError
from models.depth import AUTO_MODE, MODES
from models.generation.settings import MAX_SEED, PENALTIES, TEMPERATURES, TOP_PS

_NO_LIMIT = 10**9
"""The limit of an integer that needs none; larger numbers are refused."""


@dataclass(frozen=True, slots=True)
class Command:
    """A parsed command. `value` is its argument, or None without one."""

    name: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One row of the table."""

    name: str
    argument: str
    """The argument as the help shows it; empty if the command takes none."""

    summary: str
    parse: Callable[[str], Any]
    """Turns a non-empty argument into a value. Raises UsageError."""

    aliases: tuple[str, ...] = ()
    slash_optional: bool = False
    """Whether a line with an argument needs no slash, because plain text hardly has that form."""


def parse_line(line: str) -> Command | str:
    """The command in a line, or else the text to send.

    Raises UsageError for an unknown slash command, with the nearest name, and for an invalid argument.
    """
    if line.startswith("//"):
        return line[1:]
    if line.startswith(" "):
        return line
    if line.startswith("/"):
        word, _, rest = line[1:].strip().partition(" ")
        return _parse(_spec(word), rest.strip())
    word, _, rest = line.strip().partition(" ")
    if not rest and word.lower() in MODES:
        return Command("mode", word.lower())
    spec = COMMANDS.get("quit" if word == "exit" else word)
    if spec is None or (rest and not _is_likely_argument(spec, rest.strip())):
        return line
    return _parse(spec, rest.strip())


def help_rows() -> list[tuple[str, str]]:
    """Usage and summary of every command, in the order of the table."""
    return [(f"/{spec.name} {spec.argument}".rstrip(), spec.summary) for spec in COMMANDS.values()]


def complete(start: str) -> list[tuple[str, str]]:
    """Completions of a line that begins with a slash, each with its summary."""
    word, space, rest = start.removeprefix("/").partition(" ")
    if space:
        return [(f"/mode {mode}", str(depth)) for mode, depth in MODES.items()
                if word == "mode" and mode.startswith(rest)]  # fmt: skip
    return [(f"/{spec.name}", spec.summary) for spec in COMMANDS.values() if spec.name.startswith(word)]


def _spec(word: str) -> CommandSpec:
    name = word.lower()
    if name in COMMANDS:
        return COMMANDS[name]
    if name in _ALIASES:
        return COMMANDS[_ALIASES[name]]
    raise UsageError(
        f"There is no command '/{word}'.",
        hint=_nearest(name, [*COMMANDS, *_ALIASES], "/")
        + "/help lists them; a line starting with // is sent as text.",
    )


def _nearest(word: str, names: Iterable[str], prefix: str = "") -> str:
    names = list(names)
    # Swapped letters are the most common mistake: /mdoe means mode, not more.
    near = [name for name in names if sorted(name) == sorted(word)]
    near = near or difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"Did you mean {prefix}{near[0]}? " if near else ""


def _parse(spec: CommandSpec, argument: str) -> Command:
    if argument and not spec.argument:
        raise UsageError(f"/{spec.name} takes no argument.", hint="/help lists the commands.")
    if not argument:
        return Command(spec.name)
    return Command(spec.name, spec.parse(argument))


def _is_likely_argument(spec: CommandSpec, argument: str) -> bool:
    """Whether a line without a slash is a command, judged by its argument. The value may be invalid."""
    if not spec.slash_optional or len(argument.split()) != 1:
        return False
    try:
        spec.parse(argument)
    except UsageError:
        # `temp 9` and `mode dep` are commands with a mistake; `max power` is text.
        return _is_number(argument) or (spec.name == "mode" and bool(_nearest(argument, MODES)))
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(name: str, low: float, high: float) -> Callable[[str], float]:
    def parse(argument: str) -> float:
        try:
            value = float(argument)
        except ValueError:
            raise UsageError(f"/{name} needs a number, not '{argument}'.") from None
        if not low <= value <= high:
            raise UsageError(f"/{name} {argument} is out of range.", hint=f"From {low:g} to {high:g}.")
        return value

    return parse


def _integer(name: str, low: int, high: int = _NO_LIMIT) -> Callable[[str], int]:
    def parse(argument: str) -> int:
        try:
            value = int(argument)
        except ValueError:
            raise UsageError(f"/{name} needs a whole number, not '{argument}'.") from None
        if not low <= value <= high:
            hint = f"{low} or more." if high == _NO_LIMIT else f"From {low} to {high}."
            raise UsageError(f"/{name} {argument} is out of range.", hint=hint)
        return value

    return parse


def _seed(argument: str) -> int | str:
    return "off" if argument.lower() in ("off", "none", "random") else _integer("seed", 0, MAX_SEED)(argument)


def _mode(argument: str) -> str:
    if argument.lower() in (*MODES, AUTO_MODE):
        return argument.lower()
    raise UsageError(
        f"There is no mode '{argument}'.",
        hint=_nearest(argument.lower(), MODES) + f"Modes: {', '.join(MODES)}; auto is the best measured.",
    )


def _halt(argument: str) -> bool | float:
    return _switch(argument) if argument.lower() in ("on", "off") else _number("halt", 0.0, 1.0)(argument)


def _switch(argument: str) -> bool:
    if argument.lower() in ("on", "off"):
        return argument.lower() == "on"
    raise UsageError(f"'{argument}' is not on or off.")


_TABLE = (
    CommandSpec("mode", "NAME", f"how long it thinks about each token: {', '.join(MODES)}, or auto",
                _mode, slash_optional=True),
    CommandSpec(
        "temp", "T", "temperature, such as 0.8; 0 always takes the likeliest token",
        _number("temp", *TEMPERATURES), ("temperature",), slash_optional=True,
    ),
    CommandSpec("topk", "K", "sample among the K likeliest tokens; 0 is off",
                _integer("topk", 0), ("top-k", "top_k"), slash_optional=True),
    CommandSpec("topp", "P", "sample among the fewest tokens that hold P of the probability; 1 is off",
                _number("topp", *TOP_PS), ("top-p", "top_p"), slash_optional=True),
    CommandSpec("minp", "P", "drop tokens below P of the likeliest one's probability; 0 is off",
                _number("minp", 0.0, 1.0), ("min-p", "min_p"), slash_optional=True),
    CommandSpec("penalty", "X", "make tokens already used less likely; 1 is off",
                _number("penalty", *PENALTIES), ("repetition",), slash_optional=True),
    CommandSpec("ngram", "N", "never repeat N tokens in a row; 0 is off",
                _integer("ngram", 0), slash_optional=True),
    CommandSpec("seed", "N|off", "same seed, same answer", _seed, slash_optional=True),
    CommandSpec("halt", "on|off|T", "stop recursing on a token once it is sure enough, T from 0 to 1",
                _halt, slash_optional=True),
    CommandSpec("max", "N", "longest answer, in tokens",
                _integer("max", 1), ("max-tokens",), slash_optional=True),
    CommandSpec("interactive", "", "show the answer as it is written", str, ("stream",)),
    CommandSpec("batch", "", "show the answer when it is complete", str),
    CommandSpec("natural", "", "end the answer with its first sentence", str),
    CommandSpec("unlimited", "", "no length limit; Esc stops the answer", str),
    CommandSpec("status", "", "the model, the settings, the context", str, ("settings",)),
    CommandSpec("clear", "", "start a new conversation; the old one is saved", str, ("reset", "new")),
    CommandSpec("history", "", "the conversation so far", str),
    CommandSpec("retry", "", "answer the last message again", str, ("regenerate",)),
    CommandSpec("undo", "", "remove the last message and its answer", str),
    CommandSpec("edit", "[TEXT]", "change the last message and send it again", str),
    CommandSpec("continue", "", "continue the last answer", str, ("more",)),
    CommandSpec("system", "[TEXT|off]", "instructions at the start of the conversation", str),
    CommandSpec("save", "[NAME]", "save the conversation, under NAME if given", str),
    CommandSpec("load", "[NAME]", "continue a saved conversation; without NAME, list them", str),
    CommandSpec("export", "[md|jsonl] [FILE]", "write the conversation: md to read, jsonl to train on", str),
    CommandSpec("copy", "", "copy the last answer to the clipboard", str),
    CommandSpec("compare", "[MODES] [TEXT]", "answer a prompt at these modes or all; nothing is saved", str),
    CommandSpec("debug", "[on|off]", "show each token: id, text, probability, passes",
                _switch, slash_optional=True),
    CommandSpec("help", "", "this table", str, ("?", "h")),
    CommandSpec("quit", "", "leave; the conversation is saved", str, ("exit", "q", "bye")),
)  # fmt: skip

COMMANDS: Mapping[str, CommandSpec] = MappingProxyType({spec.name: spec for spec in _TABLE})
_ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: spec.name for spec in _TABLE for alias in spec.aliases}
)
