"""Reads the user's lines: an input line with editing on a terminal, or plain reading."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from data.plain_file import open_to_append
from data.safe_text import safe_text
from models.generation.chat_commands import complete

if TYPE_CHECKING:
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import History
    from prompt_toolkit.key_binding import KeyBindings, KeyPress, KeyPressEvent
    from prompt_toolkit.layout.processors import Processor

PROMPT = "> "
_MENU_ROWS = 5


class LineReader(Protocol):
    """Reads one message."""

    def read(self, default: str = "") -> str:
        """Read one message, which may have several lines. The user can edit `default`.

        Raises EOFError at the end of input, KeyboardInterrupt for Ctrl-C on an empty line.
        """
        ...

    def keep(self, keys: "list[KeyPress]") -> None:
        """Read these keys, typed during an answer, before those to come."""
        ...

    def forget(self) -> None:
        """Drop the kept keys."""
        ...


class PlainReader:
    """Reads lines with a prompt on stderr. A trailing backslash joins the next line."""

    def __init__(self) -> None:
        self._kept = ""

    def read(self, default: str = "") -> str:
        lines: list[str] = []
        while True:
            self._write(PROMPT if not lines else "  ")
            line = self._line()
            if line is None:
                if lines:
                    return "\n".join(lines)
                self._write("\n")  # the next output must not follow the prompt
                raise EOFError
            if not line.endswith("\\"):
                return "\n".join([*lines, line])
            lines.append(line[:-1])

    def keep(self, keys: "list[KeyPress]") -> None:
        from prompt_toolkit.keys import Keys

        for press in keys:
            if press.key in (Keys.ControlM, Keys.ControlJ):
                self._kept += "\n"
            elif press.key == Keys.ControlH:
                self._kept = self._kept if self._kept.endswith("\n") else self._kept[:-1]
            elif press.key == Keys.BracketedPaste or not isinstance(press.key, Keys):
                self._kept += press.data.replace("\r\n", "\n").replace("\r", "\n")

    def forget(self) -> None:
        self._kept = ""

    def _line(self) -> str | None:
        """A kept line, or the next one from stdin after what is kept of it; None at the end."""
        line, line_end, rest = self._kept.partition("\n")
        self._kept = rest
        self._write(safe_text(line) + line_end)
        if line_end:
            return line
        try:
            content = sys.stdin.buffer.readline() if sys.stdin is not None else b""
        except KeyboardInterrupt:
            self._write("\n")
            raise
        return line + content.decode("utf-8", "replace").rstrip("\r\n") if content else None

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


class TerminalReader:
    """An input line by prompt_toolkit. Enter sends; Ctrl-J or a trailing backslash makes a new line;
    up and down show the history and Ctrl-R searches it. The history is saved in a file."""

    def __init__(self, history_file: Path | None) -> None:
        from prompt_toolkit import PromptSession

        self._session: PromptSession[str] = PromptSession(
            history=_history(history_file),
            key_bindings=_bindings(),
            completer=_completer(),
            input_processors=[_safe_drawing()],
            complete_while_typing=True,
            multiline=True,
            prompt_continuation="  ",
            enable_suspend=True,
        )

    def read(self, default: str = "", *, at_start: Callable[[], None] | None = None) -> str:
        """As `LineReader.read`. `at_start` is called in the loop that reads the keys, when it starts."""
        # On a low terminal, room for the menu would hide the input line.
        rows = self._session.app.output.get_size().rows
        self._session.reserve_space_for_menu = _MENU_ROWS if rows > 2 * _MENU_ROWS else 0
        pressed: list[int] = []

        def start() -> None:
            if pressed:
                self._session.app.exit(exception=KeyboardInterrupt())
            elif at_start is not None:
                at_start()

        try:
            with _noted_interrupts(pressed):
                return self._session.prompt(PROMPT, default=default, pre_run=start)
        finally:
            # Leaving the input line turned this off; a paste during the answer must arrive whole too.
            self._session.app.output.enable_bracketed_paste()
            self._session.app.output.flush()

    def keep(self, keys: "list[KeyPress]") -> None:
        from prompt_toolkit.input.typeahead import store_typeahead

        store_typeahead(self._session.app.input, keys)

    def forget(self) -> None:
        from prompt_toolkit.input.typeahead import clear_typeahead

        clear_typeahead(self._session.app.input)


@contextlib.contextmanager
def _noted_interrupts(pressed: list[int]) -> Iterator[None]:
    """A context in which Ctrl-C is added to `pressed`, until an input line begins to read keys itself.

    A KeyboardInterrupt while its loop is made would leave the loop half made, and Python complains of it.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def history_path() -> Path | None:
    """The history file, in RLM_HOME or else in the user's state folder. None for a user without a home."""
    if home := os.environ.get("RLM_HOME"):
        folder = Path(os.path.expanduser(home))
    else:
        from platformdirs import user_state_path

        try:
            folder = user_state_path("rlm", appauthor=False)
        except RuntimeError:
            return None
    return None if str(folder).startswith("~") else folder / "chat_history"


def _history(file: Path | None) -> "History":
    """The history in `file`, readable by its owner only; in memory if there is no file, or it cannot be
    opened."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    class KeptHistory(FileHistory):
        """A history in a file. A message that cannot be added to the file stays in memory."""

        def store_string(self, string: str) -> None:
            with contextlib.suppress(OSError):
                super().store_string(string)

    if file is None:
        return InMemoryHistory()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open_to_append(file.resolve(), 0o600) as opened:
            if hasattr(os, "fchmod"):
                os.fchmod(opened.fileno(), 0o600)
    except (OSError, RuntimeError):  # the latter where links lead in a circle
        return InMemoryHistory()
    return KeptHistory(str(file))


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
