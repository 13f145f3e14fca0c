"""Errors that a user can act on: one sentence, and the next step.

They are in the lowest layer so that every layer can raise and catch them. A front end maps the classes to
exit codes.
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
    """A wrong input or setting, such as an unknown name or a value out of range."""


class CorpusError(RlmError):
    """A text that cannot be trained on as it is."""


class TokenizerError(RlmError):
    """A tokenizer file is missing, damaged, or does not belong to these weights."""


class StorageError(RlmError):
    """The disk is full or cannot be written; what was saved before is intact."""
