"""A chat without a screen: what is said, and what each command does. Loads no torch; a model in it has.

What writes text gives `Answer`s, which a thread goes through one after another.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from data.errors import RlmError, UsageError
from data.wording import counted
from models.depth import MODES, depth_of
from models.generation.chat_commands import Command, help_rows, parse_line
from models.generation.chat_session import ChatSession
from models.generation.chat_settings import SETTING_COMMANDS
from models.generation.depth_notes import extrapolates
from models.generation.export import export
from models.generation.prompt import unknown_note

if TYPE_CHECKING:
    from models.generation.generate import GeneratedToken

Kind = Literal["user", "model", "note", "warning", "error"]
_LISTED = 20
_DEBUGGED = 400  # tokens


@dataclass(slots=True)
class Entry:
    """A message, an answer or a remark. Only the text of the newest answer grows."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model is to write. `heading` stands above it."""

    tokens: Callable[[], "Iterator[GeneratedToken]"]
    heading: str = ""


class Speed:
    """Tokens per second and the mean passes of an answer that is being written."""

    def __init__(self) -> None:
        self.tokens = 0
        self._passes = 0.0
        self._began = time.perf_counter()

    def add(self, token: "GeneratedToken") -> None:
        self.tokens += 1
        self._passes += token.passes

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / max(1e-9, time.perf_counter() - self._began)

    @property
    def mean_passes(self) -> float:
        return self._passes / max(1, self.tokens)


