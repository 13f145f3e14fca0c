"""A chat keeps messages and answers, and puts them into the context."""

from dataclasses import dataclass
from typing import Any

import pytest

from data.document import Message
from data.errors import UsageError
from models.generation.answer_stats import AnswerStats
from models.generation.chat_commands import Command
from models.generation.chat_session import ChatSession
from models.generation.chat_settings import ChatSettings
from models.generation.comparison import comparison
from models.generation.conversation import Conversation, ConversationStore
from models.generation.settings import GenerationConfig


@dataclass
class ChatModel:
    model: Any
    tokenizer: Any
    kind: Any = "text"


GREEDY = ChatSettings(generation=GenerationConfig(max_tokens=8, temperature=0))


@pytest.fixture
def session(model, tokenizer, tmp_path) -> ChatSession:
    conversation = Conversation("first", "run", "text", settings=GREEDY)
    return ChatSession(ChatModel(model, tokenizer), conversation, ConversationStore(tmp_path))


def test_a_comparison_takes_all_modes_or_those_it_names(session: ChatSession) -> None:
    with pytest.raises(UsageError):
        comparison(session, None)
    text_of(session.answer("hello"))
    turns = list(session.conversation.turns)

    def compared(argument: str | None) -> tuple[list[str], list[str]]:
        asked: list[str] = []
        session.answer_at_mode = lambda mode, text, replace_last: asked.append(text)  # type: ignore
        answers = comparison(session, argument)
        for one in answers:
            one.tokens()
        return [one.mode for one in answers], sorted(set(asked))

    every = ["fast", "normal", "deep", "thorough", "extreme"]
    assert compared(None) == (every, ["hello"])
    assert compared("deep water  here") == (every, ["deep water  here"])
    assert compared("fast deep") == (["fast", "deep"], ["hello"])
    assert compared("Fast deep deep  the  owl") == (["fast", "deep"], ["the  owl"])
    assert compared("extreme") == (["normal", "extreme"], ["hello"])
    assert session.conversation.turns == turns


def test_what_is_undone_is_not_saved(session: ChatSession) -> None:
    text_of(session.answer("hello"))
    session.undo()
    assert session.store is not None and session.store.read("first").turns == []
    session.restart()
    session.save()
    assert session.saved_names() == ["first"], "an empty conversation gets no file"


def test_the_context_of_a_conversation_is_known_without_an_answer(session: ChatSession) -> None:
    assert session.context() == (0, 16)
    text_of(session.answer("hello"))
    used = session.context()
    assert used == (13, 16)
    session.load("first")
    assert session.context() == used


def text_of(tokens) -> str:
    return "".join(token.text for token in tokens)


def test_answer_is_added_to_the_conversation_and_saved(session: ChatSession) -> None:
    answer = text_of(session.answer("hello"))
    expected = [Message("user", "hello"), Message("assistant", answer)]
    assert session.conversation.turns == expected
    assert session.store is not None
    assert session.store.load("first").turns == expected
    stats = session.stats
    assert stats is not None
    assert (stats.tokens, stats.characters) == (8, len(answer))
    assert stats.context_used == 13
    assert stats.mean_passes == 2
    assert stats.context() == "13/16"
    assert stats.details() == "8 tokens, 2 passes per token at 2x2"


def test_the_message_is_saved_before_the_answer(session: ChatSession) -> None:
    tokens = session.answer("hello")
    next(tokens)
    assert session.store is not None
    assert session.store.load("first").turns == [Message("user", "hello")]


def test_stopped_answer_keeps_its_text(session: ChatSession) -> None:
    tokens = session.answer("hello")
    shown = next(tokens).text + next(tokens).text
    tokens.close()
    assert session.conversation.last("assistant") == shown
    assert session.stats is not None
    assert session.stats.finished == "stopped"
    assert session.stats.tokens == 2


def test_stopped_and_continued_answer_equals_a_whole_one(session: ChatSession) -> None:
    whole = text_of(session.answer("abc"))
    session.undo()
    tokens = session.answer("abc")
    next(tokens)
    tokens.close()
    list(session.continue_answer())
    assert (session.conversation.last("assistant") or "").startswith(whole)
    assert len(session.conversation.turns) == 2


def test_retry_replaces_the_answer_and_edit_the_message(session: ChatSession) -> None:
    session.settings = ChatSettings(generation=GenerationConfig(max_tokens=8, temperature=1.5, seed=1))
    first = text_of(session.answer("abc"))
    second = text_of(session.retry())
    assert first != second  # the same seed would give the same answer
    assert session.conversation.turns == [Message("user", "abc"), Message("assistant", second)]
    third = text_of(session.edit("abd"))
    assert session.conversation.turns == [Message("user", "abd"), Message("assistant", third)]
    assert session.undo() == "abd"
    assert session.conversation.turns == []


def test_the_history_is_in_the_context(session: ChatSession) -> None:
    alone = text_of(session.answer("abc"))
    assert text_of(session.answer("abc")) != alone
    session.restart()
    assert session.conversation.name != "first"
    assert text_of(session.answer("abc")) == alone


