"""From the columns that data sets have to texts and conversations."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpus import open_corpus
from data.document import ROLES, Message
from data.records import (
    NO_CONTENT,
    OTHER_PARTS,
    PAIRS,
    TOOL_ANSWERS,
    TOOL_CALLS,
    UnknownRecordError,
    UnusableRecordError,
    read_record,
)

ASKED, ANSWERED = Message("user", "2+2?"), Message("assistant", "4")
CALL = {"id": "1", "function": {"name": "add", "arguments": "{'a': 2}"}}


@pytest.mark.parametrize(("question", "answer"), PAIRS)
def test_a_question_with_its_answer_is_a_conversation(question: str, answer: str) -> None:
    assert read_record({question: "2+2?", answer: "4", "id": 7}) == (ASKED, ANSWERED)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"text": "a", "source": {"b": 1}}, "a"),
        ({"content": "a", "path": "b.py"}, "a"),
        ({"text": "a", "messages": None, "prompt": None}, "a"),
        ({"prompt": "p", "text": "a"}, "a"),  # Cosmopedia
        ({"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}, "pair"),
        ({"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]}, "pair"),
        ({"conversation": [{"role": "Human", "content": "2+2?"}, {"role": "bot", "content": "4"}]}, "pair"),
        ({"instruction": "2+2?", "input": "", "output": "4", "text": "Below is …"}, "pair"),
        ({"instruction": "2+2?", "context": None, "response": "4", "category": "qa"}, "pair"),
        (
            {"prompt": [{"role": "user", "content": "2+2?"}], "completion": [{"from": "gpt", "value": "4"}]},
            "pair",
        ),
        ({"question": ["2+2?"], "answer": [{"type": "text", "text": "4"}]}, "pair"),
    ],
)
def test_the_forms_that_data_sets_have(record: dict[str, object], expected: str) -> None:
    assert read_record(record) == ((ASKED, ANSWERED) if expected == "pair" else expected)


def test_an_input_follows_the_instruction_and_a_system_column_comes_first() -> None:
    record = {"system": "Be brief.", "instruction": "Add.", "input": "2 and 2", "output": "4"}
    assert read_record(record) == (
        Message("system", "Be brief."),
        Message("user", "Add.\n\n2 and 2"),
        ANSWERED,
    )
    turns = [{"from": "system", "value": "own"}, {"from": "human", "value": "2+2?"}]
    expected = (Message("system", "own"), ASKED)
    assert read_record({"system": "Be brief.", "conversations": turns}) == expected
    assert read_record({"system_prompt": "", "question": "2+2?", "response": "4"}) == (ASKED, ANSWERED)


def test_parts_and_tools_are_counted_and_only_text_is_kept() -> None:
    turns = [
        {"role": "developer", "content": ["Be", {"text": "brief."}]},
        {
            "role": "user",
            "content": [{"type": "text", "text": "2+2?"}, {"type": "image_url", "image_url": {}}],
        },
        {"role": "user", "content": [{"type": "image"}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "content": "Wait.", "tool_calls": [CALL], "function_call": None},
        {"role": "assistant", "content": [{"type": "tool_use", "input": {"a": 1}}]},
        {"role": "tool", "content": {"result": 4}},
        {"role": "user", "content": [{"type": "tool_result", "content": "4"}]},
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": "4", "tool_calls": []},
    ]
    left_out: Counter[str] = Counter()
    found = read_record({"messages": turns}, left_out)
    assert found == (Message("system", "Be\nbrief."), ASKED, Message("assistant", "Wait."), ANSWERED)
    assert left_out == {TOOL_CALLS: 3, TOOL_ANSWERS: 2, OTHER_PARTS: 2, NO_CONTENT: 1}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"text": {"a": 1}}, "'text' is not a text"),
        ({"text": ""}, "'text' is empty"),
        ({"question": "a", "answer": {"text": ["b"]}}, "'answer' is not a text"),
        ({"question": "a", "answer": [4]}, "a part of 'answer' is not a text"),
        ({"messages": "a"}, "'messages' is not a list"),
        ({"conversations": [{"from": "robot\x1b", "value": "a"}]}, "the role 'robot␛' is not one of"),
        ({"conversations": [{"value": "a"}]}, "the role 'None' is not one of"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "no message of 'messages' has a text"),
        ({"messages": [{"role": "user", "content": {"a": "b"}}]}, "'content' is not a text"),
    ],
)
def test_what_is_no_text_is_told(record: dict[str, object], reason: str) -> None:
    left_out: Counter[str] = Counter()
    with pytest.raises(UnusableRecordError, match="A record cannot be used") as raised:
        read_record(record, left_out)
    assert reason in raised.value.reason and not left_out


def test_unknown_columns_are_named() -> None:
    with pytest.raises(UnknownRecordError) as raised:
        read_record({"title": "a", "bo\x1bdy": "b", "prompt": "c", "completion": None})
    assert raised.value.columns == ("title", "bo\x1bdy", "prompt")
    assert "'title', 'bo␛dy', 'prompt'" in raised.value.message
    with pytest.raises(UnknownRecordError) as raised:
        read_record({str(number): "a" for number in range(100)})
    assert len(raised.value.columns) == 100 and "and 88 more" in raised.value.reason
    with pytest.raises(UnknownRecordError):
        read_record({"role": "user", "content": "one message of a conversation"})


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.binary(), st.text("ab", max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["type", "text", "role", "from", "content", "value", "tool_calls", "x"]),
            st.one_of(inner, st.sampled_from(["text", "user", "gpt", "tool", "image"])),
            max_size=4,
        ),
    ),
    max_leaves=8,
)
columns = st.sampled_from(
    ["text", "messages", "conversations", "prompt", "completion", "instruction", "input", "output", "system"]
)


@settings(max_examples=150)
@given(record=st.dictionaries(columns, values, max_size=4))
def test_nothing_is_written_as_python_has_it(record: dict[str, object]) -> None:
    """Whatever the columns hold, all that comes out is text that was there, or the error."""
    try:
        found = read_record(record)
    except UnusableRecordError as error:
        assert error.reason
        return
    texts = [found] if isinstance(found, str) else [message.content for message in found]
    assert isinstance(found, str) or all(message.role in ROLES for message in found)
    there = set(_texts_in(record))
    for text in texts:
        assert all(part in there for part in text.split("\n") if part)


def _texts_in(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts_in(one)]


def test_what_is_left_out_is_told_of_a_file(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "4"},
        {"role": "assistant", "content": "4"},
    ]
    file = tmp_path / "tools.jsonl"
    file.write_text((json.dumps({"messages": turns}) + "\n") * 3)
    corpus = open_corpus([file])
    assert "Left out of the conversations of 'tools.jsonl': 3 answers of tools, 3 tool calls." in corpus.notes
    assert (corpus.documents, corpus.characters) == (3, 15)


def test_a_role_of_null_is_the_role_of_from() -> None:
    record = {
        "messages": [{"role": None, "from": "human", "value": "a"}, {"role": "assistant", "content": "b"}]
    }
    messages = read_record(record)
    assert [one.role for one in messages if isinstance(one, Message)] == ["user", "assistant"]
