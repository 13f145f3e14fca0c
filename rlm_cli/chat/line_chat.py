"""The chat loop on the command line, and its commands."""

import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from data.errors import RlmError, UsageError
from data.wording import counted, shortened
from models.depth import MODES
from models.generation.chat_commands import Command, help_rows, parse_line
from models.generation.chat_session import ChatSession
from models.generation.chat_settings import SETTING_COMMANDS
from models.generation.comparison import comparison
from models.generation.export import export
from models.generation.prompt import unknown_note
from rlm_cli.chat import clipboard
from rlm_cli.chat.answer_view import AnswerView
from rlm_cli.chat.line_readers import LineReader
from rlm_cli.output import Output
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.generation.generate import GeneratedToken

_LISTED = 20
"""Conversations that /load lists."""


class LineChat:
    """Reads lines and answers them until the user leaves.

    With `independent`, each message starts a new conversation.
    """

    def __init__(
        self, session: ChatSession, output: Output, reader: LineReader, *, independent: bool = False
    ) -> None:
        self.session = session
        self.output = output
        self.reader = reader
        self.independent = independent
        self.view = AnswerView(output, session.chat_model)
        self._quitting = False
        self._handlers: dict[str, Callable[[Any], object]] = {
            "status": lambda value: self._status(),
            "clear": lambda value: self._clear(),
            "history": lambda value: self._history(),
            "retry": lambda value: self.answer(session.retry()),
            "undo": lambda value: self._undo(),
            "edit": self._edit,
            "continue": lambda value: self.answer(session.continue_answer()),
            "system": self._system,
            "save": self._save,
            "load": self._load,
            "export": self._export,
            "copy": lambda value: self._copy(),
            "compare": self._compare,
            "help": lambda value: self._help(),
            "quit": lambda value: self._quit(),
        }

    def run(self, message: str | None = None) -> None:
        """Answer `message`, then read and answer lines until the user leaves. Raises RlmError where the
        model cannot be loaded."""
        warned = False
        while not self._quitting:
            try:
                if message is not None:
                    first, message = message, None
                    self._run_and_report(self.send, first)
                line = self.reader.read()
                warned = False
                self._run_and_report(self.run_line, line)
            except EOFError:
                return
            except KeyboardInterrupt:
                if warned:
                    return
                warned = True
                self.reader.forget()
                self.output.say("Press Ctrl-C again or Ctrl-D to leave.", style="dim")

    def _run_and_report(self, run: Callable[[str], object], text: str) -> None:
        try:
            run(text)
        except RlmError as error:
            self.output.error(error)

    def run_line(self, line: str) -> None:
        """Run one line, a command or a message. Raises RlmError."""
        if not line.strip():
            return
        parsed = parse_line(line)
        if isinstance(parsed, Command):
            if line.strip().lower() in MODES:
                self._say_wrapped("Understood as /mode. A line that begins with a space is sent as text.")
            if parsed.name in SETTING_COMMANDS:
                self._set(parsed)
            else:
                self._handlers[parsed.name](parsed.value)
        else:
            self.send(parsed)

    def send(self, text: str) -> bool:
        """Answer a message. Returns whether the answer was stopped."""
        if self.independent:
            self.session.restart()
        if unknown := self.session.unknown_characters(text):
            self.output.say(unknown_note(unknown), style="dim")
        return self.answer(self.session.answer(text))

    def answer(self, tokens: "Iterator[GeneratedToken]") -> bool:
        """Show an answer and the line below it. Returns whether it was stopped."""
        return self._show(tokens, self.session.settings.mode)

    def _show(self, tokens: "Iterator[GeneratedToken]", mode: str) -> bool:
        stopped = self.view.show(tokens, self.session.settings)
        self.reader.keep(self.view.typed)
        self._footer()
        return stopped

    def _say_wrapped(self, text: str, *, style: str = "dim") -> None:
        """Print a remark, wrapped to the width of the terminal."""
        self.output.say(wrap_text(text, self.output.stderr.width), style=style)

    def _footer(self) -> None:
        if (stats := self.session.stats) is not None:
            if not stats.characters:
                self.output.say("It wrote nothing.", style="dim")
            self.output.say(stats.line(), style="dim")
        if self.session.save_error:
            self.output.warn(self.session.save_error)
            self.session.save_error = None

    def _set(self, command: Command) -> None:
        self.session.change_setting(command)
        self.output.say(self.session.settings.describe(command.name), style="dim")
        if command.name == "mode" and (note := self.session.measured_note()):
            self._say_wrapped(note)
        if command.name in ("mode", "halt") and (note := self.session.mode_note()):
            self._say_wrapped(in_cli_words(note), style="yellow")

    def _status(self) -> None:
        session, model = self.session, self.session.chat_model.model
        total, embedding = model.parameter_counts()
        stats = session.stats
        saved_in = session.store.path(session.conversation.name) if session.store else "nowhere"
        self.output.pairs(
            [
                ("model", f"{session.conversation.run}, {model.config.architecture}"),
                ("parameters", f"{total:,} ({embedding:,} embedding)"),
                ("kind", session.greeting()),
                (
                    "trained to",
                    f"{counted(model.passes(model.trained_depth), 'pass')} of the shared core"
                    if model.recursive
                    else "no recursion",
                ),
                *session.settings.rows(),
                *([("last answer", stats.details())] if stats else []),
                ("context", stats.context() if stats else f"0/{model.config.context_length}"),
                ("system", session.conversation.system or "none"),
                ("exchanges", str(session.conversation.exchanges)),
                ("saved in", str(saved_in)),
            ],
            to_stderr=True,
        )
        if note := session.mode_note():
            self._say_wrapped(in_cli_words(note), style="yellow")

    def _help(self) -> None:
        self.output.pairs(help_rows(), to_stderr=True)
        self._say_wrapped(
            "Enter sends; Ctrl-J or a \\ at the end makes a new line. "
            "Esc or Ctrl-C stops an answer; Ctrl-C twice or Ctrl-D leaves.\n"
            "The slash may be left out if a line is clearly a command. "
            "A line that begins with a space or // is text."
        )

    def _quit(self) -> None:
        self._quitting = True

    def _clear(self) -> None:
        self.session.restart()
        self.output.say("New conversation.", style="dim")

    def _history(self) -> None:
        if not self.session.conversation.turns:
            self.output.say("The conversation is empty.", style="dim")
        for message in self.session.conversation.messages():
            self.output.say(f"[{message.role}]", style="dim")
            self.output.say(message.content)

    def _undo(self) -> None:
        message = self.session.undo()
        self.output.say(f"Removed: {_shorten(message)}", style="dim")

    def _edit(self, text: str | None) -> None:
        last = self.session.conversation.last("user")
        if last is None:
            raise UsageError("There is no message to edit yet.")
        if text is None:
            text = self.reader.read(last)
        if text.strip():
            self.answer(self.session.edit(text))

    def _system(self, text: str | None) -> None:
        if text is not None:
            self.session.set_system("" if text == "off" else text)
        self.output.say(f"system: {self.session.conversation.system or 'none'}", style="dim")

    def _save(self, name: str | None) -> None:
        self.output.say(f"Saved in {self.session.save_as(name)}.", style="dim")

    def _load(self, name: str | None) -> None:
        if name is not None:
            self.session.load(name)
            self.output.say(resume_note(self.session), style="dim")
            return
        names = self.session.saved_names()
        if not names:
            self.output.say("No conversation is saved.")
            return
        self.output.pairs(
            [(name, _shorten(self.session.preview(name))) for name in names[:_LISTED]], to_stderr=True
        )
        if len(names) > _LISTED:
            self.output.say(f"… and {len(names) - _LISTED:,} older.", style="dim")

    def _export(self, argument: str | None) -> None:
        self.output.say(f"Written to {export(self.session, argument or '')}.", style="dim")

    def _copy(self) -> None:
        text = self.session.conversation.last("assistant")
        if text is None:
            raise UsageError("There is no answer to copy yet.")
        if program := clipboard.copy(text):
            self.output.say(f"Copied {counted(len(text), 'character')} ({program}).", style="dim")
        else:
            raise RlmError("No clipboard is available.", hint="/export FILE writes it to a file.")

    def _compare(self, text: str | None) -> None:
        session, answers = self.session, comparison(self.session, text)
        before = session.stats
        try:
            for one in answers:
                self.output.result(f"--- {one.mode} {one.depth} ---", style="bold")
                if self._show(one.tokens(), one.mode):
                    return
        finally:
            session.stats = before
        if not session.chat_model.model.recursive and (note := session.mode_note()):
            self._say_wrapped(in_cli_words(note))
        if deeper := [one.mode for one in answers if one.is_deeper]:
            self._say_wrapped(f"Deeper than the model was trained: {', '.join(deeper)}.", style="yellow")


def resume_note(session: ChatSession) -> str:
    """A line about a conversation that is continued."""
    conversation = session.conversation
    last = conversation.last("user")
    last_message = f"; last: {_shorten(last)}" if last else ""
    return f"Continuing {conversation.name}, {counted(conversation.exchanges, 'exchange')}{last_message}"


def wrap_text(text: str, width: int) -> str:
    """Wrap the lines of `text` between words to `width` columns."""
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.split("\n"))


def _shorten(text: str) -> str:
    return shortened(" ".join(text.split()), 60)
