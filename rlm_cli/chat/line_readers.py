"""Reads the user's lines: an input line with editing on a terminal, or plain reading."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from data.plain_file import open_to_append
from data.safe_text import safe_text
from models.generation.chat_commands import complete

if TYPE_CHECKING:
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import History
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.layout.processors import Processor

PROMPT = "> "


class LineReader(Protocol):
    """Reads one message."""

    def read(self, default: str = "") -> str:
        """Read one message, which may have several lines. The user can edit `default`.

        Raises EOFError at the end of input, KeyboardInterrupt for Ctrl-C on an empty line.
        """
        ...


class PlainReader:
    """Reads lines with a prompt on stderr. A trailing backslash joins the next line."""

    def read(self, default: str = "") -> str:
        lines: list[str] = []
        while True:
            self._write(PROMPT if not lines else "  ")
            try:
                content = sys.stdin.buffer.readline() if sys.stdin is not None else b""
            except KeyboardInterrupt:
                self._write("\n")
                raise
            if not content:
                if lines:
                    return "\n".join(lines)
                self._write("\n")  # the next output must not follow the prompt
                raise EOFError
            line = content.decode("utf-8", "replace").rstrip("\r\n")
            if not line.endswith("\\"):
                return "\n".join([*lines, line])
            lines.append(line[:-1])

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


class TerminalReader:
    """An input line by prompt_toolkit. Enter sends; Ctrl-J or a trailing backslash makes a new line;
    up and down show the history and Ctrl-R searches it. The history is saved in a file."""

    def __init__(self, history_file: Path) -> None:
        from prompt_toolkit import PromptSession

        self._session: PromptSession[str] = PromptSession(
            history=_history(history_file),
            key_bindings=_bindings(),
            completer=_completer(),
            input_processors=[_safe_drawing()],
            complete_while_typing=True,
            multiline=True,
            prompt_continuation="  ",
            reserve_space_for_menu=5,
        )

    def read(self, default: str = "") -> str:
        return self._session.prompt(PROMPT, default=default)


def history_path() -> Path:
    """The history file, in RLM_HOME or else in the user's state folder."""
    if home := os.environ.get("RLM_HOME"):
        return Path(os.path.expanduser(home)) / "chat_history"
    from platformdirs import user_state_path

    return user_state_path("rlm", appauthor=False) / "chat_history"


def _history(file: Path) -> "History":
    """The history in `file`, readable by its owner only; in memory if the file cannot be opened."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open_to_append(file.resolve(), 0o600) as opened:
            if hasattr(os, "fchmod"):
                os.fchmod(opened.fileno(), 0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(file))


def _bindings() -> "KeyBindings":
    from prompt_toolkit.filters import is_searching
    from prompt_toolkit.key_binding import KeyBindings

    bindings = KeyBindings()

    @bindings.add("enter", filter=~is_searching)
    def send(event: "KeyPressEvent") -> None:
        buffer = event.current_buffer
        if buffer.document.text_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @bindings.add("c-j")
    def new_line(event: "KeyPressEvent") -> None:
        event.current_buffer.insert_text("\n")

    @bindings.add("c-c", filter=~is_searching)
    def clear_or_leave(event: "KeyPressEvent") -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt)

    return bindings


def _completer() -> Any:
    from prompt_toolkit.completion import Completer, Completion

    class CommandCompleter(Completer):
        """Offers commands for a line that begins with a slash."""

        def get_completions(self, document: "Document", complete_event: object) -> Iterable[Completion]:
            text = document.text_before_cursor
            if text.startswith("/") and not text.startswith("//") and "\n" not in text:
                for command, summary in complete(text):
                    yield Completion(command, start_position=-len(text), display_meta=summary)

    return CommandCompleter()


def _safe_drawing() -> "Processor":
    from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput

    class SafeDrawing(Processor):
        """Replaces bidirectional and tag characters, which prompt_toolkit shows as they are. The length
        stays the same, so the cursor is not displaced."""

        def apply_transformation(self, given: TransformationInput) -> Transformation:
            return Transformation([(part[0], safe_text(part[1])) for part in given.fragments])

    return SafeDrawing()
