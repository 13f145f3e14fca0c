"""The routes of the endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rlm_cli.serve.answers import Answer, ChatAnswer
from rlm_cli.serve.api_error import ApiError
from rlm_cli.serve.body import read_body
from rlm_cli.serve.gate import failure, note_of
from rlm_cli.serve.job import Job
from rlm_cli.serve.requests import ChatRequest, CompletionRequest, TextRequest, read_request
from rlm_cli.serve.responses import JsonResponse, StreamedAnswer, WholeAnswer

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request

    from models.generation.decoding_thread import DecodingThread
    from rlm_cli.serve.served_model import ServedModel, Work


def build_app(served: ServedModel, thread: DecodingThread, created: int) -> Starlette:
    """The application. `thread` writes its texts; `created` is the time of the model in seconds.

    Needs starlette.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    endpoints = _Endpoints(served, thread, created)
    app = Starlette(
        routes=[
            Route("/v1/models", endpoints.models),
            Route("/v1/models/{name}", endpoints.model),
            Route("/v1/completions", endpoints.completions, methods=["POST"]),
            Route("/v1/chat/completions", endpoints.chat, methods=["POST"]),
        ],
        exception_handlers={ApiError: _error_response, HTTPException: _route_error, Exception: _failure},
    )
    app.router.redirect_slashes = False
    return app


class _Endpoints:
    def __init__(self, served: ServedModel, thread: DecodingThread, created: int) -> None:
        self._served = served
        self._thread = thread
        self._created = created

    async def models(self, request: Request) -> Any:
        return JsonResponse({"object": "list", "data": [self._entry(name) for name in self._served.names()]})

    async def model(self, request: Request) -> Any:
        name = request.path_params["name"]
        self._served.mode_of(name)
        return JsonResponse(self._entry(name))

    async def completions(self, request: Request) -> Any:
        return await self._write(request, CompletionRequest, self._served.completions, Answer)

    async def chat(self, request: Request) -> Any:
        return await self._write(request, ChatRequest, self._served.chat, ChatAnswer)

    async def _write(
        self, request: Request, kind: type[Any], plan: Callable[[Any], Work], shape: type[Answer]
    ) -> Any:
        wanted: TextRequest = read_request(kind, await read_body(request))
        work = await asyncio.to_thread(plan, wanted)  # a long prompt takes a while to encode
        model = wanted.model or self._served.name
        answer = shape(
            work, self._served.loaded.tokenizer, model, wants_logprobs=wanted.alternatives is not None
        )
        note_of(request.scope).begin(work, answer)
        job = Job(work.continuations)
        job.start(self._thread)
        if not wanted.stream:
            return WholeAnswer(job, answer)
        options = wanted.stream_options
        return StreamedAnswer(job, answer, include_usage=bool(options and options.include_usage))

    def _entry(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": "rlm"}


async def _error_response(request: Request, error: Exception) -> Any:
    assert isinstance(error, ApiError)
    return JsonResponse.of_error(error)


async def _route_error(request: Request, error: Any) -> Any:
    """An unknown path or a wrong method."""
    words = {
        404: "There is no such path. There are: /v1/models, /v1/completions and /v1/chat/completions.",
        405: f"This path takes no {request.method[:20]} request.",
    }
    found = ApiError(error.status_code, words.get(error.status_code, str(error.detail)))
    return JsonResponse(found.body, found.status, dict(error.headers or {}))


async def _failure(request: Request, error: Exception) -> Any:
    """The error goes on to the gate, which reports it."""
    return JsonResponse.of_error(failure())
