"""Loads a model in a thread while the first message is typed. Importing torch is most of it."""

import asyncio
import contextlib
import contextvars
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from rlm_cli.chat.line_readers import TerminalReader
from rlm_cli.output import Output
from rlm_cli.streams import OutputError

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.key_binding import KeyPress

    from data.tokenizer import Tokenizer
    from models.recursive_lm import RecursiveLM
    from models.runs.load import LoadedModel

_NAME = "rlm-chat-model"


class LoadingModel:
    """A `ChatModel` whose `kind` is known at once. The other parts wait for `load`, and raise what it
    raised."""

    def __init__(self, load: "Callable[[], LoadedModel]", kind: str) -> None:
        self.kind = kind
        self._future: Future[LoadedModel] = Future()
        self._thread = threading.Thread(target=self._run, args=(load,), name=_NAME, daemon=True)

    def start(self) -> None:
        """Begin to load. Called late, so that what the input line imports does not wait for this."""
        self._thread.start()

    @property
    def model(self) -> "RecursiveLM":
        return self.wait().model

    @property
    def tokenizer(self) -> "Tokenizer":
        return self.wait().tokenizer

    @property
    def error(self) -> BaseException | None:
        """What `load` raised, if it has ended."""
        return self._future.exception() if self._future.done() else None

    def wait(self) -> "LoadedModel":
        """The loaded model. Ctrl-C raises KeyboardInterrupt, and the loading goes on."""
        return self._future.result()

    def when_done(self, call: Callable[[], None]) -> None:
        """Have the thread call this at its end, or do it now if it has ended."""
        self._future.add_done_callback(lambda _: call())

    def _run(self, load: "Callable[[], LoadedModel]") -> None:
        try:
            loaded = load()
        except BaseException as error:
            self._future.set_exception(error)
        else:
            self._future.set_result(loaded)


class LoadingReader:
    """Reads lines with `reader`, and gives the first one when the model is loaded.

    `tell` is then called with the model, above the input line if that is still shown. An error of the loading
    ends the input line, and `read` raises it.
    """

    def __init__(
        self,
        reader: TerminalReader,
        loading: LoadingModel,
        tell: "Callable[[LoadedModel], None]",
        output: Output,
    ) -> None:
        self._reader, self._loading, self._tell, self._output = reader, loading, tell, output
        self._is_told = False

    def read(self, default: str = "") -> str:
        if self._is_told:
            return self._reader.read(default)
        line = self._reader.read(default, at_start=self._watch)
        with self._output.passing("Loading the model …"):
            self._loading.wait()
        self._tell_once()
        return line

    def keep(self, keys: "list[KeyPress]") -> None:
        self._reader.keep(keys)

    def forget(self) -> None:
        self._reader.forget()

    def _watch(self) -> None:
        """Have the loop of the input line, which has just started, learn of the end of the loading."""
        from prompt_toolkit.application.current import get_app

        app, loop, context = get_app(), asyncio.get_running_loop(), contextvars.copy_context()

        def ended() -> None:
            with contextlib.suppress(RuntimeError):  # the line was sent, and its loop is closed
                loop.call_soon_threadsafe(self._ended, app, context=context)

        self._loading.when_done(ended)

    def _ended(self, app: "Application[str]") -> None:
        if app.future is None or app.future.done():  # the line was sent
            return
        if (error := self._loading.error) is None:
            # Not run_in_terminal: it changes the mode of the terminal, and an Enter typed meanwhile is lost.
            app.renderer.erase()
            self._tell_once()
            app.renderer.reset()
            app.renderer.request_absolute_cursor_position()
            app.invalidate()
        else:
            app.exit(exception=error)

    def _tell_once(self) -> None:
        if not self._is_told:
            from models.device import prepare_process

            self._is_told = True
            loaded = self._loading.wait()
            prepare_process()  # a part of its settings is each thread's own
            self._tell(loaded)


def end_if_loading(status: int) -> None:
    """End the process with `status` at once where a model is still being loaded.

    Python's own way out can crash while another thread is inside torch. A load writes nothing.
    """
    if any(thread.name == _NAME for thread in threading.enumerate()):
        with contextlib.suppress(OutputError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
