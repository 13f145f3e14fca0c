"""Listens on a port, and makes the web server."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from data.errors import RlmError, UsageError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_CONNECTIONS = 512
_SILENT_SECONDS = 30  # without a request, until a connection is closed
_LAST_SECONDS = 3  # for answers that are being sent when a signal comes


def require_web_framework() -> None:
    """Raise RlmError where the extra is not installed."""
    try:
        import starlette.applications  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise RlmError(
            f"rlm serve needs {(error.name or 'a web framework').partition('.')[0]}, which is not installed.",
            hint="Install it: pip install 'rlm[serve]', or pip install starlette uvicorn.",
        ) from error


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 stands for one that is free. Raises RlmError, UsageError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"There is no address '{host}'.", hint="Give another with --host.") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there it would share the port with another server
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # From here on the port is ours, while the model is still loaded.
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from error
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> RlmError:
    if error.errno == errno.EADDRINUSE:
        return RlmError(
            f"Port {port} of {host} is taken.", hint="Give another with --port; --port 0 finds a free one."
        )
    if error.errno == errno.EACCES:
        return RlmError(
            f"Port {port} is for the administrator of this machine.",
            hint="Give one from 1024 on with --port.",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"This machine has no address '{host}'.", hint="Give another with --host.")
    return RlmError(f"rlm cannot listen on port {port} of {host}: {error.strerror or error}.")


def address_of(listener: socket.socket, host: str) -> str:
    """The address that clients use: `http://127.0.0.1:8000`."""
    port = listener.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def web_server(app: Any, on_signal: Callable[[], None]) -> Any:
    """uvicorn for `app`. Its `run(sockets=[…])` serves until Ctrl-C, SIGTERM, or `should_exit` is set.

    The first signal calls `on_signal`. The server ends once the last answers are sent, and the signal is
    raised again.
    """
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            on_signal()
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        app,
        http=_protocol(),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_SILENT_SECONDS,
        timeout_graceful_shutdown=_LAST_SECONDS,
        limit_concurrency=_MAX_CONNECTIONS,
    )
    return Server(config)


def _protocol() -> type[Any]:
    """uvicorn's own, which also closes a connection that sends no request for a while: connections are few,
    and one that stays silent would take the place of a client."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Protocol(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect_request(None)

        def on_response_complete(self) -> None:
            answered = self.cycle  # a request that waits takes its place in the next line
            super().on_response_complete()
            self._expect_request(answered)

        def _expect_request(self, answered: Any) -> None:
            def close_if_silent() -> None:
                if self.cycle is answered:
                    self.transport.close()

            self.loop.call_later(_SILENT_SECONDS, close_if_silent)

    return Protocol
