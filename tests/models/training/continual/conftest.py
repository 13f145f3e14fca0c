"""A run that has learned a first text, and what takes it to a second one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.planning import plan as planning
from models.runs.datasets import Dataset
from models.runs.events import Event
from models.runs.run import Run
from models.training.trainer import train
from tests.requests import train_request

NewRun = Callable[..., Run]
RIVER = "река и лес. " * 40 + "the bee hums, the owl sleeps! " * 60


def outcome(work: Any) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


@pytest.fixture
def go() -> Callable[[Run], list[Event]]:
    """Train a run to its end."""
    return lambda run: list(run.record(train(run)))


@pytest.fixture
def plan() -> Callable[..., Any]:
    """`plan(run, text, replay=0.2)`: the plan of going on with a text."""

    def planned(run: Run | None, text: Path, **said: Any) -> Any:
        where = run.path.parent if run is not None else text.parent / "runs"
        request = train_request(paths=(str(text),), continue_run=run and run.name, **{"steps": 5, **said})
        return outcome(planning.plan(request, where))

    return planned


@pytest.fixture
def river(tmp_path: Path) -> Path:
    path = tmp_path / "river.txt"
    path.write_text(RIVER, encoding="utf-8")
    return path


@pytest.fixture
def meadow_run(new_run: NewRun, corpus: Path, go: Callable[[Run], list[Event]]) -> NewRun:
    """As `new_run`, and it has learned the meadow."""

    def make(*said: Any, **dials: Any) -> Run:
        run = new_run(*said, **dials)
        characters = len(corpus.read_text(encoding="utf-8"))
        known = run.config().content_hash
        meadow = Dataset(name="meadow", content_hash=known, characters=characters, paths=(str(corpus),))
        run.save_datasets([meadow])
        go(run)
        return run

    return make


@pytest.fixture
def owl(meadow_run: NewRun) -> Run:
    return meadow_run("owl", steps=6, evaluations=2, average_decay=0.9)
