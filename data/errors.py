"""The root of the error tree: one sentence, one next step.

The lowest layer owns it so that every layer above can raise and catch it. A front end maps
classes to exit codes; nothing here knows about exit codes or terminals.
"""


class RlmError(Exception):
    """Something the user can act on.

    `message` is one sentence. `hint` is the next step, or None where there is none to give. `field` is
    the dotted path of the setting (`model.d_model`) or the name of the request's field that the error is
    about, or None. Settings and commands stand in braces, and a front end puts its own words for them:
    `{model.d_model}`, `{resume book training.minutes=5}`.
    """

    def __init__(self, message: str, *, hint: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field


class UsageError(RlmError):
    """What was typed or configured cannot be meant: an unknown name, a value out of range."""


class CorpusError(RlmError):
    """The text cannot be trained on as it is."""


class TokenizerError(RlmError):
    """A tokenizer file is missing, damaged, or does not belong to these weights."""