def test_context_meter_counts_dropped_turns(session: ChatSession) -> None:
    for _ in range(3):
        list(session.answer("hello there"))
    assert session.stats is not None
    assert session.stats.dropped_turns >= 4
    assert "oldest messages dropped" in session.stats.context()
    assert session.stats.context_used <= 16


def test_comparing_does_not_change_the_conversation(session: ChatSession) -> None:
    answer = text_of(session.answer("abc"))
    turns = list(session.conversation.turns)
    texts = {
        mode: text_of(session.answer_at_mode(mode, "abc", replace_last=True))
        for mode in ("fast", "normal", "extreme")
    }
    assert session.conversation.turns == turns
    assert texts["normal"] == answer


@pytest.mark.parametrize("act", [ChatSession.retry, ChatSession.continue_answer])
def test_retry_and_continue_need_a_message(session: ChatSession, act) -> None:
    with pytest.raises(UsageError):
        list(act(session))
    with pytest.raises(UsageError):
        session.undo()


def test_system_message_needs_a_model_of_conversations(session: ChatSession, model, tokenizer) -> None:
    with pytest.raises(UsageError):
        session.set_system("be kind")
    chat = ChatSession(ChatModel(model, tokenizer, "messages"), Conversation("c", "run", "messages"))
    chat.set_system("be kind")
    assert chat.conversation.messages() == [Message("system", "be kind")]
    assert "answers in turns" in chat.greeting()
    assert "continues" in session.greeting()
    solver = ChatSession(ChatModel(model, tokenizer, "problems"), Conversation("c", "run", "problems"))
    assert "trained on problems" in solver.greeting()


def test_a_problem_may_fill_the_context(model, tokenizer) -> None:
    length = model.config.context_length
    chat = ChatSession(ChatModel(model, tokenizer, "problems"), Conversation("c", "run", "problems"))
    chat.settings = ChatSettings(generation=GenerationConfig(max_tokens=1))
    list(chat.answer("a" * (length - 2)))
    assert chat.stats is not None and chat.stats.context_used == length and not chat.stats.dropped_turns


def test_note_on_a_mode_without_effect_or_beyond_training(session: ChatSession, model) -> None:
    assert session.mode_note() is None
    session.settings = ChatSettings(mode="extreme")
    assert "extrapolation" in (session.mode_note() or "")
    model.recursive = False
    assert "no recursion" in (session.mode_note() or "")


def test_chat_continues_if_saving_fails(model, tokenizer, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    conversation = Conversation("first", "run", "text", settings=GREEDY)
    session = ChatSession(
        ChatModel(model, tokenizer), conversation, ConversationStore(tmp_path / "file" / "x")
    )
    assert text_of(session.answer("hello"))
    assert "without saving" in (session.save_error or "")


def test_saving_under_a_name_and_loading(session: ChatSession) -> None:
    list(session.answer("abc"))
    session.save_as("mine")
    assert session.saved_names() == ["mine"]
    session.restart()
    session.load("mine")
    assert session.conversation.last("user") == "abc"
    session.restart()
    list(session.answer("x"))
    with pytest.raises(UsageError):
        session.save_as("mine")


def test_saving_under_a_new_name_keeps_other_chats(session: ChatSession, tmp_path) -> None:
    other = ConversationStore(tmp_path)
    other.save(Conversation("first", "run", "text", turns=[Message("user", "theirs")]))
    session.save_as("mine")  # what is called "first" here was never saved
    assert other.load("first").turns == [Message("user", "theirs")]


def test_settings_written_as_whole_floats_can_be_used(session: ChatSession) -> None:
    values = {"max_tokens": 3.0, "seed": 5.0, "top_k": 2.0, "no_repeat_ngram": 4.0}
    session.settings = ChatSettings(generation=GenerationConfig.from_dict(values))
    assert len(list(session.answer("abc"))) == 3
    assert "seed 5" in session.settings.describe("seed")


@pytest.mark.parametrize(
    ("finished", "ending"),
    [("eos", ""), ("natural", ""), ("length", " · length limit"), ("stopped", " · stopped by you")],
)
def test_line_below_an_answer_fits_a_row_and_says_why_it_ended(finished: str, ending: str) -> None:
    stats = AnswerStats(
        characters=123_456, tokens=100_000, seconds=1234.5, mode="thorough", depth="4x3", mean_passes=4.0,
        context_used=128, context_length=128, dropped_turns=12, finished=finished,
    )  # fmt: skip
    assert stats.line() == f"123,456 characters · 1234.5 s · 81 tokens/s · thorough{ending}"
    assert len(stats.line()) < 80


def test_automatic_mode_is_the_best_measured(session: ChatSession) -> None:
    session.change_setting(Command("mode", "auto"))
    assert session.settings.mode == "normal"
    session.losses = {"fast": 1.7, "normal": 1.6, "deep": 1.5}
    session.change_setting(Command("mode", "auto"))
    assert session.settings.mode == "deep"
