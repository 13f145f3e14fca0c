"""What would keep the application from answering keys: the bottom line, garbage collections, descriptions."""

import ast
import gc
import weakref

import pytest
from textual.pilot import Pilot
from textual.widgets._footer import FooterKey

from models.runs.events import NoticeGiven
from tests.models.runs.example_events import started
from tests.tui.conftest import ROOT, shown, steps, until
from tests.tui.test_dashboard import append, opened
from tui import garbage_collection
from tui.garbage_collection import leave_alone
from tui.widgets.run_texts import LogList
from tui.widgets.text_rows import TextRows


def test_the_bottom_line_is_drawn_anew_only_with_other_keys_and_keeps_none(record, drive) -> None:
    record("owl", [started(), *steps(30)])

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        await pilot.press("2")
        await pilot.pause()
        before = set(screen.query(FooterKey))
        await pilot.press("1", "2", "3")
        await pilot.pause()
        assert set(screen.query(FooterKey)) == before and "f Filter" not in shown(pilot.app)
        gone = weakref.WeakSet(before)
        before.clear()
        await pilot.press("8")
        await pilot.pause()
        assert "f Filter" in shown(pilot.app)
        await pilot.press("1")
        await pilot.pause()
        assert "f Filter" not in shown(pilot.app)
        gc.collect()
        assert not gone

    drive(do)


def test_of_a_long_log_only_what_is_in_sight_is_drawn(record, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    notices = [NoticeGiven(message=f"notice {number}, {'and so on ' * 9}") for number in range(600)]
    run = record("owl", [started(), *steps(30), *notices])
    drawn: list[int] = []
    render_line = TextRows.render_line
    monkeypatch.setattr(TextRows, "render_line", lambda rows, y: (drawn.append(y), render_line(rows, y))[1])

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        await pilot.press("8")
        await pilot.pause()
        assert "notice 599" in shown(pilot.app) and screen.query_one(LogList).max_scroll_y > 500
        drawn.clear()
        append(run, NoticeGiven(message="the last one"))
        await until(pilot, lambda: "the last one" in shown(pilot.app))
        assert len(set(drawn)) < 60
        await pilot.press("home")
        await until(pilot, lambda: "notice 101" in shown(pilot.app))

    drive(do)


def test_what_lives_as_long_as_the_application_is_left_alone_once(
    record, drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage_collection, "_left_alone", set())
    frozen: list[int] = []
    monkeypatch.setattr(garbage_collection.gc, "freeze", lambda: frozen.append(1))

    async def do(pilot: Pilot[None]) -> None:
        await opened(pilot)

    record("owl", [started(), *steps(30)])
    for _ in range(2):
        drive(do)
    leave_alone("another")
    leave_alone("another")
    assert len(frozen) == 2


def test_no_worker_is_described_by_its_arguments() -> None:
    """Without a description Textual makes one, and the text of a model has thousands of its numbers."""
    found = 0
    for path in sorted((ROOT / "tui").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or len(node.args.args) == 1:
                continue
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "work":
                    found += 1
                    assert "description" in [given.arg for given in decorator.keywords], node.name
    assert found > 5
