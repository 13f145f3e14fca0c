"""Colours of tokens in a chat, the cursor over them, and its panel."""

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from models.generation.generate import GeneratedToken
from tests.tui.conftest import answer, send, shown, until
from tui.answer_tokens import AnswerTokens, TokenCursor
from tui.chat_entries import Entry
from tui.chat_talk import ALTERNATIVES, ChatTalk
from tui.screens.chat import ChatScreen
from tui.widgets.chat_status import ColorLegend
from tui.widgets.entry_text import EntryText
from tui.widgets.token_panel import TokenPanel


def answer_text(screen: ChatScreen) -> EntryText:
    return [one for one in screen.query(EntryText) if one.entry.kind == "model"][-1]


def styles(screen: ChatScreen) -> set[str]:
    """The styles in the last answer."""
    content = answer_text(screen).visual
    return {str(span.style) for span in content.spans}  # type: ignore[attr-defined]


def test_one_key_colours_by_probability_then_by_passes(chat) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        await send(pilot, screen, "the fox")
        legend = screen.query_one(ColorLegend)
        assert not styles(screen) and not legend.display
        await pilot.press("f4")
        await pilot.pause()
        assert any(style.startswith("$level-") for style in styles(screen))
        assert "probability in %" in shown(pilot.app) and "last answer: mean" in shown(pilot.app)
        await pilot.press("f4")
        await pilot.pause()
        assert styles(screen) == {"$level-1"}, "each took two passes"
        assert "every token took 2" in shown(pilot.app)
        await send(pilot, screen, "the hen")
        assert styles(screen) == {"$level-1"}, "a later answer has colours too"
        await pilot.press("f2")
        await pilot.press("f4")
        await pilot.pause()
        assert not styles(screen) and not legend.display

    chat(do)


def test_without_colours_the_levels_differ_in_their_weight(chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        await pilot.press("f4")
        await send(pilot, screen, "the fox")
        assert styles(screen) <= {"dim", "italic", "bold", "underline", "bold underline"} and styles(screen)

    chat(do)


@pytest.mark.parametrize("size", [(40, 12), (140, 45)])
def test_the_cursor_shows_a_token_and_its_alternatives(chat, size: tuple[int, int]) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        panel = screen.query_one(TokenPanel)
        await pilot.press("ctrl+t")
        assert not panel.display, "there is no answer yet"
        await send(pilot, screen, "the fox")
        await send(pilot, screen, "the hen")
        await pilot.press("ctrl+t", "right", "right")
        await pilot.pause()
        cursor = screen.view.transcript.cursor
        assert cursor is not None and cursor.token == 2 and panel.has_focus
        token = cursor.tokens[2]
        text = shown(pilot.app)
        assert f"id {token.id}" in text and "passes 2" in text and "3 of 8" in text
        assert "reverse" in styles(screen)
        likeliest = [repr(cursor.tokens.token_text(id)) for id, _ in token.alternatives]
        assert len(likeliest) == ALTERNATIVES
        assert all(name in text for name in likeliest[: {12: 1, 45: 7}[size[1]]])
        await pilot.press("up", "left", "end")
        assert cursor.answer == 0 and cursor.token == 7
        await pilot.press("escape")
        assert not panel.display and screen.input.area.has_focus and pilot.app.screen is screen
        await pilot.pause()
        assert "reverse" not in styles(screen)

    chat(do, size)


def test_a_click_on_a_token_puts_the_cursor_there(chat) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        await send(pilot, screen, "the fox")
        widget = answer_text(screen)
        tokens, text = widget.entry.tokens, widget.entry.text
        assert tokens is not None
        column = len(text.split("\n")[0]) - 1
        await pilot.click(EntryText, offset=(0, 0))  # a remark has no tokens
        assert screen.view.transcript.cursor is None
        await pilot.click(widget, offset=(column, 0))
        await until(pilot, lambda: screen.view.transcript.cursor is not None)
        cursor = screen.view.transcript.cursor
        assert cursor is not None and cursor.tokens is tokens and cursor.token == tokens.at(column)

    chat(do)


def test_an_answer_keeps_its_tokens_with_their_alternatives(talk: ChatTalk) -> None:
    answer(talk, "the fox")
    entry = talk.entries[1]
    assert entry.tokens is not None and len(entry.tokens) == 6
    assert "".join(entry.tokens[index].text for index in range(6)) == entry.text
    assert entry.tokens[0].alternatives[0][1] >= entry.tokens[0].alternatives[1][1]


def add_answer(screen: ChatScreen, texts: list[str]) -> EntryText:
    """Show an answer of these tokens."""
    tokens = AnswerTokens(lambda id: texts[id])
    for id, text in enumerate(texts):
        tokens.add(GeneratedToken(0, id, text, 0.5, 2.0, None, alternatives=((id, 0.5),)))
    assert screen.talk is not None
    screen.talk.add(Entry("model", "".join(texts), tokens))
    screen.view.show(screen.talk.entries)
    return answer_text(screen)


def test_a_click_finds_its_token_among_wide_characters_and_tabs(chat) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        widget = add_answer(screen, ["日", "本", "語", " ", "te", "\n", "a", "\t", "x"])
        await until(pilot, lambda: widget.size.height == 2)
        await pilot.pause()
        found = [
            [widget._character_at(widget.region.x + x, widget.region.y + y) or 0 for x in range(9)]
            for y in range(2)
        ]
        tokens = widget.entry.tokens
        assert tokens is not None
        assert [tokens.at(place) for place in found[0]] == [0, 0, 1, 1, 2, 2, 3, 4, 4]
        assert [tokens.at(place) for place in found[1]] == [6, *[7] * 7, 8]

    chat(do)


def test_a_cursor_that_moves_leaves_the_layout_as_it_is(chat, monkeypatch: pytest.MonkeyPatch) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        widget = add_answer(screen, ["one", " two", " three"])
        await pilot.pause()
        changed = []
        monkeypatch.setattr(widget, "update", lambda content, *, layout: changed.append(layout))
        await pilot.press("ctrl+t", "right", "right", "f4")
        await pilot.pause()
        assert changed and not any(changed)
        widget.entry.text += " four"
        screen.view.show([widget.entry])
        assert changed[-1]

    chat(do)


def test_wide_tokens_stand_in_even_columns(chat) -> None:
    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        names = ["日本", "a"]
        tokens = AnswerTokens(lambda id: names[id])
        tokens.add(GeneratedToken(0, 0, "日本", 0.5, 2.0, None, alternatives=((0, 0.5), (1, 0.25))))
        screen.view.panel.show(TokenCursor([tokens]))
        await pilot.pause()
        rows = [row for row in shown(pilot.app).split("\n") if " %  ━" in row]
        assert len({cell_len(row[: row.index(" %  ━")]) for row in rows}) == 1 and len(rows) == 2

    chat(do)
