"""Kills a process at one of its operations that change folders, without killing the tests."""

import os
from collections.abc import Callable
from typing import Any

import pytest

CHANGING = ("rename", "replace", "remove", "unlink", "mkdir", "link", "rmdir")


class Killed(BaseException):
    """Nothing catches it."""


class Operations:
    """Counts what changes folders, and ends everything at one of them, before it or after it is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.kill_at, self.disk_full = 0, 0, False
        for name in CHANGING:
            monkeypatch.setattr(os, name, self._watched(getattr(os, name)))

    def arm(self, kill_at: int) -> None:
        self.count, self.kill_at = 0, kill_at

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            if self.kill_at and self.count > self.kill_at:  # the dead do no tidying up
                raise Killed
            done = original(*arguments, **more)
            if self.count == self.kill_at:
                raise Killed
            return done

        return operation
