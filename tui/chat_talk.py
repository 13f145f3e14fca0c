"""A chat without a screen: what is said, and what each command does. Loads no torch; a model in it has.

What writes text gives `Answer`s, which a thread writes one after another.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.errors import RlmError, UsageError
from data.wording import counted, shortened
from models.depth import depth_of
from models.generation.chat_commands import Command, help_rows, parse_line
from models.generation.chat_session import ChatSession
from models.generation.chat_settings import SETTING_COMMANDS
from models.generation.comparison import ComparedAnswer, at_modes, comparison
from models.generation.export import export
from models.generation.prompt import unknown_note
from tui.answer_tokens import AnswerTokens
from tui.chat_entries import Answer, Entry, Kind

if TYPE_CHECKING:
    from models.runs.load import LoadedModel

ALTERNATIVES = 8
"""The likeliest tokens that are kept with each token of an answer."""
MOST_ENTRIES = 300
_LISTED = 20
_QUOTED = 100  # characters


class ChatTalk:
    """The entries of a chat, and its commands. `words` turns settings and commands in braces into text."""

    def __init__(self, session: ChatSession, words: Callable[[str], str] = str) -> None:
        self.session = session
        session.alternatives = ALTERNATIVES
        self.words = words
        self.entries: list[Entry] = []
        """The newest ones, at most MOST_ENTRIES."""
        self._comparisons = 0
        self.wants_to_leave = False
        self.to_copy: str | None = None
        """Text that a command wants in the clipboard."""
        self.to_edit: str | None = None
        """Text that a command wants in the input line."""
        self._handlers: dict[str, Callable[[Any], list[Answer] | None]] = {
            "status": lambda value: self._status(),
            "clear": lambda value: self.start_anew(),
            "history": lambda value: self._history(),
            "retry": lambda value: self.retry(),
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
        if saved := len(self.session.saved_names()):
            self.say(f"{counted(saved, 'earlier conversation')} saved. F7 lists them.")
        self.say("/help lists the commands.")

    def take_weights(self, loaded: "LoadedModel", losses: Mapping[str, float], written: float) -> None:
        """Talk with these weights from now on. They were written at `written`, seconds since the epoch."""
        self.session.chat_model, self.session.losses = loaded, losses
        self.say(f"These are the weights of {time.strftime('%H:%M:%S', time.localtime(written))}.")
        self.say(self.session.measured_note())

    def add(self, entry: Entry) -> None:
        """Add an entry at the end."""
        self.entries.append(entry)
        del self.entries[:-MOST_ENTRIES]

    def say(self, text: str | None, kind: Kind = "note") -> None:
        """Add a remark, if there is one."""
        if text:
            self.add(Entry(kind, self.words(text)))

    def _quote(self, before: str, text: str) -> None:
        """Add a remark with the beginning of a text of the user."""
        self.add(Entry("note", f"{before}{shortened(' '.join(text.split()), _QUOTED)}"))

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
        self.add(Entry("user", parsed))
        if unknown := self.session.unknown_characters(parsed):
            self.say(unknown_note(unknown))
        return [Answer(lambda: self.session.answer(parsed))]

    def retry(self) -> list[Answer]:
        """Answer the last message again."""
        if self.session.conversation.last("user") is None:
            raise UsageError("There is no message to answer yet.")
        self._drop_last(with_message=False)
        return [Answer(self.session.retry)]

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
        """Add rows, in which braces are those of the user."""
        width = max(len(name) for name, _ in rows)
        self.add(Entry("note", "\n".join(f"{name:<{width}}  {value}" for name, value in rows)))

    def start_anew(self) -> list[Answer]:
        """Begin another conversation. The old one is saved."""
        self.session.restart()
        self.entries.clear()
        self.say("New conversation.")
        return []

    def _history(self) -> None:
        if not self.session.conversation.turns:
            self.say("The conversation is empty.")
        else:
            self._show_turns()

    def _show_turns(self) -> None:
        """Show the conversation alone. Answers that were written here keep their tokens."""
        known = defaultdict[str, list[AnswerTokens]](list)
        for entry in self.entries:
            if entry.tokens is not None:
                known[entry.text].append(entry.tokens)
        turns = self.session.conversation.turns[-MOST_ENTRIES:]
        self.entries[:] = [
            Entry("model", turn.content, known[turn.content].pop(0) if known[turn.content] else None)
            if turn.role == "assistant"
            else Entry("user", turn.content)
            for turn in turns
        ]  # fmt: skip

    def _drop_last(self, *, with_message: bool) -> None:
        """Mark the last answer, or the last message and its answer, as no part of the conversation."""
        for entry in reversed(self.entries):
            is_message = entry.kind == "user"
            if entry.is_gone or entry.comparison or not (is_message or entry.kind == "model"):
                continue
            entry.is_gone = with_message or not is_message
            if is_message:
                return

    def _undo(self) -> None:
        self._quote("Removed: ", self.session.undo())
        self._drop_last(with_message=True)
        self.session.stats = None

    def _edit(self, text: str | None) -> list[Answer]:
        last = self.session.conversation.last("user")
        if last is None:
            raise UsageError("There is no message to edit yet.")
        self._drop_last(with_message=True)
        if text is None:
            self.session.undo()
            self.session.stats = None
            self.to_edit = last
            return []
        self.add(Entry("user", text))
        return [Answer(lambda: self.session.edit(text))]

    def _system(self, text: str | None) -> None:
        if text is not None:
            self.session.set_system("" if text == "off" else text)
        self.add(Entry("note", f"system: {self.session.conversation.system or 'none'}"))

    def _load(self, name: str | None) -> None:
        if name is None:
            names = self.session.saved_names()[:_LISTED]
            rows = "\n".join(f"{one}  {self.session.preview(one)}" for one in names)
            self.add(Entry("note", rows or "None is saved."))
            return
        self.go_on_with(name)

    def go_on_with(self, name: str) -> list[Answer]:
        """Go on with a saved conversation. Raises RlmError where it cannot be read."""
        self.session.load(name)
        self._show_turns()
        self.say(f"Continuing {name}, {counted(self.session.conversation.exchanges, 'exchange')}.")
        self.say(self.session.mode_note(), "warning")
        return []

    def _copy(self) -> None:
        self.to_copy = self.session.conversation.last("assistant")
        if self.to_copy is None:
            raise UsageError("There is no answer to copy yet.")
        self.say(f"Copied {counted(len(self.to_copy), 'character')}, if the terminal allows it.")

    def compare_two(self, text: str | None) -> list[Answer]:
        """Answer a text, or the last message, at the current mode and the next one, or the first."""
        session = self.session
        if not session.chat_model.model.recursive:
            raise UsageError(session.mode_note() or "This model has no recursion.")
        mode = session.settings.mode
        others = [one for one in session.chat_model.model.modes() if one != mode]
        deeper = [one for one in others if depth_of(one) > depth_of(mode)]
        return self._compared(at_modes(session, [mode, (deeper or others)[0]], text))

    def _compare(self, argument: str | None) -> list[Answer]:
        answers = comparison(self.session, argument)
        if not self.session.chat_model.model.recursive:
            self.say(self.session.mode_note())
        return self._compared(answers)

    def _compared(self, answers: Sequence[ComparedAnswer]) -> list[Answer]:
        """A place for each answer, below the prompt."""
        self._quote("> ", answers[0].prompt)
        self._comparisons += 1
        found = []
        for one in answers:
            heading = f"{one.mode} {one.depth}{', deeper than trained' if one.is_deeper else ''}"
            entry = Entry("model", "", heading=heading, comparison=self._comparisons)
            self.add(entry)
            found.append(Answer(one.tokens, entry))
        return found

    def _quit(self) -> None:
        self.wants_to_leave = True
