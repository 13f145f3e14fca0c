"""The texts of one request, on their way from the thread that writes them to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from data.errors import RlmError
from rlm_cli.serve.api_error import api_error

if TYPE_CHECKING:
    from models.generation.continuation import Continuation, Result
    from models.generation.decoding_thread import DecodingThread
    from models.generation.row import GeneratedToken


class Job:
    """Texts that are being written. Create it in the event loop that reads them."""

    def __init__(self, continuations: Sequence[Continuation]) -> None:
        self._continuations = continuations
        self._left = len(continuations)
        self._loop = asyncio.get_running_loop()
        self._results: asyncio.Queue[list[Result]] = asyncio.Queue()

    def start(self, thread: DecodingThread) -> None:
        """Have the texts written. Raises ApiError where there is no room for them."""
        try:
            thread.submit(self._continuations, self._deliver)
        except RlmError as error:
            raise api_error(error, param="prompt") from None

    async def tokens(self) -> AsyncIterator[GeneratedToken]:
        """The tokens of all texts as they are written, up to the last. Raises ApiError for one that fails."""
        while self._left:
            for _, outcome in await self._results.get():
                if isinstance(outcome, RlmError):
                    error = api_error(outcome)
                    error.status = max(500, error.status)  # the request was right
                    raise error
                self._left -= outcome.finished is not None
                yield outcome

    def cancel(self) -> None:
        """Write no further token of these texts."""
        for text in self._continuations:
            text.cancelled = True

    def _deliver(self, results: list[Result]) -> None:
        """Called in the other thread."""
        self._loop.call_soon_threadsafe(self._results.put_nowait, results)
