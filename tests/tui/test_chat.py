"""The chat: what its commands do, and its screen and keys."""

import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.pilot import Pilot

from data.errors import RlmError, UsageError
from models.generation.chat_session import ChatSession
from models.generation.chat_settings import ChatSettings
from models.generation.conversation import Conversation, ConversationStore
from models.generation.run_defaults import load_writer
from models.generation.settings import GenerationConfig
from models.runs.run import Run
from tests.tui.conftest import SIZES, remarks, shown, until
from tui.chat_talk import Answer, ChatTalk, Speed
from tui.screens import chat as chat_module
from tui.screens.chat import ChatScreen
from tui.screens.home import HomeScreen
from tui.widgets.chat_input import ChatInput


@pytest.fixture
def talk(chatty: Run) -> ChatTalk:
    settings = ChatSettings(generation=GenerationConfig(max_tokens=6, seed=1))
    store = ConversationStore(chatty.path / "conversations")
    conversation = Conversation("first", "chatty", "text", settings=settings)
    return ChatTalk(ChatSession(load_writer(chatty), conversation, store))


def answer(talk: ChatTalk, line: str) -> list[Speed]:
    """Send a line and write all of its answers."""
    speeds: list[Speed] = []
    for one in talk.submit(line):
        talk.write(one, lambda: False, speeds.append)
    return speeds


def said(talk: ChatTalk) -> str:
    return "\n".join(entry.text for entry in talk.entries)


def test_a_message_is_answered_and_its_line_tells_speed_and_passes(talk: ChatTalk) -> None:
    speeds = answer(talk, "the fox")
    assert [entry.kind for entry in talk.entries] == ["user", "model", "note"]
    assert talk.entries[1].text == talk.session.conversation.last("assistant")
    assert "tokens/s" in talk.entries[2].text and "per token" in talk.entries[2].text
    assert len(speeds) == 6 and speeds[-1].mean_passes >= 1


def test_settings_change_with_and_without_a_slash_also_while_it_writes(talk: ChatTalk) -> None:
    for line in ("mode deep", "/temp 0.3"):
        assert talk.submit(line, while_writing=True) == []
    assert talk.session.settings.mode == "deep" and talk.session.settings.generation.temperature == 0.3
    with pytest.raises(UsageError):
        talk.submit("hello", while_writing=True)
    with pytest.raises(UsageError):
        talk.submit("/mode dep")


def test_a_stopped_answer_keeps_what_there_is(talk: ChatTalk) -> None:
    (one,) = talk.submit("the fox")
    talk.write(one, lambda: True, lambda speed: None)
    assert "stopped by you" in said(talk)
    assert talk.session.stats is not None and talk.session.stats.tokens == 1


def test_every_command_of_the_table_does_something(talk: ChatTalk, tmp_path: Path) -> None:
    answer(talk, "the fox")
    for line in ("/retry", "/continue", "/compare", "/edit the hen", "/debug", "the owl", "/status", "/help"):
        answer(talk, line)
    assert talk.session.conversation.last("user") == "the owl"
    assert "--- deep 3x2" in said(talk) and "passes 2" in said(talk) and "no command" not in said(talk)
    for line in ("/history", "/undo", "/save mine", "/system", f"/export {tmp_path / 'talk.md'}", "/load"):
        talk.submit(line)
    assert (tmp_path / "talk.md").exists() and "mine  " in said(talk)
    talk.submit("/copy")
    talk.submit("/edit")
    assert talk.to_copy == talk.session.conversation.last("assistant") or talk.to_copy
    assert talk.to_edit == "the hen"
    talk.submit("/clear")
    talk.submit("/load mine")
    assert "Continuing mine" in said(talk)
    talk.submit("/quit")
    assert talk.wants_to_leave
    assert set(talk._handlers) | chat_settings_commands() == set(all_commands())


def chat_settings_commands() -> set[str]:
    from models.generation.chat_settings import SETTING_COMMANDS

    return set(SETTING_COMMANDS)


def all_commands() -> set[str]:
    from models.generation.chat_commands import COMMANDS

    return set(COMMANDS)


Chat = Callable[[Pilot[None], ChatScreen], Awaitable[None]]


