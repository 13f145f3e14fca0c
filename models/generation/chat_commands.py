"""The commands of a chat: one table for every front end, and how a typed line is read.

A command works with a slash always, and without one where the line can hardly be meant as text:
`mode deep`, `temp 0.8`, `undo`. A line that starts with a space or with two slashes is text,
whatever it says. Torch-free.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from data.errors import UsageError
from models.generation.settings import MAX_SEED
from models.recursion import MODES


@dataclass(frozen=True, slots=True)
class Command:
    """One command as typed. `value` is its parsed argument, None where there was none."""

    name: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One row of the table."""

    name: str
    argument: str
    """How the argument is written in the help; empty where there is none."""

    summary: str
    read: Callable[[str], Any]
    """Turns the argument into a value, or raises UsageError. Never given an empty string."""

    aliases: tuple[str, ...] = ()
    strict: bool = False
    """The argument has a form that plain text hardly has, so the slash may be left out."""


def parse_line(line: str) -> Command | str:
    """The command a line is, or else the text to send.

    Raises UsageError for a slash command that does not exist, with the nearest one, and for an
    argument that cannot be meant.
    """
    if line.startswith("//"):
        return line[1:]
    if line.startswith(" "):
        return line
    if line.startswith("/"):
        word, _, rest = line[1:].strip().partition(" ")
        return _read(_spec(word), rest.strip())
    word, _, rest = line.strip().partition(" ")
    spec = COMMANDS.get("quit" if word == "exit" else word)
    if spec is None or (rest and not _means_argument(spec, rest.strip())):
        return line
    return _read(spec, rest.strip())


def help_rows() -> list[tuple[str, str]]:
    """Usage and summary of every command, in the order of the table."""
    return [(f"/{spec.name} {spec.argument}".rstrip(), spec.summary) for spec in COMMANDS.values()]


def complete(start: str) -> list[tuple[str, str]]:
    """What a line that begins with a slash may go on as, with summaries."""
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
    # Letters in the wrong order are the commonest slip: /mdoe is mode, and not more.
    near = [name for name in names if sorted(name) == sorted(word)]
    near = near or difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"Did you mean {prefix}{near[0]}? " if near else ""


def _read(spec: CommandSpec, argument: str) -> Command:
    if argument and not spec.argument:
        raise UsageError(f"/{spec.name} takes no argument.", hint="/help lists the commands.")
    if not argument:
        return Command(spec.name)
    return Command(spec.name, spec.read(argument))


def _means_argument(spec: CommandSpec, argument: str) -> bool:
    """Whether `argument` after a bare word makes the line a command, even a mistaken one."""
    if not spec.strict or len(argument.split()) != 1:
        return False
    try:
        spec.read(argument)
    except UsageError:
        # `temp 9` and `mode dep` are commands with a slip; `max power` is text.
        return _is_number(argument) or (spec.name == "mode" and bool(_nearest(argument, MODES)))
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(name: str, low: float, high: float, *also: float) -> Callable[[str], float]:
    def read(argument: str) -> float:
        try:
            value = float(argument)
        except ValueError:
            raise UsageError(f"/{name} needs a number, not '{argument}'.") from None
        if not (low <= value <= high or value in also):
            extra = "".join(f" or {value:g}" for value in also)
            raise UsageError(f"/{name} {argument} is out of range.", hint=f"From {low:g} to {high:g}{extra}.")
        return value

    return read


def _whole(name: str, low: int, high: int = 10**9) -> Callable[[str], int]:
    def read(argument: str) -> int:
        try:
            value = int(argument)
        except ValueError:
            raise UsageError(f"/{name} needs a whole number, not '{argument}'.") from None
        if not low <= value <= high:
            raise UsageError(f"/{name} {argument} is out of range.", hint=f"From {low} to {high}.")
        return value

    return read


def _seed(argument: str) -> int | str:
    return "off" if argument.lower() in ("off", "none", "random") else _whole("seed", 0, MAX_SEED)(argument)


