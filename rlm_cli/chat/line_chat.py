"""The loop of a chat in line mode, and what each command does there."""

import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from data.errors import RlmError, UsageError
from models.generation.chat_commands import Command, help_rows, parse_line
from models.generation.chat_session import ChatSession
from models.generation.chat_settings import SETTING_COMMANDS
from models.generation.depth_notes import extrapolates
from models.recursion import MODES, depth_of
from models.wording import counted
from rlm_cli.chat import clipboard
from rlm_cli.chat.answer_view import AnswerView
from rlm_cli.chat.export import export
from rlm_cli.chat.readers import PROMPT, Reader
from rlm_cli.generation_options import unknown_note
from rlm_cli.output import Output
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.generation.generate import GeneratedToken


class LineChat:
    """Reads lines and answers them until the user leaves.

    With `forgetful` every message stands alone: nothing of what was said before is in the
    context.
    """

    def __init__(
        self, session: ChatSession, output: Output, reader: Reader, *, forgetful: bool = False
    ) -> None:
        self.session = session
        self.output = output
        self.reader = reader
        self.forgetful = forgetful
        self.view = AnswerView(output, session.speaker.tokenizer)
        self._default = ""
        self._typed_ahead: list[str] = []
        self._leaving = False
        self._handlers: dict[str, Callable[[Any], object]] = {
            "status": lambda value: self._status(),
            "clear": lambda value: self._clear(),
            "history": lambda value: self._history(),
            "retry": lambda value: self.answer(session.retry()),
            "undo": lambda value: self._undo(),
            "edit": self._edit,
            "continue": lambda value: self.answer(session.go_on()),
            "system": self._system,
            "save": self._save,
            "load": self._load,
            "export": self._export,
            "copy": lambda value: self._copy(),
            "compare": self._compare,
            "help": lambda value: self._help(),
            "quit": lambda value: self._quit(),
        }

    def run(self) -> None:
        """The loop. Returns when the user leaves."""
        warned = False
        while not self._leaving:
            try:
                line = self._next_line()
                warned = False
                self.obey(line)
            except EOFError:
                return
            except KeyboardInterrupt:
                if warned:
                    return
                warned = True
                self._typed_ahead.clear()
                self.output.say("Ctrl-C again, or Ctrl-D, leaves.", style="dim")
            except RlmError as error:
                self.output.error(error)

    def _next_line(self) -> str:
        """What was typed and sent while an answer was written, else what the user types now."""
        if self._typed_ahead:
            line = self._typed_ahead.pop(0)
            self.output.say(PROMPT + line)
            return line
        default, self._default = self._default, ""
        return self.reader.read(default)

    def obey(self, line: str) -> None:
        """Do what one line asks: a command, or a message to answer. Raises RlmError."""
        if not line.strip():
            return
        asked = parse_line(line)
        if isinstance(asked, Command):
            if asked.name in SETTING_COMMANDS:
                self._set(asked)
            else:
                self._handlers[asked.name](asked.value)
        else:
            self.send(asked)

    def send(self, text: str) -> bool:
        """Answer a message; whether the answer was stopped."""
        if self.forgetful:
            self.session.restart()
        if unknown := self.session.unknown_characters(text):
            self.output.say(unknown_note(unknown), style="dim")
        return self.answer(self.session.answer(text))

    def answer(self, tokens: "Iterator[GeneratedToken]") -> bool:
        """Show an answer and its figures; whether it was stopped."""
        return self._show(tokens, self.session.settings.mode)

    def _show(self, tokens: "Iterator[GeneratedToken]", mode: str) -> bool:
        stopped = self.view.show(tokens, self.session.settings)
        # What was begun while one answer was written may be ended during the next.
        *lines, self._default = (self._default + self.view.typed).split("\n")
        self._typed_ahead += [line for line in lines if line.strip()]
        self._footer()
        return stopped

    def _remark(self, text: str, *, style: str = "dim") -> None:
        """A remark of several words, readable on a narrow terminal too."""
        self.output.say(fitted(text, self.output.stderr.width), style=style)

    def _footer(self) -> None:
        if (figures := self.session.figures) is not None:
            if not figures.characters:
                self.output.say("It wrote nothing.", style="dim")
            self._remark(figures.line())
        if self.session.trouble:
            self.output.warn(self.session.trouble)
            self.session.trouble = None

    def _set(self, command: Command) -> None:
        self.session.settings = self.session.settings.after(command)
        self.output.say(self.session.settings.tell(command.name), style="dim")
        if command.name in ("mode", "halt") and (note := self.session.mode_note()):
            self._remark(in_cli_words(note), style="yellow")

    def _status(self) -> None:
        session, model = self.session, self.session.speaker.model
        total, embedding = model.parameter_counts()
        figures = session.figures
        kept = session.store.path(session.conversation.name) if session.store else "nowhere"
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
                *session.settings.lines(),
                ("context", figures.context() if figures else f"0/{model.config.context_length}"),
                ("system", session.conversation.system or "none"),
                ("turns", str(len(session.conversation.turns))),
                ("saved in", str(kept)),
            ],
            to_stderr=True,
        )
        if note := session.mode_note():
            self._remark(in_cli_words(note), style="yellow")

    def _help(self) -> None:
        self.output.pairs(help_rows(), to_stderr=True)
        self._remark(
            "Enter sends; Ctrl-J or a \\ at the end makes a new line. "
            "Esc or Ctrl-C stops an answer; Ctrl-C twice or Ctrl-D leaves.\n"
            "The slash may be left out where a line is plainly a command; "
            "a line that begins with a space, or with //, is text."
        )

    def _quit(self) -> None:
        self._leaving = True

    def _clear(self) -> None:
        self.session.restart()
        self.output.say("A new conversation.", style="dim")

    def _history(self) -> None:
        if not self.session.conversation.turns:
            self.output.say("Nothing was said yet.", style="dim")
        for message in self.session.conversation.messages():
            self.output.say(f"[{message.role}]", style="dim")
            self.output.say(message.content)

    def _undo(self) -> None:
        message = self.session.undo()
        self.output.say(f"Taken back: {_shortened(message)}", style="dim")

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
            self.output.say(resumed_note(self.session), style="dim")
            return
        names = self.session.saved_names()
        self.output.say("\n".join(names) if names else "There is no saved conversation.")

    def _export(self, argument: str | None) -> None:
        self.output.say(f"Written to {export(self.session, argument or '')}.", style="dim")

    def _copy(self) -> None:
        text = self.session.conversation.last("assistant")
        if text is None:
            raise UsageError("There is no answer to copy yet.")
        if taken_by := clipboard.copy(text):
            self.output.say(f"Copied {counted(len(text), 'character')} ({taken_by}).", style="dim")
        else:
            raise RlmError("Nothing here takes a copy.", hint="/export FILE writes it to a file.")

    def _compare(self, text: str | None) -> None:
        session = self.session
        prompt = text or session.conversation.last("user")
        if prompt is None:
            raise UsageError("There is no prompt to compare yet.", hint="/compare TEXT")
        before = session.figures
        modes = list(MODES) if session.speaker.model.recursive else [session.settings.mode]
        try:
            for mode in modes:
                self.output.result(f"--- {mode} {depth_of(mode)} ---", style="bold")
                tokens = session.at_mode(mode, prompt, replacing_last=text is None)
                if self._show(tokens, mode):
                    return
        finally:
            session.figures = before
        if len(modes) == 1 and (note := session.mode_note()):
            self._remark(in_cli_words(note))
        beyond = [mode for mode in modes if extrapolates(session.speaker.model, depth_of(mode))]
        if beyond:
            self._remark(f"Deeper than training went, an extrapolation: {', '.join(beyond)}.", style="yellow")


def resumed_note(session: ChatSession) -> str:
    """What a conversation that goes on was about."""
    conversation = session.conversation
    last = conversation.last("user")
    about = f"; last: {_shortened(last)}" if last else ""
    turns = len(conversation.turns)
    return f"Going on with {conversation.name}, {turns} {'turn' if turns == 1 else 'turns'}{about}"


def fitted(text: str, width: int) -> str:
    """`text` with its lines broken between words, so that each fits into `width` columns."""
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.split("\n"))


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"
