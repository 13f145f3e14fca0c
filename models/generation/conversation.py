"""A conversation: its turns, its settings, and its file formats. Torch-free."""

import contextlib
import json
import os
import re
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.document import Message
from data.errors import RlmError, UsageError
from data.safe_text import safe_text
from data.storage import replace_file, storing, write_file
from models.generation.chat_settings import ChatSettings
from models.generation.prompt import Kind
from models.runs.read_files import read_bounded

FORMAT_VERSION = 1
MAX_FILE_BYTES = 64 * 2**20
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_LAST_SECOND = 253402300799  # end of the year 9999, the last one datetime can represent


@dataclass(slots=True)
class Conversation:
    """The turns of one chat, with the settings it used."""

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

    @property
    def exchanges(self) -> int:
        """Messages of the user, each with its answer."""
        return sum(turn.role == "user" for turn in self.turns)

    def undo(self) -> str | None:
        """Remove the last user message and everything after it. Returns the message, or None."""
        for i in range(len(self.turns) - 1, -1, -1):
            if self.turns[i].role == "user":
                message = self.turns[i].content
                del self.turns[i:]
                return message
        return None

    def messages(self) -> list[Message]:
        """All messages, the system message first."""
        return [Message("system", self.system)] * bool(self.system) + self.turns

    def to_json(self) -> str:
        """The content of the saved file: one JSON object, ASCII."""
        return json.dumps(
            {
                "format_version": FORMAT_VERSION,
                "name": self.name,
                "run": self.run,
                "kind": self.kind,
                "created": self.created,
                "system": self.system,
                "settings": self.settings.to_dict(),
                "turns": _as_dicts(self.turns),
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> "Conversation":
        """Read what `to_json` wrote; unknown keys are ignored.

        Raises LaterVersionError, and RlmError if the text is not a conversation.
        """
        try:
            return cls._from_content(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise RlmError("This is not a saved conversation.") from error

    @classmethod
    def _from_content(cls, content: Mapping[str, Any]) -> "Conversation":
        if content["format_version"] > FORMAT_VERSION:
            raise LaterVersionError(
                "This conversation was saved by a later version of rlm.", hint="Update rlm."
            )
        turns = [Message(turn["role"], turn["content"]) for turn in content["turns"]]
        texts = [content["name"], content["run"], content["system"], *(turn.content for turn in turns)]
        roles_known = all(turn.role in ("user", "assistant") for turn in turns)
        if not (all(isinstance(text, str) for text in texts) and roles_known):
            raise ValueError("not a conversation")
        created = float(content["created"])
        if not 0 <= created <= _LAST_SECOND:
            raise ValueError("not a time")
        return cls(
            name=content["name"],
            run=content["run"],
            kind=content["kind"] if content["kind"] in ("documents", "messages", "problems") else "text",
            created=created,
            system=content["system"],
            turns=turns,
            settings=ChatSettings.from_dict(content["settings"]),
        )

    def to_markdown(self) -> str:
        """Markdown for reading. Control characters are replaced by visible ones."""
        speakers = {"system": "System", "user": "You", "assistant": self.run}
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.created))
        parts = [f"# Conversation with {self.run}", f"{day}, mode {self.settings.mode}"]
        for message in self.messages():
            parts += [f"## {speakers[message.role]}", message.content.strip("\n")]
        return safe_text("\n\n".join(parts) + "\n")

    def to_jsonl(self) -> str:
        """One line, `{"messages": […]}`, that `rlm train` can read. The content is unchanged."""
        return json.dumps({"messages": _as_dicts(self.messages())}) + "\n"


class LaterVersionError(RlmError):
    """The conversation was saved by a later version of rlm."""


class ConversationStore:
    """Conversations as files in one folder, readable by the owner only.

    The first chat to save under a name owns it. So two chats that start in the same second do not
    overwrite each other.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._claimed: set[str] = set()

    def new_name(self) -> str:
        """An unused name, made from the current time. The chat owns it once something is saved."""
        start = name = time.strftime("%Y%m%d-%H%M%S")
        number = 1
        while os.path.lexists(self.path(name)):
            number += 1
            name = f"{start}-{number}"
        return name

    def claim(self, name: str) -> bool:
        """Reserve `name` for this chat; False if it exists. Raises UsageError, StorageError."""
        path = self.path(name)
        with storing("the conversation"):
            self.folder.mkdir(exist_ok=True)  # without its parent: the run may have been moved meanwhile
            try:
                write_file(path, [], 0o600)
            except FileExistsError:
                return False
        self._claimed.add(name)
        return True

    def owns(self, name: str) -> bool:
        """Whether this chat has saved or loaded the conversation `name`."""
        return name in self._claimed

    def path(self, name: str, suffix: str = ".json") -> Path:
        """The file of `name`. Raises UsageError for a name that could leave the folder."""
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"'{name}' is not a valid name for a conversation.",
                hint="Use 1 to 64 letters, digits, '.', '_' or '-'; the first is not '.'.",
            )
        return self.folder / f"{name}{suffix}"

    def save(self, conversation: Conversation) -> Path:
        """Write the conversation atomically with mode 0600. Raises StorageError.

        If another chat has taken the name of a new conversation, it gets the next free name.
        """
        base, number = conversation.name, 1
        while conversation.name not in self._claimed and not self.claim(conversation.name):
            number += 1
            conversation.name = f"{base[:56]}-{number}"
        path, content = self.path(conversation.name), conversation.to_json()
        replace_file(path, [content.encode("utf-8", "replace")], "the conversation", mode=0o600)
        return path

    def load(self, name: str) -> Conversation:
        """Read the conversation `name`. Saving it later replaces its file. Raises as `read`."""
        conversation = self.read(name)
        self._claimed.add(name)
        return conversation

    def read(self, name: str) -> Conversation:
        """The conversation `name`, to look at.

        Raises UsageError with the existing names if it is missing, RlmError if it is damaged.
        """
        path = self.path(name)
        try:
            conversation = Conversation.from_json(read_bounded(path, MAX_FILE_BYTES).decode("utf-8"))
        except FileNotFoundError:
            names = ", ".join(self.names()[:8])
            raise UsageError(
                f"There is no conversation '{name}'.", hint=f"There are: {names}." if names else None
            ) from None
        except LaterVersionError:
            raise
        except (RlmError, UnicodeDecodeError) as error:
            raise RlmError(
                f"The conversation in '{path}' is damaged.", hint="Move that file away."
            ) from error
        conversation.name = name  # the file may have been renamed
        return conversation

    def remove(self, name: str) -> None:
        """Remove the file `name` if this chat owns it."""
        if name in self._claimed:
            self._claimed.discard(name)
            with storing("the conversation"):
                self.path(name).unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Delete the conversation `name`, whichever chat owns it. Raises UsageError, StorageError."""
        path = self.path(name)
        self._claimed.discard(name)
        with storing("the conversation"):
            path.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Names of the saved conversations, newest first."""
        found = []
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.folder):
                name = entry.name.removesuffix(".json")
                if name == entry.name or not _NAME.fullmatch(name):
                    continue
                with contextlib.suppress(OSError):  # another chat may have renamed it
                    status = entry.stat(follow_symlinks=False)
                    # An empty file only reserves a name.
                    if stat.S_ISREG(status.st_mode) and status.st_size:
                        found.append((-status.st_mtime_ns, name))
        return [name for _, name in sorted(found)]


def write_private(path: Path, text: str, what: str) -> Path:
    """Write `text` to `path` atomically, readable by the owner only. Raises StorageError."""
    with storing(what):
        path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, [text.encode("utf-8", "replace")], what, mode=0o600)
    return path


def _as_dicts(messages: list[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]
