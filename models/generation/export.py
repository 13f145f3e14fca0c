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
    form, _, rest = argument.partition(" ")
    if form not in ("", "md", "jsonl"):
        ending, rest = os.path.splitext(argument.strip())[1].lower(), argument
        if ending not in _FORMS:
            raise UsageError(
                "A conversation is exported as md or jsonl.",
                hint=f"Say which: /export md {argument}, /export jsonl {argument}",
            )
        form = _FORMS[ending]
    form = form or "md"
    if rest.strip():
        # Path.expanduser and Path.exists raise for an unknown user or an invalid name; these do not.
        path = Path(os.path.expanduser(rest.strip()))
        if path.parts[0].startswith("~"):
            raise UsageError(
                f"There is no user '{path.parts[0][1:]}'.", hint="For a file of that name: /export ./~FILE"
            )
        if os.path.lexists(path):
            raise UsageError(f"'{path}' already exists.", hint="Give another name: /export FILE")
    elif session.store is not None:
        path = session.store.path(conversation.name, f".{form}")
    else:
        raise UsageError("This chat has no folder.", hint="Give a file: /export FILE")
    content = conversation.to_markdown() if form == "md" else conversation.to_jsonl()
    try:
        return write_private(path, content, f"'{path}'")
    except ValueError as error:  # a zero byte, or a character that file names cannot contain
        raise UsageError(f"'{path}' is not a valid file name.") from error