def _mode(argument: str) -> str:
    if argument.lower() in MODES:
        return argument.lower()
    raise UsageError(
        f"There is no mode '{argument}'.",
        hint=_nearest(argument.lower(), MODES) + f"Modes: {', '.join(MODES)}.",
    )


def _halt(argument: str) -> bool | float:
    return _switch(argument) if argument.lower() in ("on", "off") else _number("halt", 0.0, 1.0)(argument)


def _switch(argument: str) -> bool:
    if argument.lower() in ("on", "off"):
        return argument.lower() == "on"
    raise UsageError(f"'{argument}' is neither on nor off.")


_TABLE = (
    CommandSpec("mode", "NAME", "how long it thinks about a token: " + ", ".join(MODES), _mode, strict=True),
    CommandSpec(
        "temp", "T", "temperature, 0.1 to 2.0; 0 always takes the likeliest token",
        _number("temp", 0.1, 2.0, 0), ("temperature",), strict=True,
    ),
    CommandSpec("topk", "K", "sample among the K likeliest tokens; 0 is off",
                _whole("topk", 0), ("top-k", "top_k"), strict=True),
    CommandSpec("topp", "P", "sample among the fewest tokens that hold P of the probability; 1 is off",
                _number("topp", 0.01, 1.0), ("top-p", "top_p"), strict=True),
    CommandSpec("minp", "P", "drop tokens below P of the likeliest one's probability; 0 is off",
                _number("minp", 0.0, 1.0), ("min-p", "min_p"), strict=True),
    CommandSpec("penalty", "X", "make tokens that were used less likely; 1 is off",
                _number("penalty", 0.5, 5.0), ("repetition",), strict=True),
    CommandSpec("ngram", "N", "never repeat N tokens in a row; 0 is off",
                _whole("ngram", 0, 1000), strict=True),
    CommandSpec("seed", "N|off", "same seed, same answer", _seed, strict=True),
    CommandSpec("halt", "on|off|T", "leave the recursion once it is sure enough, T from 0 to 1",
                _halt, strict=True),
    CommandSpec("max", "N", "longest answer, in tokens", _whole("max", 1), ("max-tokens",), strict=True),
    CommandSpec("interactive", "", "show the answer as it is written", str, ("stream",)),
    CommandSpec("batch", "", "show the answer when it is complete", str),
    CommandSpec("natural", "", "end the answer with its first sentence", str),
    CommandSpec("unlimited", "", "no end but the model's own, or Esc", str),
    CommandSpec("status", "", "the model, the settings, the context", str, ("settings",)),
    CommandSpec("clear", "", "start a new conversation; the old one stays saved", str, ("reset", "new")),
    CommandSpec("history", "", "the conversation so far", str),
    CommandSpec("retry", "", "answer the last message again", str, ("regenerate",)),
    CommandSpec("undo", "", "take back the last message and its answer", str),
    CommandSpec("edit", "[TEXT]", "change the last message and send it again", str),
    CommandSpec("continue", "", "go on where the last answer ended", str, ("more",)),
    CommandSpec("system", "[TEXT|off]", "instructions that stay in front of the conversation", str),
    CommandSpec("save", "[NAME]", "save the conversation, under a name of its own", str),
    CommandSpec("load", "[NAME]", "go on with a saved conversation; without NAME, list them", str),
    CommandSpec("export", "[md|jsonl] [FILE]", "write the conversation: to read, or to train on", str),
    CommandSpec("copy", "", "copy the last answer to the clipboard", str),
    CommandSpec("compare", "[TEXT]", "the same prompt at every mode, without keeping the answers", str),
    CommandSpec("debug", "[on|off]", "token by token: id, text, probability, passes", _switch, strict=True),
    CommandSpec("help", "", "this table", str, ("?", "h")),
    CommandSpec("quit", "", "leave; the conversation is saved", str, ("exit", "q", "bye")),
)  # fmt: skip

COMMANDS: Mapping[str, CommandSpec] = MappingProxyType({spec.name: spec for spec in _TABLE})
_ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: spec.name for spec in _TABLE for alias in spec.aliases}
)
