"""Exports a conversation to a file."""

import os
from pathlib import Path

from data.errors import UsageError
from models.generation.chat_session import ChatSession
from models.generation.conversation import write_private

_FORMS = {".md": "md", ".markdown": "md", ".txt": "md", ".jsonl": "jsonl"}
"""Forms by the ending of a file name."""


def export(session: ChatSession, argument: str) -> Path:
    """Write the conversation and return the file. `argument` is `[md|jsonl] [FILE]`.

    Without FILE, the file is beside the saved conversation and replaces an earlier export. An existing
    FILE is never overwritten. Without a form, the ending of FILE gives it. Raises UsageError, StorageError.
    """
    conversation = session.conversation
    if not conversation.turns:
        raise UsageError("There is nothing to export yet.")
    form, file = _form_and_file(argument)
    path = _new_file(file) if file else _file_beside(session, form)
    content = conversation.to_markdown() if form == "md" else conversation.to_jsonl()
    try:
        return write_private(path, content, f"'{path}'")
    except ValueError as error:  # a zero byte, or a character that file names cannot contain
        raise UsageError(f"'{path}' is not a valid file name.") from error


def _form_and_file(argument: str) -> tuple[str, str]:
    """The form, and FILE or "". Raises UsageError where neither a word nor an ending gives the form."""
    form, _, rest = argument.partition(" ")
    if form not in ("", "md", "jsonl"):
        ending, rest = os.path.splitext(argument.strip())[1].lower(), argument
        if ending not in _FORMS:
            raise UsageError(
                "A conversation is exported as md or jsonl.",
                hint=f"Say which: /export md {argument}, /export jsonl {argument}",
            )
        form = _FORMS[ending]
    return form or "md", rest.strip()


def _new_file(file: str) -> Path:
    """The path of FILE. Raises UsageError where there is one already."""
    # Path.expanduser and Path.exists raise for an unknown user or an invalid name; these do not.
    path = Path(os.path.expanduser(file))
    if path.parts[0].startswith("~"):
        raise UsageError(
            f"There is no user '{path.parts[0][1:]}'.", hint="For a file of that name: /export ./~FILE"
        )
    if os.path.lexists(path):
        raise UsageError(f"'{path}' already exists.", hint="Give another name: /export FILE")
    return path


def _file_beside(session: ChatSession, form: str) -> Path:
    """The path beside the saved conversation. Raises UsageError where the chat is not saved."""
    if session.store is None:
        raise UsageError("This chat has no folder.", hint="Give a file: /export FILE")
    return session.store.path(session.conversation.name, f".{form}")
