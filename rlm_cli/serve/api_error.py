"""Errors in the shape of OpenAI's API: a status, and a JSON object that says what is wrong."""

import json
from typing import Any

from data.errors import RlmError
from models.generation.continuation import QueueFullError, StoppedError
from rlm_cli.wording import error_in_cli_words

_MOST_CHARACTERS = 400  # a request can hold names and numbers of any length
RETRY_AFTER_S = 2


class ApiError(Exception):
    """A request that is not answered. `param` is the field that is wrong, or None."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message if len(message) <= _MOST_CHARACTERS else message[:_MOST_CHARACTERS] + "…"
        self.param = param
        self.code = code
        self.headers = headers or {}

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object of the response."""
        kind = "invalid_request_error" if self.status < 500 and self.status != 429 else "server_error"
        if self.status == 429:
            kind = "rate_limit_error"
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


def api_error(error: RlmError, *, param: str | None = None) -> ApiError:
    """An error of the core, as an answer to the request that caused it."""
    message, hint = error_in_cli_words(error)
    sentence = f"{message} {hint}" if hint else message
    retry = {"Retry-After": str(RETRY_AFTER_S)}
    if isinstance(error, QueueFullError):
        return ApiError(429, sentence, code="queue_full", headers=retry)
    if isinstance(error, StoppedError):
        return ApiError(503, sentence, code="stopping", headers=retry)
    return ApiError(400, sentence, param=param)


def to_json(value: Any) -> bytes:
    """JSON in ASCII."""
    return json.dumps(value, allow_nan=False).encode("ascii")
