"""The process that plans what is filled in, as the form asks it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tui.planner import PlanAnswer, Planner


def until(holds: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_it_answers_and_is_started_again_where_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "owl.txt"
    text.write_text("The owl counted the mice. " * 50, encoding="utf-8")
    heard: list[PlanAnswer] = []
    planner = Planner(heard.append)
    try:
        number = planner.ask([str(text)], text_only=True)
        until(lambda: heard and heard[-1].preview)
        assert heard[-1].id == number and heard[-1].preview.characters == 1300
        assert heard[-1].preview.encodings == ("utf-8",)
        process = planner._process
        assert process is not None
        process.kill()
        until(lambda: heard[-1].error)
        assert "has ended" in heard[-1].error.message
        process.wait()
        planner.ask([str(tmp_path / "none.txt")], text_only=True)
        until(lambda: heard[-1].error and heard[-1].error.field == "paths")
        second = planner._process
        assert second is not None and second is not process
    finally:
        planner.close()
    until(lambda: second.poll() is not None)
    assert heard[-1].error.field == "paths"  # that it was closed is no error
