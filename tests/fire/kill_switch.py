"""Kills the process it is in at one of the system calls that change files."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

_EVENTS = {
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
}
_CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class KillSwitch:
    """Counts the changes of files from now on, and kills the process before the one of number `kill_at`.

    0 kills nothing. A write is killed in its middle, when half of its bytes are there.
    """

    def __init__(self, kill_at: int) -> None:
        self.count, self._kill_at = 0, kill_at
        write = os.write

        def killed_in_the_middle(descriptor: int, data: Any) -> int:
            if descriptor > 2 and self._is_next():
                write(descriptor, bytes(data[: len(data) // 2]))
                self._kill()
            return write(descriptor, data)

        os.write = killed_in_the_middle
        os.fsync = self._watched(os.fsync)
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in _EVENTS
        if event == "open":
            path, _, flags = arguments
            changes = isinstance(flags, int) and bool(flags & _CHANGING) and path != os.devnull
        if changes and self._is_next():
            self._kill()

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any) -> Any:
            if self._is_next():
                self._kill()
            return original(*arguments)

        return operation

    def _is_next(self) -> bool:
        self.count += 1
        return self.count == self._kill_at

    def _kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
