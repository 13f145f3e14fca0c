"""A conversation written to a file, as the user named it."""

import os
from pathlib import Path

from data.errors import UsageError
from models.generation.chat_session import ChatSession
from models.generation.conversation import write_private


def export(session: ChatSession, argument: str) -> Path:
    """Write the conversation as `[md|jsonl] [FILE]` says; where it went.

    Without FILE it goes beside the saved conversation, in the place of an earlier export. A FILE
    that is there is never written over. Raises UsageError, StorageError.
    """
    conversation = session.conversation
    if not conversation.turns:
        raise UsageError("There is nothing to export yet.")
    form, _, rest = argument.partition(" ")
    if form not in ("md", "jsonl"):
        form, rest = ("jsonl" if argument.endswith(".jsonl") else "md"), argument
    if rest.strip():
        # Not Path.expanduser and Path.exists: they raise for a user or a name that cannot be.
        path = Path(os.path.expanduser(rest.strip()))
        if path.parts[0].startswith("~"):
            raise UsageError(
                f"There is no user '{path.parts[0][1:]}'.", hint="A file of that name: /export ./~FILE"
            )
        if os.path.lexists(path):
            raise UsageError(f"'{path}' is there already.", hint="Give another name: /export FILE")
    elif session.store is not None:
        path = session.store.path(conversation.name, f".{form}")
    else:
        raise UsageError("This chat has no folder of its own.", hint="Give a file: /export FILE")
    content = conversation.to_markdown() if form == "md" else conversation.to_jsonl()
    try:
        return write_private(path, content, f"'{path}'")
    except ValueError as error:  # a zero byte, or a character no file name can hold
        raise UsageError(f"'{path}' cannot be the name of a file.") from error
