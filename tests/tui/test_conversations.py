"""The list of saved conversations."""

import pytest
from textual.pilot import Pilot

from data.document import Message
from models.generation.chat_settings import ChatSettings
from models.generation.conversation import Conversation, ConversationStore
from models.runs.run import Run
from tests.tui.conftest import HOSTILE, confirm, send, shown, until
from tui.screens.chat import ChatScreen
from tui.screens.conversations import ConversationsScreen


@pytest.fixture
def saved(chatty: Run) -> ConversationStore:
    """Two conversations, and a file that is none."""
    store = ConversationStore(chatty.path / "conversations")
    for name, first in (("one", f"An owl {HOSTILE}"), ("two", "A hen")):
        turns = [Message("user", first), Message("assistant", "said"), Message("user", "more")]
        store.save(Conversation(name, "chatty", "text", turns=turns, settings=ChatSettings(mode="deep")))
    (store.folder / "three.json").write_text("{")
    return store


async def open_list(pilot: Pilot[None]) -> ConversationsScreen:
    await pilot.press("f7")
    screen = pilot.app.screen
    assert isinstance(screen, ConversationsScreen)
    await until(pilot, lambda: screen.choices.option_count)
    await pilot.pause()
    return screen


@pytest.mark.parametrize("size", [(40, 12), (140, 45)])
def test_a_saved_conversation_goes_on(chat, saved: ConversationStore, size: tuple[int, int]) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        assert "3 earlier conversations" in shown(pilot.app).replace("\n", " ")
        listed = await open_list(pilot)
        text = shown(pilot.app)
        assert "A hen" in text and "three cannot be read" in text and not set(text) & {"\x1b", "\x9b"}
        assert ("2 exchanges" in text and "deep" in text) == (size[0] > 70)
        listed.choices.highlighted = [one.name for one in listed.shown or ()].index("one")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        talk = screen.talk
        assert talk is not None and talk.session.conversation.name == "one"
        assert talk.session.settings.mode == "deep"
        assert [entry.kind for entry in talk.entries][:3] == ["user", "model", "user"]
        await pilot.press("up")
        assert screen.input.area.text == "more"

    chat(do, size)


def test_another_one_is_begun_and_one_is_deleted_after_a_question(chat, saved: ConversationStore) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        await send(pilot, screen, "the fox")
        assert screen.talk is not None
        current = screen.talk.session.conversation.name
        assert saved.read(current).exchanges == 1, "it is saved as it goes"
        listed = await open_list(pilot)
        assert listed.shown and listed.shown[0].name == current and "● the fox" in shown(pilot.app)
        await pilot.press("d")
        await until(pilot, lambda: "Delete" in shown(pilot.app) and "the fox" in shown(pilot.app))
        await confirm(pilot, "n")
        await pilot.press("d")
        await confirm(pilot, "y")
        await until(pilot, lambda: current not in saved.names())
        assert [one.name for one in listed.shown or () if one.name == current] == []
        await pilot.press("escape")
        # The new one may have the same name: it is made from the time, and the old one is gone.
        await until(pilot, lambda: not screen.talk.session.conversation.turns)
        await send(pilot, screen, "the hen")
        name = screen.talk.session.conversation.name
        await open_list(pilot)
        await pilot.press("n")
        await until(pilot, lambda: not screen.talk.session.conversation.turns)
        assert name in saved.names() and "New conversation." in shown(pilot.app)

    chat(do)


def test_one_that_cannot_be_read_says_so(chat, saved: ConversationStore) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        listed = await open_list(pilot)
        listed.choices.highlighted = [one.name for one in listed.shown or ()].index("three")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen and "damaged" in shown(pilot.app))
        assert screen.talk is not None and not screen.talk.session.conversation.turns

    chat(do)


def test_wide_characters_leave_the_columns_even(chat, saved: ConversationStore) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        turns = [Message("user", "日本語の昔話を一つ聞かせてください。" * 4)]
        saved.save(Conversation("wide", "chatty", "text", turns=turns))
        listed = await open_list(pilot)
        assert len({listed._row(one).cell_length for one in listed.shown or ()}) == 1

    chat(do)
