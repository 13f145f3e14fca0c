"""The root of the error tree: one sentence, one next step.

The lowest layer owns it so that every layer above can raise and catch it. A front end maps
classes to exit codes; nothing here knows about exit codes or terminals.
"""


class RlmError(Exception):
    """Something the user can act on.

    `message` is one sentence. `hint` is the next step, or None where there is none to give.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RlmError):
    """What was typed or configured cannot be meant: an unknown name, a value out of range."""


class CorpusError(RlmError):
    """The text cannot be trained on as it is."""


class TokenizerError(RlmError):
    """A tokenizer file is missing, damaged, or does not belong to these weights."""


class StorageError(RlmError):
    """The disk is full or cannot be written; what was saved before is intact."""
