"""The chat: what its commands do, and its screen and keys."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual import events
from textual.pilot import Pilot

from data.document import Message
from data.errors import RlmError, UsageError
from models.generation.chat_session import ChatSession
from models.runs.run import Run
from tests.tui.conftest import SIZES, answer, remarks, said, send, shown, until
from tui import chat_writer
from tui.answer_tokens import AnswerTokens
from tui.chat_entries import Answer, Entry
from tui.chat_talk import ChatTalk
from tui.chat_writer import write_answer
from tui.messages import ModelLoaded
from tui.screens.chat import ChatScreen
from tui.screens.home import HomeScreen
from tui.widgets.chat_input import LONGEST, ChatInput
from tui.widgets.entry_text import EntryText


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
    write_answer(talk, one, lambda: True, lambda speed: None)
    assert "stopped by you" in said(talk)
    assert talk.session.stats is not None and talk.session.stats.tokens == 1


def test_every_command_of_the_table_does_something(talk: ChatTalk, tmp_path: Path) -> None:
    answer(talk, "the fox")
    for line in ("/retry", "/continue", "/compare", "/edit the hen", "/debug", "the owl", "/status", "/help"):
        answer(talk, line)
    assert talk.session.conversation.last("user") == "the owl"
    assert "deep 3x2" in [entry.heading for entry in talk.entries]
    assert "passes 2" in said(talk) and "no command" not in said(talk)
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
        yield SimpleNamespace(text="x", id=3, probability=0.5, passes=2.0, alternatives=())


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
            screen.input.fill("the owl")
            await pilot.press("enter")
            await until(pilot, lambda: screen.input.area.text == "the owl")  # it is refused, and not lost
            screen.input.fill("")
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

    monkeypatch.setattr(chat_writer, "load_writer", refuse)

    async def refused(pilot: Pilot[None]) -> None:
        home = pilot.app.screen
        await until(pilot, lambda: home.table.rows_shown)
        await pilot.pause()
        await pilot.press("c")
        await until(pilot, lambda: pilot.app.screen is home and remarks(pilot.app))
        assert remarks(pilot.app) == ["Its weights are damaged."]

    drive(refused)


def test_what_left_the_conversation_is_marked(talk: ChatTalk) -> None:
    answer(talk, "the fox")
    answer(talk, "/retry")
    assert [entry.is_gone for entry in talk.entries if entry.kind == "model"] == [True, False]
    assert not talk.entries[0].is_gone
    answer(talk, "/edit the hen")
    kept = [entry.text for entry in talk.entries if entry.kind in ("user", "model") and not entry.is_gone]
    assert kept == [turn.content for turn in talk.session.conversation.turns]
    answer(talk, "/undo")
    assert all(entry.is_gone for entry in talk.entries if entry.kind in ("user", "model"))
    assert talk.session.context()[0] == 0
    answer(talk, "the owl")
    answer(talk, "/compare fast deep")
    answer(talk, "/history")
    assert [entry.kind for entry in talk.entries] == ["user", "model"]
    assert talk.entries[1].tokens is not None, "an answer keeps its tokens"


def test_a_comparison_leaves_conversation_and_figures_as_they_are(talk: ChatTalk) -> None:
    answer(talk, "the fox")
    stats, turns = talk.session.stats, list(talk.session.conversation.turns)
    for one in talk.compare_two(None):
        write_answer(talk, one, lambda: False, lambda speed: None)
    compared = [entry for entry in talk.entries if entry.comparison]
    assert [entry.heading.split()[0] for entry in compared] == ["normal", "deep"]
    assert all(entry.text and "per token" in entry.footing for entry in compared)
    assert talk.session.stats is stats and talk.session.conversation.turns == turns


def columns(screen: ChatScreen) -> list[tuple[int, int]]:
    """Where the compared answers stand."""
    return [one.region.offset for one in screen.query(EntryText) if one.entry.comparison]


@pytest.mark.parametrize("size", [(140, 45), (80, 24)])
def test_modes_stand_side_by_side_in_a_wide_terminal(chat, size: tuple[int, int]) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        await pilot.press("f6")  # there is no prompt yet
        await until(pilot, lambda: "no prompt to compare" in shown(pilot.app))
        screen.input.fill("deep water")
        await pilot.press("f6")
        await until(pilot, lambda: not screen.is_writing and len(columns(screen)) == 2)
        await pilot.pause()
        (x, y), (other_x, other_y) = columns(screen)
        assert (y == other_y and x < other_x) if size[0] > 110 else (x == other_x and y < other_y)
        text = shown(pilot.app)
        assert text.count("passes") == 2, "the line below each answer is whole"
        assert "> deep water" in text and "normal 2x2" in text and "deep 3x2" in text
        assert screen.input.area.text == "" and screen.talk is not None
        assert not screen.talk.session.conversation.turns

    chat(do, size)


def test_a_stopped_comparison_says_what_was_not_written(chat, monkeypatch: pytest.MonkeyPatch) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        monkeypatch.setattr(ChatSession, "answer_at_mode", lambda session, *_, **__: endless(session, ""))
        screen.input.fill("/compare fast deep the fox")
        await pilot.press("enter")
        await until(pilot, lambda: screen.speed is not None)
        await pilot.press("f5", "f7", "ctrl+r")
        assert not screen.is_loading and pilot.app.screen is screen
        assert set(remarks(pilot.app)) == {"An answer is being written. Esc stops it."}
        await pilot.press("escape")
        await until(pilot, lambda: not screen.is_writing)
        assert screen.talk is not None
        assert [one.footing for one in screen.talk.entries if one.comparison][1] == "not written"

    chat(do)


def test_a_large_paste_is_cut_and_that_is_said(chat) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        screen.input.area.post_message(events.Paste("a\r\nb" * 250_000 + "\x1b[31m"))
        await until(pilot, lambda: remarks(pilot.app))
        (remark,) = remarks(pilot.app)
        assert remark == "The first 20,000 of 1,000,005 characters were pasted. A message holds no more."
        assert len(screen.input.area.text) == LONGEST and screen.input.area.text.startswith("a\nba\nb")
        screen.input.area.post_message(events.Paste("more"))
        await until(pilot, lambda: len(remarks(pilot.app)) == 2)
        assert len(screen.input.area.text) == LONGEST
        await send(pilot, screen, screen.input.area.text)
        await until(pilot, lambda: "more characters are not shown." in shown(pilot.app))

    chat(do)


def test_a_message_waits_for_the_model(chat, monkeypatch: pytest.MonkeyPatch) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        screen.is_loading = True
        await send(pilot, screen, "the fox")
        await send(pilot, screen, "the hen")
        assert screen.input.area.text == "the hen", "the second one is given back"
        screen.action_reload()
        assert screen.talk is not None
        screen.post_message(ModelLoaded(screen.talk.session.chat_model, 1.0))
        await until(pilot, lambda: screen.talk.session.conversation.last("assistant"))
        assert screen.talk.session.conversation.last("user") == "the fox"

    chat(do)


def test_every_key_says_why_it_waits_while_the_model_is_loaded(chat) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        screen.is_loading = True
        for key in ("f5", "f6", "f7", "ctrl+r"):
            await pilot.press(key)
        assert remarks(pilot.app) == ["The model is being loaded."] * 4
        assert pilot.app.screen is screen and not screen.is_writing

    chat(do)


def test_what_is_selected_in_the_input_is_copied_by_the_interrupt_key(chat) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        screen.input.fill("the fox")
        screen.input.area.select_all()
        await pilot.press("ctrl+c")
        assert pilot.app.clipboard == "the fox" and not remarks(pilot.app)

    chat(do)


def test_the_line_of_the_settings_follows_the_width(chat) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        await send(pilot, screen, "mode fast")
        await send(pilot, screen, "the fox")
        assert "━" in shown(pilot.app) and "1 pass  context" in shown(pilot.app)
        await pilot.resize_terminal(60, 24)
        await until(pilot, lambda: "━" not in shown(pilot.app))

    chat(do)


def test_the_input_is_seen_below_completions_in_the_lowest_terminal(chat) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        await pilot.press("slash")
        await until(pilot, lambda: screen.input.completes)
        await pilot.pause()
        assert screen.input.area.region.height and screen.input.menu.region.height

    chat(do, (20, 5))


def test_answers_of_the_same_text_keep_tokens_of_their_own(talk: ChatTalk) -> None:
    tokens = [AnswerTokens(str), AnswerTokens(str)]
    talk.entries[:] = [Entry("model", "the same", one) for one in tokens]
    talk.session.conversation.turns = [Message("user", "again"), Message("assistant", "the same")] * 2
    talk.submit("/history")
    assert [entry.tokens for entry in talk.entries if entry.kind == "model"] == tokens


def test_braces_of_the_user_are_no_commands(talk: ChatTalk) -> None:
    talk.words = lambda text: text.replace("{chat}", "rlm chat")
    talk.session.conversation.system = "Say {chat}."
    for line in ("/system", "/status"):
        talk.submit(line)
    assert said(talk).count("Say {chat}.") == 2 and "rlm chat" not in said(talk)
    talk.say_error(RlmError("No.", hint="Use {chat}."))
    assert "Use rlm chat." in said(talk)
