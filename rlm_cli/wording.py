"""Words of the core as a person at a terminal types them.

The core names no flag. Where a sentence needs one, a setting or a command stands in braces:
`{model.d_model}` becomes `--d-model`, `{training.beta2=0.9}` becomes `--set training.beta2=0.9`, and
`{resume book training.minutes=5}` becomes `rlm resume book --minutes 5`. Braces with anything else in
them are somebody's own and stay.
"""

import re

from data.errors import RlmError

COMMANDS = frozenset(
    {"train", "resume", "create", "expand", "chat", "generate", "solve", "pause", "stop", "save", "sample"}
    | {"ls", "show", "doctor", "recover-tokenizer"}
)
"""The words that `rlm` begins with; a test holds them to those that are registered."""

SETTING_FLAGS: dict[str, str] = {}
"""The flag of each setting that has one, by its dotted path. `options.dial` fills it."""

_REQUEST_FLAGS = {
    "name": "--name",
    "preset": "--preset",
    "task": "--task",
    "count": "--count",
    "tokenizer": "--tokenizer",
    "continue_run": "--continue",
    "fresh": "--fresh",
    "replay": "--replay",
    "grow_vocab": "--grow-vocab",
    "target_parameters": "--target-params",
    "like": "--like",
    "halt": "--halt",
    "halt_threshold": "--halt-threshold",
}
"""The flags of what is no setting of a model or a training."""

_BRACES = re.compile(r"\{([^{}\n]+)\}")
_SETTING = re.compile(r"(?:model|training)\.[a-z][a-z0-9_]*")


def in_cli_words(text: str) -> str:
    """`text` with flags and commands of `rlm` for what stands in braces."""
    return _BRACES.sub(lambda found: _worded(found[1].split(" ")) or found[0], text) if "{" in text else text


def flag_of(field: str) -> str | None:
    """The flag of a setting by its dotted path, or of a field of a request; None where it has none."""
    import rlm_cli.train_options  # noqa: F401  # it and what it imports fill SETTING_FLAGS

    return _REQUEST_FLAGS.get(field) or SETTING_FLAGS.get(field)


def error_in_cli_words(error: RlmError) -> tuple[str, str | None]:
    """Message and hint of an error. A setting that has a flag is called by it, and not by its path."""
    message, flag = error.message, flag_of(error.field) if error.field is not None else None
    if flag is not None and message.startswith(f"{error.field} "):
        message = flag + message.removeprefix(str(error.field))
    return in_cli_words(message), None if error.hint is None else in_cli_words(error.hint)


def _worded(words: list[str]) -> str | None:
    """The words in braces as they are typed, or None where they are none of ours."""
    if words[0] in COMMANDS:
        return " ".join(("rlm", words[0], *(_as_flag(word) or word for word in words[1:])))
    flags = [_as_flag(word) for word in words]
    return None if None in flags else " ".join(str(flag) for flag in flags)


def _as_flag(word: str) -> str | None:
    """A flag, with its value where `word` has one; None where `word` is no setting."""
    field, equals, value = word.partition("=")
    flag = flag_of(field)
    if flag is not None:
        return f"{flag} {value}" if equals else flag
    return f"--set {word}" if _SETTING.fullmatch(field) else None
