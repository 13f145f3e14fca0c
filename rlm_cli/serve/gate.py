"""What every request passes first: the key, the name of the host, and a line in the log at its end."""

from __future__ import annotations

import hmac
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from data.wording import counted
from rlm_cli.serve.api_error import ApiError
from rlm_cli.serve.responses import ClientLeftError, JsonResponse, Receive, Scope, Send

if TYPE_CHECKING:
    from rlm_cli.serve.answers import Answer
    from rlm_cli.serve.served_model import Work

_LONGEST_PATH = 60


class Note:
    """What the log says about a request."""

    work: Work | None = None
    answer: Answer | None = None

    def begin(self, work: Work, answer: Answer) -> None:
        """Its texts are about to be written."""
        self.work, self.answer = work, answer

    def words(self) -> str:
        """The mode and the tokens."""
        if self.work is None or self.answer is None:
            return ""
        dropped = " (start left out)" if self.work.dropped else ""
        return (
            f"  {self.work.mode}  {self.work.prompt_tokens}{dropped} + {counted(self.answer.tokens, 'token')}"
        )


def note_of(scope: Any) -> Note:
    """The note of the request with this scope."""
    note = scope.setdefault("rlm.note", Note())
    assert isinstance(note, Note)
    return note


class Gate:
    """Wraps the application. `log` writes a line for each request, `report` one for each failure of ours.

    With a `key`, requests must carry it. Without one, and with `hosts`, the request must name one of them as
    its host: otherwise a page in a browser could reach this machine under a name of its own.
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Any],
        *,
        key: str | None = None,
        hosts: frozenset[str] | None = None,
        log: Callable[[str], None] = lambda line: None,
        report: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._app = app
        self._key = key
        self._hosts = hosts
        self._log = log
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began, status = time.perf_counter(), 0
        note = note_of(scope)

        async def send_noting_status(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        ending = ""
        try:
            self._check(scope)
            await self._app(scope, receive, send_noting_status)
        except ApiError as error:
            await JsonResponse.of_error(error)(scope, receive, send_noting_status)
        except ClientLeftError:
            status, ending = 499, "  cancelled by the client"  # nobody reads it; nginx logs this number
        except Exception as error:
            self._report(error)
            ending = "  failed"
            if not status:
                await JsonResponse.of_error(failure())(scope, receive, send_noting_status)
        finally:
            seconds = time.perf_counter() - began
            path = "".join(
                character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
                for character in scope["path"][:_LONGEST_PATH]
            )
            self._log(f"{scope['method'][:20]} {path} {status or '-'}{note.words()}  {seconds:.2f} s{ending}")

    def _check(self, scope: Scope) -> None:
        """Raise ApiError for a request without the key, or under another name."""
        headers = dict(scope["headers"])
        if self._key is not None:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            right = hmac.compare_digest(given.strip(), self._key.encode())
            if scheme.lower() != b"bearer" or not right:
                raise ApiError(
                    401, "The key is missing or wrong. Send it as Authorization: Bearer KEY.",
                    code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"},
                )  # fmt: skip
        elif self._hosts is not None and _host_name(headers.get(b"host", b"")) not in self._hosts:
            raise ApiError(403, "This server answers to its own address alone. Start it with --key.")


def _host_name(host: bytes) -> str:
    """The host of a header such as `localhost:8000` or `[::1]:8000`."""
    text = host.decode("latin-1").lower()
    return text.partition("]")[0].removeprefix("[") if text.startswith("[") else text.partition(":")[0]


def failure() -> ApiError:
    """The answer to a request whose computation failed."""
    return ApiError(500, "The server failed to answer this request. Its log says why.")


def failure_line(error: Exception) -> str:
    """An exception that is not ours, and where it was raised, in one line."""
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({place[0].filename}:{place[0].lineno})" if place else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{where}"
