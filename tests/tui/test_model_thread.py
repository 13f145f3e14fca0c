"""Leaving the application while a model is being loaded."""

import asyncio
import os
import threading
import time

import pytest
from textual.pilot import Pilot

from tui import chat_writer
from tui.model_thread import end_if_loading, load_in_thread
from tui.screens.chat import ChatScreen


def test_what_a_load_gives_and_raises_comes_back() -> None:
    def fails() -> None:
        raise ValueError("no")

    assert asyncio.run(load_in_thread(lambda: 3)) == 3
    with pytest.raises(ValueError, match="no"):
        asyncio.run(load_in_thread(fails))


def test_leaving_does_not_wait_for_a_load(record, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    run, is_loaded, exits = record("owl"), threading.Event(), []
    monkeypatch.setattr(chat_writer, "load_writer", lambda run: is_loaded.wait(60))
    monkeypatch.setattr(os, "_exit", exits.append)

    async def do(pilot: Pilot[None]) -> None:
        pilot.app.push_screen(ChatScreen(run.path))
        await pilot.pause()
        assert pilot.app.screen.is_loading
        await pilot.press("ctrl+q")

    began = time.monotonic()
    try:
        drive(do)
        assert time.monotonic() - began < 30
        loads = [thread for thread in threading.enumerate() if thread.name == "rlm-model"]
        assert [thread.daemon for thread in loads] == [True]
        end_if_loading(3)
        assert exits == [3]
    finally:
        is_loaded.set()
    loads[0].join()
    end_if_loading(4)
    assert exits == [3]
