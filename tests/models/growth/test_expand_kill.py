"""An expansion that is killed at any moment: the same command then works, and nothing else is left."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.errors import UsageError
from models.growth import expand
from models.growth.expand import ExpansionPlan
from models.runs.listing import list_runs
from models.runs.run import Run

NewRun = Callable[..., Run]
Learn = Callable[..., None]
Grow = Callable[..., ExpansionPlan]
CHANGING = ("mkdir", "rename", "replace", "unlink", "remove", "rmdir", "link")


class Killed(BaseException):
    """Nothing catches it."""


class Kill:
    """Ends everything after so many operations that change folders; a dead process cleans nothing up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.after = 0, 0
        for name in CHANGING:
            monkeypatch.setattr(os, name, self._watched(getattr(os, name)))
        monkeypatch.setattr(os, "open", self._watched(os.open, lambda flags, *_: bool(flags & os.O_CREAT)))

    def arm(self, after: int) -> None:
        """0: nothing is killed."""
        self.count, self.after = 0, after

    def _watched(
        self, original: Callable[..., Any], counts: Callable[..., bool] = lambda *_: True
    ) -> Callable[..., Any]:
        def operation(path: Any, *arguments: Any, **more: Any) -> Any:
            if counts(*arguments):
                self.count += 1
            if self.after and self.count > self.after:
                raise Killed
            return original(path, *arguments, **more)

        return operation


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kill]:
    found = Kill(monkeypatch)
    yield found
    found.arm(0)


def test_the_same_command_works_after_a_kill(
    new_run: NewRun, grow: Grow, runs: Path, learn: Learn, kill: Kill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expand, "require_same_model", lambda *models: 0.0)  # tested elsewhere
    parent = new_run()
    learn(parent)
    whole = grow(parent, "wide", core=2)
    kill.arm(0)
    whole.start()
    operations = kill.count
    assert operations > 20
    for after in [*range(1, 4), *range(4, operations + 1, 6)]:
        plan = replace(whole, name=f"wide-{after}")
        kill.arm(after)
        with contextlib.suppress(Killed):
            plan.start()
        kill.arm(0)
        listed = {run.name: run.status for run in list_runs(runs)}
        assert "damaged" not in listed.values(), (after, listed)
        if plan.name in listed:  # it was complete, and only the clean-up was killed
            assert listed[plan.name] == "finished", after
            with pytest.raises(UsageError, match="already a run"):
                plan.start()
        else:
            plan.start()
        names = {entry.name for entry in (runs / plan.name).iterdir()}
        expected = {entry.name for entry in (runs / "wide").iterdir()}
        assert names - {".tmp-expansion", ".lock-pid"} == expected, after
