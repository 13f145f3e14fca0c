"""How an answer is sent: whole, or as a stream of server-sent events. Either ends when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from rlm_cli.serve.api_error import ApiError, to_json

if TYPE_CHECKING:
    from rlm_cli.serve.answers import Answer
    from rlm_cli.serve.job import Job

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


_SEND_TIMEOUT_S = 60.0
"""A client that takes no more of a stream for so long counts as gone."""


class ClientLeftError(Exception):
    """The client has closed the connection, and reads no answer."""


class JsonResponse:
    """An object as JSON."""

    def __init__(self, value: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._body = to_json(value)
        self._status = status
        self._headers = headers or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"content-type": "application/json", "content-length": str(len(self._body))}
        await _start(send, self._status, {**headers, **self._headers})
        body = b"" if scope["method"] == "HEAD" else self._body
        await send({"type": "http.response.body", "body": body})

    @classmethod
    def of_error(cls, error: ApiError) -> JsonResponse:
        """An error in OpenAI's shape."""
        return cls(error.body, error.status, error.headers)


class WholeAnswer:
    """The answer as one object, once all of it is written."""

    def __init__(self, job: Job, answer: Answer) -> None:
        self._job = job
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await _unless_client_leaves(self._collect(), receive)
        finally:
            self._job.cancel()
        # A long answer with log-probabilities takes seconds to write out: other clients must not wait.
        response = await asyncio.to_thread(lambda: JsonResponse(self._answer.whole()))
        await response(scope, receive, send)

    async def _collect(self) -> None:
        async for token in self._job.tokens():
            self._answer.add(token)


class StreamedAnswer:
    """The answer as events, a token at a time. An error after its start is the last event."""

    def __init__(self, job: Job, answer: Answer, *, include_usage: bool) -> None:
        self._job = job
        self._answer = answer
        self._include_usage = include_usage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await _unless_client_leaves(self._send_all(send), receive)
        finally:
            self._job.cancel()

    async def _send_all(self, send: Send) -> None:
        await _start(send, 200, {"content-type": "text/event-stream", "cache-control": "no-cache"})
        async for event in self._events():
            body = b"data: " + event + b"\n\n"
            try:
                async with asyncio.timeout(_SEND_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            except TimeoutError:
                raise ClientLeftError from None
        await send({"type": "http.response.body", "body": b""})

    async def _events(self) -> AsyncIterator[bytes]:
        no_usage = {"usage": None} if self._include_usage else {}
        for opening in self._answer.opening():
            yield to_json({**opening, **no_usage})
        try:
            async for token in self._job.tokens():
                if chunk := self._answer.chunk(self._answer.add(token)):
                    yield to_json({**chunk, **no_usage})
        except ApiError as error:
            yield to_json(error.body)
            return
        if self._include_usage:
            yield to_json(self._answer.usage_chunk())
        yield b"[DONE]"


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def _unless_client_leaves(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Do the work. Raises ClientLeftError, and ends it, when the client closes the connection."""
    async with _running(work) as doing, _running(_client_leaves(receive)) as leaving:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientLeftError
        doing.result()


async def _client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """The work as a task, which has ended when the context ends."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
