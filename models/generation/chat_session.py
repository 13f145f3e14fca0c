"""A chat with one model: messages, answers, and the saved conversation.

A front end shows the tokens and reads the keys. To stop an answer, it closes the iterator; the
text so far stays in the conversation. Importing this module needs no torch; answering does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from data.document import Message, without_surrogates
from data.errors import StorageError, UsageError
from models.depth import AUTO_MODE, DEFAULT_MODE, best_mode
from models.generation.answer_stats import AnswerStats
from models.generation.chat_commands import Command
from models.generation.chat_settings import ChatSettings
from models.generation.conversation import Conversation, ConversationStore
from models.generation.depth_notes import halt_note, measured_note, mode_note
from models.generation.prompt import Kind, conversation_prompt, room_for_prompt, unknown_characters
from models.generation.saved_conversations import saved_conversation
from models.generation.settings import MAX_SEED, GenerationConfig

if TYPE_CHECKING:
    from data.tokenizer import Tokenizer
    from models.generation.generate import GeneratedToken
    from models.recursive_lm import RecursiveLM


class ChatModel(Protocol):
    """The parts of a loaded model that a chat uses."""

    @property
    def model(self) -> RecursiveLM: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def kind(self) -> Kind: ...


class ChatSession:
    """The current conversation. `stats` describe the last answer.

    Without a store nothing is saved. If saving fails, the chat continues without saving, and
    `save_error` holds the reason.
    """

    def __init__(
        self,
        chat_model: ChatModel,
        conversation: Conversation,
        store: ConversationStore | None = None,
        losses: Mapping[str, float] | None = None,
    ) -> None:
        self.chat_model = chat_model
        self.conversation = conversation
        self.store = store
        self.stats: AnswerStats | None = None
        self.save_error: str | None = None
        self.alternatives = 0
        """How many of the likeliest tokens each token of an answer comes with."""
        self.losses = losses or {}
        """By trained mode, as `mode_losses` has them."""
        self._attempt = 0

    @property
    def settings(self) -> ChatSettings:
        return self.conversation.settings

    @settings.setter
    def settings(self, settings: ChatSettings) -> None:
        self.conversation.settings = settings

    def change_setting(self, command: Command) -> None:
        """Apply a command of SETTING_COMMANDS. Raises UsageError."""
        if command == Command("mode", AUTO_MODE):
            command = Command("mode", best_mode(self.losses) or DEFAULT_MODE)
        self.settings = self.settings.with_command(command)

    def measured_note(self) -> str | None:
        """How the current mode compares with the best measured one, or None."""
        model = self.chat_model
        return measured_note(self.settings.mode, self.losses, model.kind) if model.model.recursive else None

    def greeting(self) -> str:
        """One sentence on how the model answers."""
        if self.chat_model.kind == "messages":
            return "It was trained on conversations: it answers in turns."
        if self.chat_model.kind == "problems":
            return "It was trained on problems: write one with its = at the end, and it answers."
        return "It was trained on plain text: it continues what you write."

    def mode_note(self) -> str | None:
        """A warning about the current mode or halting, or None."""
        model, mode, generation = self.chat_model.model, self.settings.mode, self.settings.generation
        note = mode_note(model, mode)
        if note is None and generation.halt:
            return halt_note(model, mode, generation.halt_threshold)
        return note

    def unknown_characters(self, text: str) -> str:
        """The characters of `text` that are not in the vocabulary."""
        return unknown_characters(self.chat_model.tokenizer, text)

    def answer(self, text: str) -> Iterator[GeneratedToken]:
        """Add `text` as the user's message, then yield the answer token by token."""
        self.conversation.turns.append(Message("user", without_surrogates(text)))
        self._attempt = 0
        self.save()
        yield from self._write()

    def retry(self) -> Iterator[GeneratedToken]:
        """Answer the last message again. A fixed seed is raised by one for each retry."""
        message = self.conversation.undo()
        if message is None:
            raise UsageError("There is no message to answer yet.")
        self.conversation.turns.append(Message("user", message))
        self._attempt += 1
        yield from self._write()

    def edit(self, text: str) -> Iterator[GeneratedToken]:
        """Replace the last message by `text` and answer it."""
        self.undo()
        yield from self.answer(text)

    def continue_answer(self) -> Iterator[GeneratedToken]:
        """Continue the last answer."""
        if not self.conversation.turns:
            raise UsageError("There is no answer to continue yet.")
        self._attempt += 1
        yield from self._write(extend=self.conversation.turns[-1].role == "assistant")

    def answer_at_mode(self, mode: str, text: str, *, replace_last: bool = False) -> Iterator[GeneratedToken]:
        """Answer `text` at `mode` without changing the conversation.

        With `replace_last`, `text` takes the place of the last message. Every mode gets the same
        seed, so that only the depth differs.
        """
        turns = list(self.conversation.turns)
        while replace_last and turns and turns.pop().role != "user":
            pass
        turns.append(Message("user", without_surrogates(text)))
        settings = ChatSettings(mode=mode, generation=self._generation_with_seed(0))
        yield from self._tokens(turns, settings, [])

    def undo(self) -> str:
        """Remove the last message and its answer. Returns the message."""
        message = self.conversation.undo()
        if message is None:
            raise UsageError("There is no message to remove.")
        self.save()
        return message

    def set_system(self, text: str) -> None:
        """Set the system message. Raises UsageError for a model that was not trained on conversations."""
        if self.chat_model.kind != "messages":
            raise UsageError("This model continues text and takes no instructions.")
        self.conversation.system = without_surrogates(text)
        self.save()

    def restart(self) -> None:
        """Start a new conversation with the same settings. The saved one stays."""
        old = self.conversation
        name = self.store.new_name() if self.store else old.name
        self.conversation = Conversation(name, old.run, old.kind, system=old.system, settings=old.settings)
        self.stats = None

    def save_as(self, name: str | None) -> Path:
        """Save now, under `name` if given, and return the file. Raises UsageError if the name exists."""
        if self.store is None:
            raise UsageError("This chat is not saved.", hint="/export FILE writes it to a file.")
        if name is not None and name != self.conversation.name:
            if not self.store.claim(name):
                raise UsageError(f"A conversation '{name}' already exists.", hint="Give another name.")
            old, self.conversation.name = self.conversation.name, name
            path = self.store.save(self.conversation)
            self.store.remove(old)
            return path
        return self.store.save(self.conversation)

    def load(self, name: str) -> None:
        """Continue a saved conversation with its settings."""
        if self.store is None:
            raise UsageError("This chat has no folder.")
        self.conversation = self.store.load(name)
        self.conversation.kind = self.chat_model.kind
        self.stats = None

    def saved_names(self) -> list[str]:
        """Names of the saved conversations, newest first."""
        return self.store.names() if self.store else []

    def preview(self, name: str) -> str:
        """The length of a saved conversation and its first message."""
        if self.store is None:
            raise UsageError("This chat has no folder.")
        return saved_conversation(self.store, name).line()

    def context(self) -> tuple[int, int]:
        """How many tokens the conversation takes of the context, and the length of the context."""
        model, tokenizer, kind = self.chat_model.model, self.chat_model.tokenizer, self.chat_model.kind
        length = model.config.context_length
        if self.stats is not None:
            return self.stats.context_used, length
        if not self.conversation.turns:
            return 0, length
        turns, system = self.conversation.turns, self.conversation.system
        return len(conversation_prompt(tokenizer, kind, system, turns, length).ids), length

    def save(self) -> None:
        """Save the conversation. An empty one gets no file, but replaces what an earlier one holds."""
        conversation = self.conversation
        is_empty = not (conversation.turns or conversation.system)
        if self.store is None or (is_empty and not self.store.owns(conversation.name)):
            return
        try:
            self.store.save(conversation)
        except StorageError as error:
            self.store = None
            self.save_error = f"{error.message} The chat continues without saving."

    def _write(self, *, extend: bool = False) -> Iterator[GeneratedToken]:
        turns = self.conversation.turns
        settings = self.settings
        if settings.generation.seed is not None:
            settings = ChatSettings(settings.mode, self._generation_with_seed(self._attempt))
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
        """Yield the answer to `turns`. Appends its text to `pieces` and sets `stats`."""
        from models.generation.generate import generate

        model, tokenizer, kind = self.chat_model.model, self.chat_model.tokenizer, self.chat_model.kind
        length = model.config.context_length
        room = room_for_prompt(kind, length, settings.generation.max_tokens)
        prompt = conversation_prompt(tokenizer, kind, self.conversation.system, turns, room)
        tokens, passes, finished = 0, 0.0, "stopped"
        began = time.perf_counter()
        try:
            for token in generate(
                model, tokenizer, [prompt.ids], settings.depth, settings.generation,
                alternatives=self.alternatives,
            ):  # fmt: skip
                tokens += 1
                passes += token.passes
                finished = token.finished or finished
                pieces.append(token.text)
                yield token
        finally:
            self.stats = AnswerStats(
                characters=sum(map(len, pieces)),
                tokens=tokens,
                seconds=time.perf_counter() - began,
                mode=settings.mode,
                depth=str(settings.depth),
                mean_passes=passes / max(1, tokens),
                context_used=min(length, len(prompt.ids) + tokens),
                context_length=length,
                dropped_turns=prompt.dropped,
                finished=finished,
            )

    def _generation_with_seed(self, attempt: int) -> GenerationConfig:
        generation = self.settings.generation
        return generation.changed(seed=((generation.seed or 0) + attempt) % (MAX_SEED + 1))
