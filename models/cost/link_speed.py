"""How fast two processes of this machine exchange bytes: measured between two threads in a few hundredths of
a second, over TCP inside the machine, as gloo does it."""

import socket
import threading
import time

from models.cost.machines import Link

_BYTES = 8 << 20
_CHUNK = 1 << 20
_ROUNDS = 200
_TRIES = 3
_PATIENCE_S = 2.0


def measure_link() -> Link:
    """The bandwidth and the latency of this machine's own connections; the best of a few tries.

    A sum needs the bytes of the other process and the time to add them, which is not in the bandwidth.
    """
    ours, theirs = _connected()
    with ours, theirs:
        other = threading.Thread(target=_answer, args=(theirs,), daemon=True)
        other.start()
        received = memoryview(bytearray(_CHUNK))
        latency_s = min(_seconds_of_a_hop(ours) for _ in range(_TRIES))
        ours.sendall(b"\1")
        bandwidth = max(_received_per_second(ours, received) for _ in range(_TRIES))
        ours.shutdown(socket.SHUT_RDWR)
        other.join()
    return Link(bandwidth, latency_s)


def _connected() -> tuple[socket.socket, socket.socket]:
    """The two ends of a connection of this machine to itself."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname(), timeout=_PATIENCE_S)
            theirs, _ = server.accept()
    except OSError:  # a machine without a loopback
        return socket.socketpair()
    for end in (ours, theirs):
        end.settimeout(None)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, theirs


def _answer(connection: socket.socket) -> None:
    """Send each byte back, and after a byte of one without end."""
    try:
        while (received := connection.recv(1)) == b"\0":
            connection.sendall(received)
        sent = bytes(_CHUNK)
        while received:
            connection.sendall(sent)
    except OSError:  # the other end is closed: it has measured enough
        return


def _seconds_of_a_hop(connection: socket.socket) -> float:
    began = time.perf_counter()
    for _ in range(_ROUNDS):
        connection.sendall(b"\0")
        connection.recv(1)
    return (time.perf_counter() - began) / (2 * _ROUNDS)


def _received_per_second(connection: socket.socket, buffer: memoryview) -> float:
    began, left = time.perf_counter(), _BYTES
    while left > 0:
        left -= connection.recv_into(buffer)
    return (_BYTES - left) / (time.perf_counter() - began)
