"""The newest part of a conversation becomes the prompt and fits into the context."""

import unicodedata
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.character_tokenizer import CharacterTokenizer
from data.document import Message, without_surrogates
from models.generation.prompt import (
    conversation_prompt,
    prompt_of_text,
    text_of_turns,
    unknown_characters,
)

TOKENIZER = CharacterTokenizer("".join(sorted("\nabcdefg ")))
TEXT = st.text("abc \n", max_size=12)
TURNS = st.lists(TEXT, min_size=1, max_size=8).map(
    lambda texts: [Message("assistant" if i % 2 else "user", text) for i, text in enumerate(texts)]
)
ROOM = st.integers(1, 80)
USER, ASSISTANT = TOKENIZER.role_ids["user"], TOKENIZER.role_ids["assistant"]


def full_chat(system, turns):
    """The whole conversation as in training, up to where the answer continues or begins."""
    before = [Message("system", system)] if system else []
    if turns[-1].role == "user":
        return [*TOKENIZER.encode_chat([*before, *turns]), ASSISTANT]
    return list(TOKENIZER.encode_chat([*before, *turns]))[:-1]


@given(TURNS, TEXT, ROOM)
def test_chat_prompt_fits_and_ends_where_the_answer_continues(turns, system, room) -> None:
    prompt = conversation_prompt(TOKENIZER, "messages", system, turns, room)
    whole = full_chat(system, turns)
    assert 1 <= len(prompt.ids) <= room
    assert 0 <= prompt.dropped <= len(turns)
    if len(whole) <= room:
        assert (prompt.ids, prompt.dropped) == (whole, 0)
    else:
        assert prompt.dropped > 0
        common = 0
        while common < len(prompt.ids) and prompt.ids[-1 - common] == whole[-1 - common]:
            common += 1
        head = 2 + (len(system) + 2 if system else 0)
        assert common >= len(prompt.ids) - head


@given(TURNS, ROOM)
def test_shortened_chat_begins_with_a_user_message(turns, room) -> None:
    prompt = conversation_prompt(TOKENIZER, "messages", "", turns, room)
    if room > 16 and turns[-1].role == "user":
        assert prompt.ids[:2] == [TOKENIZER.bos_id, USER]


@given(TURNS, st.integers(20, 80))
def test_the_system_message_stays_when_turns_are_dropped(turns, room) -> None:
    prompt = conversation_prompt(TOKENIZER, "messages", "abc", turns, room)
    assert prompt.ids[:6] == list(TOKENIZER.encode_chat([Message("system", "abc")]))


@given(TURNS, ROOM)
def test_a_text_prompt_is_the_end_of_the_text(turns, room) -> None:
    prompt = conversation_prompt(TOKENIZER, "text", "", turns, room)
    whole = list(TOKENIZER.encode(text_of_turns(turns)))
    assert prompt.ids == whole[-room:]
    assert (prompt.dropped == 0) == (len(whole) <= room)


@given(TURNS)
def test_text_of_turns_is_complete_and_messages_begin_lines(turns) -> None:
    text = text_of_turns(turns)
    assert text.replace("\n", "") == "".join(turn.content for turn in turns).replace("\n", "")
    assert len(text) <= sum(len(turn.content) for turn in turns) + len(turns)


def test_message_begins_on_a_new_line() -> None:
    turns = [
        Message("user", "a"),
        Message("assistant", "b"),
        Message("user", "c"),
        Message("assistant", "d\n"),
    ]
    assert text_of_turns([*turns, Message("user", "e")]) == "ab\ncd\ne"


def test_each_problem_of_a_chat_stands_alone() -> None:
    turns = [Message("user", "ab"), Message("assistant", "c"), Message("user", "de")]
    alone = prompt_of_text(TOKENIZER, "problems", "de")
    assert conversation_prompt(TOKENIZER, "problems", "", turns, 80) == alone and not alone.dropped
    continued = conversation_prompt(TOKENIZER, "problems", "", [*turns, Message("assistant", "f")], 80)
    assert continued == prompt_of_text(TOKENIZER, "problems", "def")


def test_prompt_of_text_has_the_form_of_the_training_data() -> None:
    assert prompt_of_text(TOKENIZER, "text", "ab").ids == list(TOKENIZER.encode("ab"))
    assert prompt_of_text(TOKENIZER, "problems", "ab").ids == list(TOKENIZER.encode_document("ab"))[:-1]
    assert prompt_of_text(TOKENIZER, "documents", "ab").ids == list(TOKENIZER.encode_document("ab"))[:-1]
    assert prompt_of_text(TOKENIZER, "messages", "ab").ids == full_chat("", [Message("user", "ab")])
    assert prompt_of_text(TOKENIZER, "text", "abcd", room=3).ids == list(TOKENIZER.encode("bcd"))
    cut = prompt_of_text(TOKENIZER, "messages", "abcd", room=5)
    assert cut.ids == [TOKENIZER.bos_id, USER, *TOKENIZER.encode("d"), TOKENIZER.eos_id, ASSISTANT]
    assert cut.dropped == 1


@given(st.text(st.characters(exclude_categories=[]), max_size=30))
def test_any_text_can_be_a_prompt(text: str) -> None:
    without_surrogates(text).encode("utf-8")
    ids = prompt_of_text(TOKENIZER, "messages", text).ids
    assert set(ids) & set(range(16)) <= {
        TOKENIZER.unk_id,
        TOKENIZER.bos_id,
        TOKENIZER.eos_id,
        USER,
        ASSISTANT,
    }
    unknown = unknown_characters(TOKENIZER, text)
    assert set(unknown) == set(without_surrogates(text)) - set("\nabcdefg ")


@pytest.mark.parametrize("known", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
@pytest.mark.parametrize("text", ["café", "Žižek", "각하", "naïve 日本"])
@pytest.mark.parametrize("kind", ["text", "messages"])
def test_accents_are_typed_in_either_form(known: str, typed: str, text: str, kind: str) -> None:
    learned = unicodedata.normalize(known, text)
    tokenizer = CharacterTokenizer("".join(sorted(set(learned))))
    as_typed = unicodedata.normalize(typed, text)
    assert unknown_characters(tokenizer, as_typed) == ""
    assert prompt_of_text(tokenizer, kind, as_typed) == prompt_of_text(tokenizer, kind, learned)


@pytest.mark.parametrize("marks", ["\u0315\u0300", "\u0f73", "\u0f81\u0f75"], ids=ascii)
def test_a_long_run_of_marks_is_read_as_it_stands(marks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forms: list[str] = []
    watched = SimpleNamespace(
        combining=unicodedata.combining,
        normalize=lambda form, text: (forms.append(form), unicodedata.normalize(form, text))[1],
    )
    monkeypatch.setattr("models.generation.prompt.unicodedata", watched)
    assert len(prompt_of_text(TOKENIZER, "text", "a" + marks * 40).ids) == 1 + 40 * len(marks)
    assert not forms  # its time would be quadratic
    prompt_of_text(TOKENIZER, "text", "a\u0301")
    assert forms


def test_a_long_conversation_is_encoded_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    encode = CharacterTokenizer.encode
    monkeypatch.setattr(
        CharacterTokenizer, "encode", lambda self, text: (encoded.append(len(text)), encode(self, text))[1]
    )
    turns = [Message("user", "abc") for _ in range(300)]
    assert conversation_prompt(TOKENIZER, "messages", "", turns, 1000).dropped > 0
    assert sum(encoded) < 20 * 1000
