"""The endpoint behind its web server: requests at once, clients that leave, sockets that send no HTTP."""

import asyncio
import contextlib
import socket
import time

import pytest

from data.errors import RlmError, UsageError
from rlm_cli.serve.server import listen

httpx = pytest.importorskip("httpx2")


def until(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_requests_at_once_are_answered_as_they_are_alone(server) -> None:
    asked = [
        {"prompt": "abcdef"[: number % 5 + 1], "seed": number, "max_tokens": 3 + number % 4,
         "mode": ("fast", "deep")[number % 2]}
        for number in range(50)
    ]  # fmt: skip

    async def ask_all():
        async with httpx.AsyncClient(base_url=server.address, timeout=60) as client:
            return await asyncio.gather(*(client.post("/v1/completions", json=one) for one in asked))

    together = asyncio.run(ask_all())
    assert [response.status_code for response in together] == [200] * 50
    for number in range(0, 50, 11):
        alone = server.endpoint.complete(**asked[number])
        assert together[number].json()["choices"][0]["text"] == alone["choices"][0]["text"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_its_texts(server, stream) -> None:
    asked = {"prompt": "a", "max_tokens": 16_000, "n": 2, "stream": stream}
    load, lines = server.endpoint.thread, server.endpoint.lines
    before = len(lines)
    request = httpx.Request("POST", f"{server.address}/v1/completions", json=asked)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        connection.sendall(f"POST /v1/completions HTTP/1.1\r\n{head}\r\n".encode() + request.read())
        until(lambda: load.load[0] == 2)
        if stream:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    until(lambda: load.load == (0, 0))
    until(lambda: len(lines) > before)
    assert "499" in lines[before]
    assert "cancelled by the client" in lines[before]


def test_bytes_that_are_not_http_end_nothing(server) -> None:
    for content in (b"\x00\xff" * 500, b"GET\r\n\r\n", b"A" * 200_000, b""):
        answer = b""
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        with contextlib.suppress(OSError), connection:  # the server may have closed it already
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(100)
        assert answer[:12] in (b"HTTP/1.1 400", b"")
    assert httpx.get(f"{server.address}/v1/models").status_code == 200
    assert server.endpoint.reported == []


def test_a_port_that_is_taken() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(RlmError, match=f"Port {port} of 127.0.0.1 is taken") as error:
            listen("127.0.0.1", port)
        assert "--port" in error.value.hint
    with listen("127.0.0.1", port):
        pass  # free again at once


@pytest.mark.parametrize("host", ["no.such.host.invalid", "8.8.8.8", "a" * 300, "\ud800"])
def test_an_address_that_is_not_here(host) -> None:
    with pytest.raises(UsageError, match="no address"):
        listen(host, 0)


def test_a_connection_that_stays_silent_is_closed(server, monkeypatch) -> None:
    monkeypatch.setattr("rlm_cli.serve.server._SILENT_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as silent:
        silent.sendall(b"GET /v1/models HTTP/1.1\r\n")  # a request that never ends
        assert silent.recv(1) == b""


def test_a_connection_that_asked_once_is_closed_when_it_asks_no_more(server, monkeypatch) -> None:
    monkeypatch.setattr("rlm_cli.serve.server._SILENT_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as once:
        once.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while more := once.recv(4096):
            answer += more
    assert answer.startswith(b"HTTP/1.1 200")
