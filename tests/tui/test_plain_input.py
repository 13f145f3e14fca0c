"""Lines that are typed or pasted: no control character in them reaches the terminal."""

import ast
import asyncio
from collections.abc import Iterator

from textual.app import App, ComposeResult
from textual.events import Paste

from tests.tui.conftest import HOSTILE, ROOT
from tui.widgets.plain_input import PlainInput


def inputs_made(source: str) -> Iterator[str]:
    """The calls and classes that make an input of Textual."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Input", "MaskedInput"):
            yield ast.unparse(node)
        if isinstance(node, ast.ClassDef) and "Input" in map(ast.unparse, node.bases):
            yield node.name


def test_every_input_is_a_plain_one() -> None:
    found = {path.name: list(inputs_made(path.read_text("utf-8"))) for path in (ROOT / "tui").rglob("*.py")}
    assert {name: made for name, made in found.items() if made} == {"plain_input.py": ["PlainInput"]}


def test_what_is_pasted_or_filled_in_is_safe_and_a_paste_is_cut() -> None:
    class Page(App[None]):
        def compose(self) -> ComposeResult:
            yield PlainInput(max_length=12)

    async def go() -> None:
        app = Page()
        async with app.run_test() as pilot:
            field = app.query_one(PlainInput)
            field.value = HOSTILE
            field.placeholder = HOSTILE
            assert not set(field.value + str(field.placeholder)) & set("\x1b\x9b\u202e")
            field.value = "before"
            field.cursor_position = len("before")
            field.post_message(Paste("\x1b[2J and\nafter"))
            await pilot.pause()
            assert field.value == "before␛[2J a", "as much as there is room for"
            field.select_all()
            field.post_message(Paste("one\ntwo"))
            await pilot.pause()
            assert field.value == "one two"

    asyncio.run(go())
