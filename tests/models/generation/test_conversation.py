"""Conversations survive saving and loading, and stay in their folder."""

import json
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.document import Message
from data.errors import RlmError, StorageError, UsageError
from data.safe_text import safe_text
from models.generation.chat_settings import ChatSettings
from models.generation.conversation import Conversation, ConversationStore
from models.generation.saved_conversations import saved_conversation

TEXTS = st.text(max_size=20)
CONVERSATIONS = st.builds(
    Conversation,
    name=st.from_regex(r"[a-z0-9-]{1,10}", fullmatch=True),
    run=TEXTS,
    kind=st.sampled_from(["text", "documents", "messages"]),
    created=st.floats(0, 2e9),
    system=TEXTS,
    turns=st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), TEXTS), max_size=6),
    settings=st.builds(ChatSettings, mode=st.sampled_from(["fast", "deep"])),
)


@given(CONVERSATIONS)
def test_json_round_trip_keeps_everything(conversation: Conversation) -> None:
    assert Conversation.from_json(conversation.to_json()) == conversation
    assert conversation.to_json().isascii()


@given(CONVERSATIONS)
def test_jsonl_can_be_trained_on_and_markdown_is_safe(conversation: Conversation) -> None:
    line = conversation.to_jsonl()
    assert line.count("\n") == 1
    messages = [Message(m["role"], m["content"]) for m in json.loads(line)["messages"]]
    assert messages == conversation.messages()
    assert safe_text(conversation.to_markdown()) == conversation.to_markdown()


@given(CONVERSATIONS)
def test_undo_removes_the_last_message_and_its_answer(conversation: Conversation) -> None:
    before = list(conversation.turns)
    message = conversation.undo()
    users = [i for i, turn in enumerate(before) if turn.role == "user"]
    assert conversation.turns == (before[: users[-1]] if users else before)
    assert message == (before[users[-1]].content if users else None)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"format_version": 1}', '{"format_version": 99}', "[" * 9999]
)
def test_text_that_is_no_conversation_is_refused(text: str) -> None:
    with pytest.raises(RlmError):
        Conversation.from_json(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("settings", []),
        ("settings", None),
        ("settings", "fast"),
        ("settings", {"generation": [1]}),
        ("settings", {"mode": "none such"}),
        ("turns", None),
        ("turns", 3),
        ("turns", {"role": "user"}),
        ("turns", ["hello"]),
        ("turns", [["user", "hello"]]),
        ("turns", [{"role": "user"}]),
        ("turns", [{"role": "user", "content": 1}]),
        ("turns", [{"role": ["user"], "content": "hello"}]),
        ("created", 1e300),
        ("created", 10**400),
        ("created", float("nan")),
        ("created", []),
        ("format_version", None),
    ],
)
def test_invalid_conversation_file_is_named_in_the_error(tmp_path, key: str, value: object) -> None:
    content = json.loads(Conversation("odd", "run", "text").to_json())
    (tmp_path / "odd.json").write_text(json.dumps({**content, key: value}))
    with pytest.raises(RlmError, match=r"odd\.json' is damaged"):
        ConversationStore(tmp_path).load("odd")


def test_later_version_is_not_reported_as_damage(tmp_path) -> None:
    (tmp_path / "new.json").write_text('{"format_version": 99}')
    with pytest.raises(RlmError, match="later version"):
        ConversationStore(tmp_path).load("new")


def test_chats_started_in_the_same_second_get_different_names(tmp_path) -> None:
    stores = [ConversationStore(tmp_path) for _ in range(3)]
    talks = [Conversation("now", "run", "text", turns=[Message("user", str(i))]) for i in range(3)]
    for _ in range(2):
        for store, talk in zip(stores, talks, strict=True):
            assert store.save(talk) == store.path(talk.name)
    assert sorted(stores[0].names()) == ["now", "now-2", "now-3"]
    for talk in talks:
        assert ConversationStore(tmp_path).load(talk.name).turns == talk.turns
    stores[0].remove("now-2")
    assert "now-2" in stores[0].names()


def test_name_is_claimed_once_and_listed_after_saving(tmp_path) -> None:
    first, second = ConversationStore(tmp_path), ConversationStore(tmp_path)
    assert first.claim("mine")
    assert not first.claim("mine")
    assert not second.claim("mine")
    assert first.names() == []
    first.remove("mine")
    assert second.claim("mine")


def test_files_are_private_and_listed_newest_first(tmp_path) -> None:
    store = ConversationStore(tmp_path / "conversations")
    assert store.names() == []
    for name in ("one", "two", "one"):
        path = store.save(Conversation(name, "run", "text", turns=[Message("user", name)]))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert store.names()[0] == "one"
    assert store.load("two").turns == [Message("user", "two")]
    assert {p.name for p in store.folder.iterdir()} == {"one.json", "two.json"}
    assert store.new_name() not in store.names()


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "", ".hidden", "a/b", "a" * 65, "a\x1b"])
def test_conversation_name_cannot_leave_the_folder(tmp_path, name: str) -> None:
    with pytest.raises(UsageError):
        ConversationStore(tmp_path).path(name)


def test_unknown_damaged_and_linked_files(tmp_path) -> None:
    store = ConversationStore(tmp_path)
    store.save(Conversation("known", "run", "text"))
    with pytest.raises(UsageError) as caught:
        store.load("unknown")
    assert "known" in (caught.value.hint or "")
    (tmp_path / "broken.json").write_bytes(b"\xff{")
    (tmp_path / "linked.json").symlink_to(tmp_path / "known.json")
    for name in ("broken", "linked"):
        with pytest.raises(RlmError, match="damaged"):
            store.load(name)
    assert "linked" not in store.names()


def test_uncreatable_folder_raises_storage_error(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        ConversationStore(tmp_path / "file" / "inside").save(Conversation("a", "run", "text"))


def test_a_saved_conversation_is_listed_and_deleted_whoever_owns_it(tmp_path) -> None:
    store, other = ConversationStore(tmp_path), ConversationStore(tmp_path)
    conversation = Conversation("one", "run", "text", turns=[Message("user", "the  owl\nsaid")])
    path = other.save(conversation)
    listed = saved_conversation(store, "one")
    assert (listed.first_words, listed.exchanges, listed.mode) == ("the owl said", 1, "normal")
    assert listed.modified == path.stat().st_mtime and listed.line() == "1 exchange: the owl said"
    path.write_text("{}")
    broken = saved_conversation(store, "one")
    assert broken.problem is not None and broken.line() == "cannot be read"
    store.delete("one")
    assert not path.exists()
    store.delete("one")  # it is gone already
    with pytest.raises(UsageError):
        store.delete("../one")
