"""A model is loaded while the first message is typed."""

import os
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from models.errors import CheckpointError
from rlm_cli.chat.line_chat import LineChat
from rlm_cli.chat.line_readers import TerminalReader
from rlm_cli.chat.loading_model import LoadingModel, LoadingReader, end_if_loading
from rlm_cli.output import Output

LOADED: Any = SimpleNamespace(model="the model", tokenizer="the tokenizer")
DAMAGED = CheckpointError("The weights are damaged.")


@pytest.fixture
def pipe():
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe


def reader_of(loading: LoadingModel, tell=lambda loaded: None) -> LoadingReader:
    return LoadingReader(TerminalReader(None), loading, tell, Output())


def damaged() -> Any:
    raise DAMAGED


def test_a_line_that_is_sent_early_waits_for_the_model(pipe) -> None:
    is_sent, told = threading.Event(), []

    def load() -> Any:
        assert is_sent.wait(30)
        return LOADED

    loading = LoadingModel(load, "text")
    reader = reader_of(loading, told.append)
    loading.start()
    pipe.send_text("first\rsecond\r")
    threading.Timer(0.1, is_sent.set).start()
    assert loading.kind == "text"
    assert (reader.read(), told) == ("first", [LOADED])
    assert (reader.read(), told) == ("second", [LOADED])
    assert (loading.model, loading.tokenizer) == ("the model", "the tokenizer")


def test_the_end_of_loading_is_told_while_a_line_is_typed(pipe) -> None:
    loading = LoadingModel(lambda: LOADED, "text")
    told: list[Any] = []

    def tell(loaded: Any) -> None:
        told.append(loaded)
        pipe.send_text(" after\r")  # the line is sent only if this is called before

    pipe.send_text("before")
    reader = reader_of(loading, tell)
    loading.start()
    assert reader.read() == "before after"
    assert told == [LOADED]


@pytest.mark.parametrize("keys", ["", "half a line", "a line\r"])
def test_an_error_ends_the_input_line_and_the_chat(pipe, chat, keys: str) -> None:
    loading = LoadingModel(damaged, "text")
    pipe.send_text(keys)
    line_chat = LineChat(chat().session, Output(), reader_of(loading))
    loading.start()
    with pytest.raises(CheckpointError) as raised:
        line_chat.run()
    assert raised.value is DAMAGED


def test_leaving_does_not_wait_for_a_load(monkeypatch: pytest.MonkeyPatch) -> None:
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    is_loaded = threading.Event()
    loading = LoadingModel(lambda: is_loaded.wait(30) and LOADED, "text")
    loading.start()
    end_if_loading(3)
    is_loaded.set()
    loading.wait()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon and "chat" in thread.name:
            thread.join(10)
    end_if_loading(4)
    assert exits == [3]
