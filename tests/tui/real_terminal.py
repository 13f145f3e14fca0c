"""A program on a real terminal: a pseudo terminal, and an emulator that knows what a person would see."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pyte

ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "space": " ",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "f3": "\x1bOR",
    "f5": "\x1b[15~",
    "f10": "\x1b[21~",
    "ctrl+c": "\x03",
    "ctrl+q": "\x11",
}


class RealTerminal:
    """`rlm` with these arguments on a terminal of `columns` and `rows`. Leaving the context kills it."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        columns: int = 100,
        rows: int = 30,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.received = bytearray()
        """Every byte that reached the terminal."""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        given = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **(environment or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rlm_cli", *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=given, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def __enter__(self) -> "RealTerminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    @property
    def text(self) -> str:
        """The screen as a person sees it."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def type(self, text: str) -> None:
        """Type characters, without Enter. A surrogate stands for a byte, as in the names of files."""
        os.write(self._ours, text.encode("utf-8", "surrogateescape"))

    def press(self, *keys: str) -> None:
        """Press keys by their names, or those of single characters. After each, see what it does."""
        for key in keys:
            self.type(KEYS.get(key, key))
            self._read(1.0)
            while self._read(0.2):
                pass

    def wait_for(self, what: str | Callable[[str], object], limit_s: float = 90.0) -> str:
        """Wait until the screen shows `what`, or `what` holds for its text, which is given back."""
        ends = time.monotonic() + limit_s
        while not (what in self.text if isinstance(what, str) else what(self.text)):
            assert time.monotonic() < ends, f"never seen: {what}\n{self.text}"
            assert self.process.poll() is None or self._read(0.1), f"it ended before: {what}\n{self.text}"
            self._read(0.1)
        return self.text

    def wait_for_end(self, limit_s: float = 60.0) -> int:
        """Wait until the program ends. The value is its exit code."""
        ends = time.monotonic() + limit_s
        while self.process.poll() is None:
            assert time.monotonic() < ends, f"it goes on\n{self.text}"
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.returncode

    def _read(self, wait_s: float) -> bool:
        """Take in what the program writes within `wait_s`. Whether there was something."""
        found = False
        with contextlib.suppress(OSError):  # the other side is closed
            while select.select([self._ours], [], [], 0 if found else wait_s)[0]:
                data = os.read(self._ours, 1 << 16)
                if not data:
                    break
                found = True
                self.received.extend(data)
                self._stream.feed(data)
        return found
