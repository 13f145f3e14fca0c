"""From JSON Lines to documents, and reports of broken lines."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.document import ROLES, Message
from data.jsonl import MAX_RECORD_CHARACTERS, BrokenRecord, read_records

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
        ('{"messages": [{"role": "user"}]}', "no message of 'messages' has a text"),
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


def test_the_length_in_the_message_is_the_documented_one() -> None:
    long = '{"text": "' + "x" * MAX_RECORD_CHARACTERS + '"}'
    (broken,) = read_records([long])
    assert isinstance(broken, BrokenRecord)
    limits = Path(__file__).parents[2] / "docs" / "runs.md"
    assert f"file | {broken.reason.removeprefix('longer than ')} |" in limits.read_text(encoding="utf-8")


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


def conversation(number: int) -> dict[str, object]:
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", str(number))]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("broken", [0, 4, 9])
@pytest.mark.parametrize("layout", ["[%s]", "[\n%s\n]"])
@pytest.mark.parametrize(
    "records", [[{"text": f"document {i}"} for i in range(10)], [conversation(i) for i in range(10)]]
)
def test_reading_goes_on_after_a_broken_record_on_the_same_line(
    records: list[dict[str, object]], layout: str, broken: int, size: int
) -> None:
    shown = [json.dumps(record) for record in records]
    shown[broken] = shown[broken].replace('": "', '" "', 1)
    text = layout % ", ".join(shown)
    found = list(read_records(text[i : i + size] for i in range(0, len(text), size)))
    intact = list(read_records([json.dumps(records)]))
    line = 1 + layout[: layout.index("%")].count("\n")
    assert found == [*intact[:broken], BrokenRecord(line, "not JSON"), *intact[broken + 1 :]]


@pytest.mark.parametrize("cut", ['[{"text": "a"}, {"text": "b', '[{"text": "a"},', '[\n{"text": "a"},\n{"te'])
def test_an_array_after_one_that_is_cut_is_read(cut: str) -> None:
    found = list(read_records([cut + '\n[{"text": "c"}, {"text": "d"}]\n']))
    assert found[0] == "a" and found[-2:] == ["c", "d"]
    assert all(isinstance(record, BrokenRecord) for record in found[1:-2])


@pytest.mark.parametrize("end", ["\n", "", ',\n{"text": }\n'])
def test_byte_order_marks_between_records_are_passed_over(end: str) -> None:
    for size in (1, 1000):
        text = '{"text": "a"}' + end + '\ufeff{"text": "b\ufeff"}\n\ufeff[{"text": "c"}]'
        found = list(read_records(text[i : i + size] for i in range(0, len(text), size)))
        assert [one for one in found if isinstance(one, str)] == ["a", "b\ufeff", "c"]
        assert len(found) == 3 + (len(end) > 1)
