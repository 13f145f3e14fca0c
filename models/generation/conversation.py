"""A conversation: its turns, its settings, and the forms it is kept in. Torch-free."""

import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.document import Message
from data.errors import RlmError, UsageError
from data.safe_text import safe_text
from models.generation.chat_settings import ChatSettings
from models.generation.prompt import Kind
from models.storage import TEMPORARY_PREFIX, read_bounded, storing

FORMAT_VERSION = 1
MAX_FILE_BYTES = 64 * 2**20
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


@dataclass(slots=True)
class Conversation:
    """What was said, by whom, and with which settings."""

    name: str
    run: str
    kind: Kind
    created: float = field(default_factory=time.time)
    system: str = ""
    turns: list[Message] = field(default_factory=list)
    settings: ChatSettings = field(default_factory=ChatSettings)

    def last(self, role: str) -> str | None:
        """The content of the last turn of `role`, or None."""
        return next((turn.content for turn in reversed(self.turns) if turn.role == role), None)

    def undo(self) -> str | None:
        """Take back the last message of the user and what came after it; the message, or None."""
        for i in range(len(self.turns) - 1, -1, -1):
            if self.turns[i].role == "user":
                message = self.turns[i].content
                del self.turns[i:]
                return message
        return None

    def messages(self) -> list[Message]:
        """All of it, the system message first."""
        return [Message("system", self.system)] * bool(self.system) + self.turns

    def to_json(self) -> str:
        """The saved form: one JSON object, ASCII."""
        return json.dumps(
            {
                "format_version": FORMAT_VERSION,
                "name": self.name,
                "run": self.run,
                "kind": self.kind,
                "created": self.created,
                "system": self.system,
                "settings": self.settings.to_dict(),
                "turns": _listed(self.turns),
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> "Conversation":
        """What `to_json` wrote. RlmError for anything else; unknown keys are ignored."""
        try:
            return cls._from_content(json.loads(text))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RlmError("This is not a saved conversation.") from error

    @classmethod
    def _from_content(cls, content: Mapping[str, Any]) -> "Conversation":
        if content["format_version"] > FORMAT_VERSION:
            raise RlmError("This conversation was saved by a later version of rlm.", hint="Update rlm.")
        turns = [Message(turn["role"], turn["content"]) for turn in content["turns"]]
        texts = [content["name"], content["run"], content["system"], *(turn.content for turn in turns)]
        roles_known = all(turn.role in ("user", "assistant") for turn in turns)
        if not (all(isinstance(text, str) for text in texts) and roles_known):
            raise ValueError("not a conversation")
        return cls(
            name=content["name"],
            run=content["run"],
            kind=content["kind"] if content["kind"] in ("documents", "messages") else "text",
            created=float(content["created"]),
            system=content["system"],
            turns=turns,
            settings=ChatSettings.from_dict(content["settings"]),
        )

    def to_markdown(self) -> str:
        """For reading: control characters are drawn."""
        speakers = {"system": "System", "user": "You", "assistant": self.run}
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.created))
        parts = [f"# Conversation with {self.run}", f"{day}, mode {self.settings.mode}"]
        for message in self.messages():
            parts += [f"## {speakers[message.role]}", message.content.strip("\n")]
        return safe_text("\n\n".join(parts) + "\n")

    def to_jsonl(self) -> str:
        """One line, `{"messages": […]}`, as `rlm train` reads it; the content is exact."""
        return json.dumps({"messages": _listed(self.messages())}) + "\n"


class ConversationStore:
    """Conversations as files of one folder, for the owner's eyes only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new_name(self) -> str:
        """A name not yet used: when it began."""
        name = time.strftime("%Y%m%d-%H%M%S")
        return name if not self.path(name).exists() else f"{name}-{secrets.token_hex(2)}"

    def path(self, name: str, suffix: str = ".json") -> Path:
        """Where `name` is kept. UsageError for a name that could lead elsewhere."""
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"'{name}' is not a name for a conversation.",
                hint="Use 1 to 64 letters, digits, '.', '_' or '-', not beginning with '.'.",
            )
        return self.folder / f"{name}{suffix}"

    def save(self, conversation: Conversation) -> Path:
        """Write the conversation, whole or not at all, mode 0600. StorageError where that fails."""
        return write_private(self.path(conversation.name), conversation.to_json(), "the conversation")

    def load(self, name: str) -> Conversation:
        """The conversation saved as `name`. UsageError with the names there are if it is not there."""
        path = self.path(name)
        try:
            conversation = Conversation.from_json(read_bounded(path, MAX_FILE_BYTES).decode("utf-8"))
        except FileNotFoundError:
            names = ", ".join(self.names()[:8])
            raise UsageError(
                f"There is no conversation '{name}'.", hint=f"There are: {names}." if names else None
            ) from None
        except (RlmError, UnicodeDecodeError) as error:
            raise RlmError(f"The conversation '{name}' is damaged.", hint=f"It is kept in {path}.") from error
        conversation.name = name  # the file's name is what counts
        return conversation

    def names(self) -> list[str]:
        """The saved conversations, the one last changed first."""
        found = []
        try:
            for entry in os.scandir(self.folder):
                name = entry.name.removesuffix(".json")
                if name != entry.name and _NAME.fullmatch(name) and entry.is_file(follow_symlinks=False):
                    found.append((-entry.stat().st_mtime_ns, name))
        except OSError:
            return []
        return [name for _, name in sorted(found)]


def write_private(path: Path, text: str, what: str) -> Path:
    """Write `text` to `path`, whole or not at all, readable by its owner alone. Raises StorageError."""
    with storing(what):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY_PREFIX)  # made 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    return path


def _listed(messages: list[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]
