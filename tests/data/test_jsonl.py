"""From JSON Lines to documents, and reports of broken lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.document import ROLES, Message
from data.jsonl import BrokenLine, read_records

message = st.builds(Message, st.sampled_from(ROLES), st.text())
document = st.one_of(st.text(min_size=1), st.lists(message, min_size=1, max_size=4).map(tuple))


def as_line(content: str | tuple[Message, ...], ascii_only: bool) -> str:
    if isinstance(content, str):
        return json.dumps({"text": content, "source": 1}, ensure_ascii=ascii_only)
    turns = [{"role": m.role, "content": m.content} for m in content]
    return json.dumps({"messages": turns}, ensure_ascii=ascii_only)


@given(contents=st.lists(document, max_size=6), ascii_only=st.booleans(), size=st.integers(1, 50))
def test_documents_are_the_same_however_the_text_is_cut(
    contents: list[str | tuple[Message, ...]], ascii_only: bool, size: int
) -> None:
    text = "\n \n".join(as_line(content, ascii_only) for content in contents)
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert list(read_records(pieces)) == contents


def test_a_prompt_with_its_completion_is_a_conversation() -> None:
    line = '{"prompt": "2+2?", "completion": "4"}\n'
    assert list(read_records([line])) == [(Message("user", "2+2?"), Message("assistant", "4"))]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('"text"', "not a JSON object"),
        ("{}", "no 'text'"),
        ('{"text": 3}', "'text' is not a text"),
        ('{"text": ""}', "'text' is empty"),
        ('{"prompt": "a"}', "no 'text'"),
        ('{"prompt": "a", "completion": null}', "no 'text'"),
        ('{"messages": []}', "not a list of messages"),
        ('{"messages": ["a"]}', "a message is not an object"),
        ('{"messages": [{"role": "robot", "content": "a"}]}', "the role 'robot' is not one of system"),
        ('{"messages": [{"role": ["user"], "content": "a"}]}', "is not one of system, user"),
        ('{"messages": [{"role": "user"}]}', "'content' is not a text"),
    ],
    ids=lambda value: value[:40],
)
def test_a_broken_line_is_reported_by_number_and_the_others_are_read(line: str, reason: str) -> None:
    found = list(read_records([f'{{"text": "a"}}\n\n{line}\n{{"text": "b"}}']))
    assert found[0] == "a" and found[2] == "b" and len(found) == 3
    broken = found[1]
    assert isinstance(broken, BrokenLine) and broken.number == 3 and reason in broken.reason


def test_a_line_that_is_too_long_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.jsonl.MAX_LINE_CHARACTERS", 100)
    long = json.dumps({"text": "x" * 200})
    for size in (7, 1000):
        text = f'{{"text": "a"}}\n{long}\n{{"text": "b"}}\n{long}'
        found = list(read_records(text[i : i + size] for i in range(0, len(text), size)))
        assert found[0] == "a" and found[2] == "b"
        assert [r.number for r in found if isinstance(r, BrokenLine)] == [2, 4]


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert list(read_records([r'{"text": "a\ud800b\ud83e\udd89"}'])) == ["a\ufffdb🦉"]