class ChatTalk:
    """The entries of a chat, and its commands. `words` turns settings and commands in braces into text."""

    def __init__(self, session: ChatSession, words: Callable[[str], str] = str) -> None:
        self.session = session
        self.words = words
        self.entries: list[Entry] = []
        self.wants_to_leave = False
        self.to_copy: str | None = None
        """Text that a command wants in the clipboard."""
        self.to_edit: str | None = None
        """Text that a command wants in the input line."""
        self._handlers: dict[str, Callable[[Any], list[Answer] | None]] = {
            "status": lambda value: self._status(),
            "clear": lambda value: self._clear(),
            "history": lambda value: self._history(),
            "retry": lambda value: [Answer(session.retry)],
            "undo": lambda value: self._undo(),
            "edit": self._edit,
            "continue": lambda value: [Answer(session.continue_answer)],
            "system": self._system,
            "save": lambda value: self.say(f"Saved in {session.save_as(value)}."),
            "load": self._load,
            "export": lambda value: self.say(f"Written to {export(session, value or '')}."),
            "copy": lambda value: self._copy(),
            "compare": self._compare,
            "help": lambda value: self._help(),
            "quit": lambda value: self._quit(),
        }

    def greet(self) -> None:
        """Say which model this is, and how it answers."""
        model = self.session.chat_model.model
        total, _ = model.parameter_counts()
        self.say(f"{self.session.conversation.run}: {model.config.architecture}, {total:,} parameters. "
                 f"{self.session.greeting()}")  # fmt: skip
        self.say(self.session.measured_note())
        self.say(self.session.mode_note(), "warning")
        self.say("/help lists the commands.")

    def say(self, text: str | None, kind: Kind = "note") -> None:
        """Add a remark, if there is one."""
        if text:
            self.entries.append(Entry(kind, self.words(text)))

    def say_error(self, error: RlmError) -> None:
        self.say("\n".join(part for part in (error.message, error.hint) if part), "error")

    def submit(self, line: str, *, while_writing: bool = False) -> list[Answer]:
        """Take a line: a message or a command. Gives the answers to write, which may be none.

        `while_writing`, only settings may change. Raises RlmError.
        """
        if not line.strip():
            return []
        parsed = parse_line(line)
        if isinstance(parsed, Command) and parsed.name in SETTING_COMMANDS:
            self._set(parsed)
            return []
        if while_writing:
            raise UsageError("An answer is being written.", hint="Esc stops it.")
        if isinstance(parsed, Command):
            return self._handlers[parsed.name](parsed.value) or []
        self.entries.append(Entry("user", parsed))
        if unknown := self.session.unknown_characters(parsed):
            self.say(unknown_note(unknown))
        return [Answer(lambda: self.session.answer(parsed))]

    def retry(self) -> list[Answer]:
        return [Answer(self.session.retry)]

    def write(
        self, answer: Answer, is_stopped: Callable[[], bool], advanced: Callable[[Speed], None]
    ) -> None:
        """Write an answer into a new entry, until it ends or `is_stopped()`. Raises what the model raises.

        `advanced` is called after each token. In a thread: nothing else may add entries meanwhile.
        """
        self.say(answer.heading)
        entry, debugged, speed = Entry("model", ""), [], Speed()
        settings, tokens = self.session.settings, answer.tokens()
        pieces: list[str] = []
        try:
            for token in tokens:
                if speed.tokens == 0:
                    self.entries.append(entry)
                pieces.append(token.text)
                if settings.interactive:
                    entry.text += token.text
                if settings.debug:
                    debugged.append(self._token_line(token))
                speed.add(token)
                advanced(speed)
                if is_stopped():
                    break
        finally:
            if (close := getattr(tokens, "close", None)) is not None:
                close()
            entry.text = "".join(pieces)
        self.say("\n".join(debugged[:_DEBUGGED]))
        stats = self.session.stats
        if stats is not None:
            self.say("It wrote nothing." if not stats.characters else None)
            passes = counted(float(f"{stats.mean_passes:.3g}"), "pass")
            self.say(f"{stats.line()} · {passes} per token")
        self.say(self.session.save_error, "warning")
        self.session.save_error = None

    def _token_line(self, token: "GeneratedToken") -> str:
        text = repr(self.session.chat_model.tokenizer.token_text(token.id))
        return f"{token.id:>6}  {text:<16} p {token.probability:.4f}  passes {token.passes:g}"

    def _set(self, command: Command) -> None:
        self.session.change_setting(command)
        self.say(self.session.settings.describe(command.name))
        if command.name == "mode":
            self.say(self.session.measured_note())
        if command.name in ("mode", "halt"):
            self.say(self.session.mode_note(), "warning")

    def _status(self) -> None:
        session, stats = self.session, self.session.stats
        rows = [
            *session.settings.rows(),
            *([("last answer", stats.details()), ("context", stats.context())] if stats else []),
            ("system", session.conversation.system or "none"),
            ("turns", str(len(session.conversation.turns))),
            ("saved in", str(session.store.path(session.conversation.name)) if session.store else "nowhere"),
        ]
        self._say_rows(rows)

    def _help(self) -> None:
        self._say_rows(help_rows())
        self.say("Enter sends; Ctrl-J or a \\ at the end makes a new line. Esc stops an answer. "
                 "A line that begins with a space or // is text.")  # fmt: skip

    def _say_rows(self, rows: list[tuple[str, str]]) -> None:
        width = max(len(name) for name, _ in rows)
        self.say("\n".join(f"{name:<{width}}  {value}" for name, value in rows))

    def _clear(self) -> None:
        self.session.restart()
        self.entries.clear()
        self.say("New conversation. The old one is saved.")

    def _history(self) -> None:
        if not self.session.conversation.turns:
            self.say("The conversation is empty.")
        self._show_turns()

    def _show_turns(self) -> None:
        for message in self.session.conversation.turns:
            self.entries.append(Entry("model" if message.role == "assistant" else "user", message.content))

    def _undo(self) -> None:
        self.say(f"Removed: {' '.join(self.session.undo().split())[:60]}")

    def _edit(self, text: str | None) -> list[Answer]:
        last = self.session.conversation.last("user")
        if last is None:
            raise UsageError("There is no message to edit yet.")
        if text is None:
            self.session.undo()
            self.to_edit = last
            return []
        self.entries.append(Entry("user", text))
        return [Answer(lambda: self.session.edit(text))]

    def _system(self, text: str | None) -> None:
        if text is not None:
            self.session.set_system("" if text == "off" else text)
        self.say(f"system: {self.session.conversation.system or 'none'}")

    def _load(self, name: str | None) -> None:
        if name is None:
            names = self.session.saved_names()[:_LISTED]
            self.say("\n".join(f"{one}  {self.session.preview(one)}" for one in names) or "None is saved.")
            return
        self.session.load(name)
        self.entries.clear()
        self._show_turns()
        self.say(f"Continuing {name}, {counted(len(self.session.conversation.turns), 'turn')}.")

    def _copy(self) -> None:
        self.to_copy = self.session.conversation.last("assistant")
        if self.to_copy is None:
            raise UsageError("There is no answer to copy yet.")
        self.say(f"Copied {counted(len(self.to_copy), 'character')}, if the terminal allows it.")

    def _compare(self, text: str | None) -> list[Answer]:
        session = self.session
        prompt = text or session.conversation.last("user")
        if prompt is None:
            raise UsageError("There is no prompt to compare yet.", hint="/compare TEXT")
        model = session.chat_model.model
        modes = list(MODES) if model.recursive else [session.settings.mode]

        def at(mode: str) -> Answer:
            beyond = ", deeper than trained" if extrapolates(model, depth_of(mode)) else ""
            return Answer(
                lambda: session.answer_at_mode(mode, prompt, replace_last=text is None),
                f"--- {mode} {depth_of(mode)}{beyond} ---",
            )

        return [at(mode) for mode in modes]

    def _quit(self) -> None:
        self.wants_to_leave = True
