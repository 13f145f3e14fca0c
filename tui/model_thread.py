"""Loads a model in a thread that the end of the process does not wait for.

Torch takes seconds to import and a large model seconds to read, and neither can be interrupted. Python would
wait for the thread of a Textual worker before it ends.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from models.torch_import import import_torch
from tui.garbage_collection import leave_alone

_Loaded = TypeVar("_Loaded")
_NAME = "rlm-model"


async def load_in_thread(load: Callable[[], _Loaded]) -> _Loaded:
    """What `load()` gives. Raises what it raises. Where this is cancelled, `load()` goes on unheard."""
    future: Future[_Loaded] = Future()

    def run() -> None:
        future.set_running_or_notify_cancel()
        try:
            import_torch()
            loaded = load()
        except BaseException as error:
            future.set_exception(error)
        else:
            leave_alone("the first model")
            future.set_result(loaded)

    threading.Thread(target=run, name=_NAME, daemon=True).start()
    return await asyncio.wrap_future(future)


def end_if_loading(status: int) -> None:
    """End the process with `status` at once where a model is still being loaded.

    Python's own way out can crash while another thread is inside torch. A load writes nothing.
    """
    if any(thread.name == _NAME for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
