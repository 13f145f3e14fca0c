"""Reads the body of a request, which must be JSON of a bounded size that arrives in a bounded time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rlm_cli.serve.api_error import ApiError
from rlm_cli.serve.responses import ClientLeftError

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BODY_BYTES = 2**20
BODY_TIMEOUT_S = 30.0


async def read_body(request: Request) -> bytes:
    """The body. Raises ApiError, and ClientLeftError if the client leaves before its end."""
    from starlette.requests import ClientDisconnect

    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        # A page in a browser can send other types to this machine without asking.
        raise ApiError(415, "The body must be JSON, with the header Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(415, "The body must not be compressed.")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > MAX_BODY_BYTES):
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
    except TimeoutError:
        raise ApiError(408, f"The body did not arrive within {BODY_TIMEOUT_S:.0f} seconds.") from None
    except ClientDisconnect:
        raise ClientLeftError from None
    return bytes(body)


def _too_large() -> ApiError:
    # The rest of the body is not read, so the connection cannot be used again.
    headers = {"Connection": "close"}
    return ApiError(413, f"The body is larger than {MAX_BODY_BYTES:,} bytes.", headers=headers)