@pytest.fixture
def chat(chatty: Run, drive, monkeypatch: pytest.MonkeyPatch):
    """`chat(do, size)`: open the chat with the run, and `do(pilot, screen)` in it."""
    monkeypatch.setattr(
        chat_module, "chat_settings",
        lambda run: ChatSettings(generation=GenerationConfig(max_tokens=8, seed=1)),
    )  # fmt: skip

    def run(do: Chat, size: tuple[int, int] = (80, 24)) -> None:
        async def inside(pilot: Pilot[None]) -> None:
            home = pilot.app.screen
            assert isinstance(home, HomeScreen)
            await until(pilot, lambda: home.table.rows_shown)
            await pilot.pause()
            await pilot.press("c")
            screen = pilot.app.screen
            assert isinstance(screen, ChatScreen)
            await until(pilot, lambda: screen.talk is not None)
            await pilot.pause()
            await do(pilot, screen)

        drive(inside, size)

    return run


async def send(pilot: Pilot[None], screen: ChatScreen, text: str) -> None:
    screen.query_one(ChatInput).fill(text)
    await pilot.press("enter")
    await until(pilot, lambda: not screen.is_writing)
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_a_chat_at_every_size(chat, size: tuple[int, int]) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        await send(pilot, screen, "the fox [bold]\x1b[31m")
        assert screen.talk is not None
        assert [entry.kind for entry in screen.talk.entries][-2:] == ["model", "note"]
        await send(pilot, screen, "mode deep")
        await send(pilot, screen, "temp 0.3")
        text = shown(pilot.app)
        assert "deep 3x2" in text and "temp 0.3" in text and not set(text) & {"\x1b", "\x9b"}
        await pilot.press("f3", "f9", "f9", "f8")
        settings = screen.talk.session.settings
        assert settings.mode == "thorough" and settings.generation.temperature == 0.4
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, HomeScreen)

    chat(do, size)


def test_commands_complete_and_earlier_lines_come_back(chat) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        entry = screen.query_one(ChatInput)
        await pilot.press("slash", "s", "e")
        assert entry.completes and entry.menu.option_count == 1
        await pilot.press("tab")
        assert entry.area.text == "/seed " and not entry.completes
        await pilot.press("7", "enter")
        assert screen.talk is not None and screen.talk.session.settings.generation.seed == 7
        entry.fill("a draft")
        await pilot.press("up")
        assert entry.area.text == "/seed 7"
        await pilot.press("down")
        assert entry.area.text == "a draft"
        entry.fill("one\\")
        await pilot.press("enter", "t", "ctrl+j")
        assert entry.area.text == "one\nt\n"

    chat(do)


def endless(session: ChatSession, text: str) -> Iterator[SimpleNamespace]:
    while True:
        time.sleep(0.002)
        yield SimpleNamespace(text="x", passes=2.0)


def test_escape_stops_an_answer_and_retry_writes_another(chat, monkeypatch: pytest.MonkeyPatch) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        await pilot.press("ctrl+r")  # there is nothing to retry yet
        await send(pilot, screen, "the hen")
        with monkeypatch.context() as patch:
            patch.setattr(ChatSession, "answer", endless)
            screen.query_one(ChatInput).fill("the fox")
            await pilot.press("enter")
            await until(pilot, lambda: screen.speed is not None and "xx" in shown(pilot.app))
            assert screen.is_writing
            await pilot.press("escape")
            await until(pilot, lambda: not screen.is_writing)
        assert pilot.app.screen is screen and screen.talk is not None
        before = len(screen.talk.entries)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: not screen.is_writing and len(screen.talk.entries) > before)

    chat(do)


def test_newer_weights_are_taken_with_one_key(chat, chatty: Run) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        assert screen.talk is not None
        first = screen.talk.session.chat_model
        chatty.weights_path.touch()
        screen._look_at_weights()
        await pilot.pause()
        assert "newer weights: F5" in shown(pilot.app)
        await pilot.press("f5")
        await until(pilot, lambda: screen.talk.session.chat_model is not first)
        await until(pilot, lambda: "These are the weights of" in shown(pilot.app))

    chat(do)


def test_a_model_that_fails_or_cannot_be_loaded_leaves_the_application_up(
    chat, drive, chatty: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of memory [bold]")

    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        monkeypatch.setattr(ChatTalk, "submit", lambda talk, line, while_writing: [Answer(broken)])
        await send(pilot, screen, "hello")
        assert "out of memory [bold]" in shown(pilot.app)

    chat(do)

    def refuse(run: Run) -> None:
        raise RlmError("Its weights are damaged.")

    monkeypatch.setattr(chat_module, "load_writer", refuse)

    async def refused(pilot: Pilot[None]) -> None:
        home = pilot.app.screen
        await until(pilot, lambda: home.table.rows_shown)
        await pilot.pause()
        await pilot.press("c")
        await until(pilot, lambda: pilot.app.screen is home and remarks(pilot.app))
        assert remarks(pilot.app) == ["Its weights are damaged."]

    drive(refused)
