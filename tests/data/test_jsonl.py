"""From JSON Lines to documents, and reports of broken lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.document import ROLES, Message
from data.jsonl import BrokenRecord, read_records

message = st.builds(Message, st.sampled_from(ROLES), st.text())
document = st.one_of(st.text(min_size=1), st.lists(message, min_size=1, max_size=4).map(tuple))


def as_record(content: str | tuple[Message, ...]) -> dict[str, object]:
    if isinstance(content, str):
        return {"text": content, "source": 1}
    return {"messages": [{"role": m.role, "content": m.content} for m in content]}


@given(
    contents=st.lists(document, max_size=6),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 0, 2]),
    between=st.sampled_from(["\n \n", "", "array"]),
    size=st.integers(1, 50),
)
def test_documents_are_the_same_however_the_text_is_laid_out_and_cut(
    contents: list[str | tuple[Message, ...]], ascii_only: bool, indent: int | None, between: str, size: int
) -> None:
    records = [as_record(content) for content in contents]
    if between == "array":
        text = json.dumps(records, ensure_ascii=ascii_only, indent=indent)
    else:
        text = between.join(json.dumps(one, ensure_ascii=ascii_only, indent=indent) for one in records)
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
        ('{"text": "x", "id": ' + "7" * 5000 + "}", "not JSON"),
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
    assert isinstance(broken, BrokenRecord) and broken.line == 3 and reason in broken.reason


def test_a_line_that_is_too_long_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.jsonl.MAX_RECORD_CHARACTERS", 100)
    long = json.dumps({"text": "x" * 200})
    for size in (7, 1000):
        text = f'{{"text": "a"}}\n{long}\n{{"text": "b"}}\n{long}'
        found = list(read_records(text[i : i + size] for i in range(0, len(text), size)))
        assert found[0] == "a" and found[2] == "b"
        assert [r.line for r in found if isinstance(r, BrokenRecord)] == [2, 4]


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert list(read_records([r'{"text": "a\ud800b\ud83e\udd89"}'])) == ["a\ufffdb🦉"]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_reading_goes_on_after_a_broken_record_of_several_lines(size: int) -> None:
    text = json.dumps(
        [{"text": "a", "x": [{"y": 1}]}, {"text": "b", "x": [{"y": 1}]}, {"text": "c"}], indent=2
    )
    broken = text.replace('"text": "b",', '"text": "b"')
    found = list(read_records(broken[i : i + size] for i in range(0, len(text), size)))
    assert found == ["a", BrokenRecord(10, "not JSON"), "c"]
