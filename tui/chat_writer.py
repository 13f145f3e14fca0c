"""Loads the model of a chat and writes its answers, in threads. Messages tell a screen how it goes."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from data.errors import RlmError
from models.generation.answer_stats import mean_passes_words, token_details
from models.generation.chat_session import ChatSession
from models.generation.conversation import Conversation, ConversationStore
from models.generation.run_defaults import chat_settings, load_writer, mode_losses
from models.runs.run import Run
from tui.answer_tokens import AnswerTokens
from tui.chat_entries import Answer, Entry, Speed
from tui.chat_talk import ChatTalk
from tui.messages import AnswerAdvanced, AnswerEnded, ModelLoaded
from tui.model_thread import load_in_thread
from tui.model_work import weights_written

if TYPE_CHECKING:
    from models.runs.load import LoadedModel

_DRAW_S = 0.1
_LONGEST_DRAW_S = 1.0
_SHORT = 500  # tokens
_DEBUGGED = 400  # tokens


async def load_model(run: Run) -> ModelLoaded:
    """Load the weights of the run in a thread, or say why that failed."""
    try:
        changed = weights_written(run)
        loaded = await load_in_thread(lambda: load_writer(run))
    except RlmError as error:
        return ModelLoaded(None, 0.0, error)
    except (RuntimeError, MemoryError, OSError) as error:  # of torch, or the files go
        return ModelLoaded(None, 0.0, RlmError(f"The model cannot be loaded: {error}"))
    return ModelLoaded(loaded, changed)


def begin_talk(loaded: "LoadedModel", words: Callable[[str], str]) -> ChatTalk:
    """A new conversation with a model. Raises UsageError and RunError where the run has wrong settings."""
    run = loaded.run
    store = ConversationStore(run.path / "conversations")
    conversation = Conversation(store.new_name(), run.name, loaded.kind, settings=chat_settings(run))
    talk = ChatTalk(ChatSession(loaded, conversation, store, mode_losses(run)), words)
    talk.greet()
    return talk


def write_answers(
    talk: ChatTalk,
    answers: Sequence[Answer],
    is_stopped: Callable[[], bool],
    post: Callable[[AnswerAdvanced | AnswerEnded], object],
) -> None:
    """Write answers one after another, until `is_stopped()` or one fails. To be called in a thread."""
    drawn = 0.0

    def advanced(speed: Speed) -> None:
        nonlocal drawn
        wait_s = min(_LONGEST_DRAW_S, _DRAW_S * (1 + speed.tokens / _SHORT))  # a longer text takes longer
        if (now := time.monotonic()) - drawn >= wait_s:
            drawn = now
            post(AnswerAdvanced(speed))

    error: RlmError | None = None
    for answer in answers:
        if error is not None or is_stopped():
            if answer.entry is not None:
                answer.entry.footing = "not written"
            continue
        try:
            write_answer(talk, answer, is_stopped, advanced)
        except RlmError as failed:
            error = failed
        except (RuntimeError, MemoryError) as failed:  # of torch
            error = RlmError(f"The model cannot answer: {failed}")
    post(AnswerEnded(error))


def write_answer(
    talk: ChatTalk, answer: Answer, is_stopped: Callable[[], bool], advanced: Callable[[Speed], None]
) -> None:
    """Write an answer until it ends or `is_stopped()`. Raises what the model raises.

    `advanced` is called after each token. What there is of the answer stays.
    """
    session, speed = talk.session, Speed()
    settings, before = session.settings, session.stats
    kept, tokens = AnswerTokens(session.chat_model.tokenizer.token_text), answer.tokens()
    entry = answer.entry or Entry("model", "")
    pieces: list[str] = []
    details: list[str] = []
    try:
        for token in tokens:
            if speed.tokens == 0:
                entry.tokens = kept
                if answer.entry is None:
                    talk.add(entry)
            pieces.append(token.text)
            kept.add(token)
            if settings.interactive:
                entry.text += token.text
            if settings.debug and len(details) < _DEBUGGED:
                details.append(token_details(token, kept.token_text(token.id)))
            speed.add(token)
            advanced(speed)
            if is_stopped():
                break
    finally:
        if (close := getattr(tokens, "close", None)) is not None:
            close()
        entry.text = "".join(pieces)
    talk.say("\n".join(details))
    _tell_stats(talk, answer)
    if answer.entry is not None and session.stats is not None:
        session.stats = before  # this answer is no part of the conversation
    talk.say(session.save_error, "warning")
    session.save_error = None


def _tell_stats(talk: ChatTalk, answer: Answer) -> None:
    """Say how long the answer is and how fast it was written. An answer beside others has it below itself."""
    stats = talk.session.stats
    if stats is None:
        return
    passes = f"{mean_passes_words(stats.mean_passes)} per token"
    lines = [*([] if stats.characters else ["It wrote nothing."]), f"{stats.line()} · {passes}"]
    if answer.entry is not None:
        answer.entry.footing = "\n".join(lines)
        return
    for line in lines:
        talk.say(line)
