"""A chat with one model: what happens between a message and its answer.

Front ends draw the tokens and read the keys. Stopping an answer is closing its iterator: what
there is by then is kept. Importing this takes no torch; answering does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from data.document import Message, without_surrogates
from data.errors import StorageError, UsageError
from models.generation.chat_settings import ChatSettings
from models.generation.conversation import Conversation, ConversationStore
from models.generation.depth_notes import halt_note, mode_note
from models.generation.prompt import Kind, conversation_prompt, unknown_characters
from models.generation.settings import MAX_SEED, GenerationConfig
from models.wording import counted

if TYPE_CHECKING:
    from data.tokenizer import Tokenizer
    from models.generation.generate import GeneratedToken
    from models.recursive_lm import RecursiveLM


class Speaker(Protocol):
    """What a chat needs of a trained model."""

    @property
    def model(self) -> RecursiveLM: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def kind(self) -> Kind: ...


@dataclass(frozen=True, slots=True)
class AnswerFigures:
    """What an answer took."""

    characters: int
    tokens: int
    seconds: float
    mode: str
    depth: str
    temperature: float
    mean_passes: float
    context_used: int
    context_length: int
    dropped_turns: int
    finished: str
    """stop, eos, natural, length, or stopped where the reader stopped it."""

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds > 0 else 0.0

    def context(self) -> str:
        """The context meter."""
        dropped = f", {self.dropped_turns} oldest turns dropped" if self.dropped_turns > 1 else ""
        dropped = ", the oldest turn dropped" if self.dropped_turns == 1 else dropped
        return f"{self.context_used}/{self.context_length}{dropped}"

    def line(self) -> str:
        """The footer."""
        return " · ".join(
            (
                counted(self.characters, "character"),
                f"{self.seconds:.1f} s",
                f"{self.tokens_per_second:.0f} tokens/s",
                f"{self.mode} {self.depth}",
                f"temp {self.temperature:g}",
                f"{counted(float(f'{self.mean_passes:.3g}'), 'pass')}/token",
                f"context {self.context()}",
            )
        )


class ChatSession:
    """The conversation under way. `figures` are those of the last answer.

    Without a store nothing is saved. Where saving fails, the chat goes on and `trouble` says
    why, once.
    """

    def __init__(
        self, speaker: Speaker, conversation: Conversation, store: ConversationStore | None = None
    ) -> None:
        self.speaker = speaker
        self.conversation = conversation
        self.store = store
        self.figures: AnswerFigures | None = None
        self.trouble: str | None = None
        self._attempt = 0

    @property
    def settings(self) -> ChatSettings:
        return self.conversation.settings

    @settings.setter
    def settings(self, settings: ChatSettings) -> None:
        self.conversation.settings = settings

    def greeting(self) -> str:
        """Which kind of model this is."""
        if self.speaker.kind == "messages":
            return "It was trained on conversations: it answers in turns."
        return "It was trained on plain text: it continues what you write."

    def mode_note(self) -> str | None:
        """What to know about the mode that is set: an extrapolation, or no effect at all."""
        model, mode, generation = self.speaker.model, self.settings.mode, self.settings.generation
        note = mode_note(model, mode)
        if note is None and generation.halt:
            return halt_note(model, mode, generation.halt_threshold)
        return note

    def unknown_characters(self, text: str) -> str:
        """The characters of `text` this model has never met."""
        return unknown_characters(self.speaker.tokenizer, text)

    def answer(self, text: str) -> Iterator[GeneratedToken]:
        """Add the user's `text` and the answer to the conversation, token by token."""
        self.conversation.turns.append(Message("user", without_surrogates(text)))
        self._attempt = 0
        self.save()
        yield from self._write()

    def retry(self) -> Iterator[GeneratedToken]:
        """Answer the last message again; with a fixed seed, from the next one."""
        message = self.conversation.undo()
        if message is None:
            raise UsageError("There is no message to answer yet.")
        self.conversation.turns.append(Message("user", message))
        self._attempt += 1
        yield from self._write()

    def edit(self, text: str) -> Iterator[GeneratedToken]:
        """Put `text` in the place of the last message and answer it."""
        self.undo()
        yield from self.answer(text)

    def go_on(self) -> Iterator[GeneratedToken]:
        """Go on where the last answer ended."""
        if not self.conversation.turns:
            raise UsageError("There is nothing to go on with yet.")
        self._attempt += 1
        yield from self._write(extend=self.conversation.turns[-1].role == "assistant")

    def at_mode(self, mode: str, text: str, *, replacing_last: bool = False) -> Iterator[GeneratedToken]:
        """What the answer to `text` would be at `mode`; the conversation stays as it is.

        With `replacing_last`, `text` stands where the last message does. The seed is the same
        at every mode, so that what differs is the depth.
        """
        turns = list(self.conversation.turns)
        while replacing_last and turns and turns.pop().role != "user":
            pass
        turns.append(Message("user", without_surrogates(text)))
        settings = ChatSettings(mode=mode, generation=self._seeded(0))
        yield from self._tokens(turns, settings, [])

    def undo(self) -> str:
        """Take back the last message and its answer; the message."""
        message = self.conversation.undo()
        if message is None:
            raise UsageError("There is nothing to take back.")
        self.save()
        return message

    def set_system(self, text: str) -> None:
        """Put instructions in front of the conversation. UsageError for a model that has no turns."""
        if self.speaker.kind != "messages":
            raise UsageError("This model continues text and takes no instructions.")
        self.conversation.system = without_surrogates(text)
        self.save()

    def restart(self) -> None:
        """A new conversation with the same settings; the old one stays as it was saved."""
        old = self.conversation
        name = self.store.new_name() if self.store else old.name
        self.conversation = Conversation(name, old.run, old.kind, system=old.system, settings=old.settings)
        self.figures = None

    def save_as(self, name: str | None) -> Path:
        """Save now, under `name` where one is given; the file. UsageError where that is taken."""
        if self.store is None:
            raise UsageError("This chat is not kept.", hint="/export FILE writes it to a file.")
        if name is not None and name != self.conversation.name:
            if not self.store.claim(name):
                raise UsageError(f"There is a conversation '{name}' already.", hint="Give another name.")
            old, self.conversation.name = self.conversation.name, name
            path = self.store.save(self.conversation)
            self.store.remove(old)
            return path
        return self.store.save(self.conversation)

    def load(self, name: str) -> None:
        """Go on with a saved conversation, with its settings."""
        if self.store is None:
            raise UsageError("This chat has no folder of its own.")
        self.conversation = self.store.load(name)
        self.conversation.kind = self.speaker.kind
        self.figures = None

    def saved_names(self) -> list[str]:
        """The saved conversations, the one last changed first."""
        return self.store.names() if self.store else []

    def save(self) -> None:
        """Save the conversation, if there is anything in it."""
        if self.store is None or not (self.conversation.turns or self.conversation.system):
            return
        try:
            self.store.save(self.conversation)
        except StorageError as error:
            self.store = None
            self.trouble = f"{error.message} The chat goes on without saving."

    def _write(self, *, extend: bool = False) -> Iterator[GeneratedToken]:
        turns = self.conversation.turns
        settings = self.settings
        if settings.generation.seed is not None:
            settings = ChatSettings(settings.mode, self._seeded(self._attempt))
        pieces: list[str] = []
        try:
            yield from self._tokens(list(turns), settings, pieces)
        finally:
            text = "".join(pieces)
            if extend:
                turns[-1] = Message("assistant", turns[-1].content + text)
            elif text:
                turns.append(Message("assistant", text))
            self.save()

    def _tokens(
        self, turns: list[Message], settings: ChatSettings, pieces: list[str]
    ) -> Iterator[GeneratedToken]:
        """The answer to `turns`; its text goes to `pieces`, its figures to `figures`."""
        from models.generation.generate import generate

        model, tokenizer, kind = self.speaker.model, self.speaker.tokenizer, self.speaker.kind
        length = model.config.context_length
        # Text slides on gracefully when the context fills up; turns would lose their roles.
        reserve = min(settings.generation.max_tokens or length, length // (2 if kind == "messages" else 4))
        prompt = conversation_prompt(tokenizer, kind, self.conversation.system, turns, length - reserve)
        tokens, passes, finished = 0, 0.0, "stopped"
        began = time.perf_counter()
        try:
            for token in generate(model, tokenizer, [prompt.ids], settings.depth, settings.generation):
                tokens += 1
                passes += token.passes
                finished = token.finished or finished
                pieces.append(token.text)
                yield token
        finally:
            self.figures = AnswerFigures(
                characters=sum(map(len, pieces)),
                tokens=tokens,
                seconds=time.perf_counter() - began,
                mode=settings.mode,
                depth=str(settings.depth),
                temperature=settings.generation.temperature,
                mean_passes=passes / max(1, tokens),
                context_used=min(length, len(prompt.ids) + tokens),
                context_length=length,
                dropped_turns=prompt.dropped,
                finished=finished,
            )

    def _seeded(self, attempt: int) -> GenerationConfig:
        generation = self.settings.generation
        return generation.changed(seed=((generation.seed or 0) + attempt) % (MAX_SEED + 1))
