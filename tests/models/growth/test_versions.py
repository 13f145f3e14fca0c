"""What a run was before another text: kept in the run to return to, or left as it was by a copy."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from data.errors import UsageError
from models.errors import RunBusyError
from models.growth.return_to_version import return_to_version
from models.growth.transaction import recover
from models.runs.checkpoint import load_checkpoint, load_weights, prune
from models.runs.events import Event, RunFinished, StepFinished
from models.runs.listing import list_runs, summarize
from models.runs.load import load_run
from models.runs.run import Run
from models.runs.versions import versions
from models.training.control import Control
from models.training.trainer import train
from tests.models.growth.kills import Killed, Operations

NewRun = Callable[..., Run]
Go = Callable[[Run], list[Event]]
Plan = Callable[..., Any]


def pause_at(run: Run, step: int) -> None:
    control = Control()
    for event in run.record(train(run, control)):
        if isinstance(event, StepFinished) and event.step == step:
            control.pause()


def files_of(run: Run) -> dict[Path, bytes]:
    """Every file of a run but those of its lock and those a kill left half written."""
    paths = (path for path in run.path.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path: path.read_bytes() for path in paths}


def names(run: Run) -> list[str]:
    return [version.name for version in versions(run, run.config())]


def back_to(run: Run, name: str) -> None:
    with run.lock():
        return_to_version(run, name)


def test_a_run_that_returns_goes_on_as_if_it_had_never_left(
    meadow_run: NewRun, river: Path, plan: Plan, go: Go
) -> None:
    dials = {"steps": 6, "evaluations": 2, "average_decay": 0.9}
    reference, run = meadow_run("reference", **dials), meadow_run("owl", **dials)
    go(reference)
    pause_at(run, 4)
    before = summarize(run.path)
    plan(run, river, replay=0.3, steps=2).start()
    go(run)
    assert names(run) == ["before-river"]
    back_to(run, "before-river")
    after = summarize(run.path)
    assert (after.status, after.step, after.validation_loss, after.corpus, after.vocab_size) == (
        "paused", 4, before.validation_loss, before.corpus, before.vocab_size,
    )  # fmt: skip
    assert len(list((run.path / "replay").iterdir())) == 1, "a later river may have other numbers of tokens"
    assert isinstance(go(run)[-1], RunFinished)
    for one, other in (
        (load_weights(reference.weights_path)[0], load_weights(run.weights_path)[0]),
        (load_checkpoint(reference)[0].training, load_checkpoint(run)[0].training),
    ):
        assert [name for name in one | other if not torch.equal(one[name], other[name])] == []


def test_the_state_that_is_left_is_kept_too_and_once(owl: Run, river: Path, plan: Plan, go: Go) -> None:
    tokens = load_run(owl).tokenizer.vocab_size
    plan(owl, river, replay=0.3, steps=2).start()
    go(owl)
    weights = owl.weights_path.read_bytes()
    back_to(owl, "before-river")
    assert (summarize(owl.path).status, load_run(owl).tokenizer.vocab_size) == ("finished", tokens)
    assert names(owl) == ["before-river", "after-river"]
    back_to(owl, "after-river")
    assert owl.weights_path.read_bytes() == weights
    assert [one.name for one in owl.datasets()] == ["meadow", "river"]
    assert names(owl) == ["before-river", "after-river"]
    prune(owl, keep=1)
    assert [summarize(version.path).status for version in versions(owl, owl.config())] == ["finished"] * 2
    with pytest.raises(UsageError, match="no version 'nowhere'"):
        back_to(owl, "nowhere")


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_of_a_return_leaves_one_or_the_other(
    owl: Run, river: Path, plan: Plan, operations: Operations, every: int
) -> None:
    learned = load_weights(owl.weights_path)[0]
    plan(owl, river, replay=0.3, steps=2).start()
    begun = load_weights(owl.weights_path)[0]
    now, found = "river", set()
    for kill_at in range(1, 1000, every):
        operations.arm(kill_at)
        try:
            back_to(owl, "before-river" if now == "river" else "after-river")
        except Killed:
            killed = True
        else:
            killed = False
        finally:
            operations.arm(0)
        with owl.lock():
            recover(owl)
        summary, weights = summarize(owl.path), load_weights(owl.weights_path)[0]
        expected = {"meadow": learned, "river": begun}[now := owl.datasets()[-1].name]
        assert all(torch.equal(weights[name], expected[name]) for name in weights | expected), kill_at
        assert (summary.status, summary.step) == {"meadow": ("finished", 6), "river": ("paused", 0)}[now]
        assert names(owl) in (["before-river"], ["before-river", "after-river"]), kill_at
        found.add(now)
        if not killed:
            break
    assert not killed and found == {"meadow", "river"}


def test_a_copy_learns_the_text_and_the_run_stays_as_it_was(
    owl: Run, river: Path, plan: Plan, go: Go
) -> None:
    before = files_of(owl)
    planned = plan(owl, river, name="hawk", replay=0.3, steps=2)
    assert dict(planned.rows())["copy of"].startswith("owl")
    hawk = planned.start()
    assert isinstance(go(hawk)[-1], RunFinished)
    assert [one.name for one in hawk.datasets()] == ["meadow", "river"]
    assert (hawk.name, hawk.config().name, names(hawk)) == ("hawk", "hawk", [])
    assert files_of(owl) == before
    with pytest.raises(UsageError, match="already a run 'hawk'"):
        plan(owl, river, name="hawk")


def test_a_copy_goes_on_with_the_same_text(owl: Run, meadow: Path, plan: Plan, go: Go) -> None:
    before = files_of(owl)
    hawk = plan(owl, meadow, name="hawk", steps=2).start()
    assert [event.step for event in go(hawk) if isinstance(event, StepFinished)] == [7, 8]
    assert files_of(owl) == before


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_a_copy_that_is_killed_leaves_nothing_that_is_listed(
    owl: Run, river: Path, plan: Plan, operations: Operations, every: int
) -> None:
    before, planned = files_of(owl), plan(owl, river, name="hawk", replay=0.3, steps=2)
    for kill_at in range(1, 1000, every):
        operations.arm(kill_at)
        with contextlib.suppress(Killed):
            planned.start()
        operations.arm(0)
        listed = {run.name: run.status for run in list_runs(owl.path.parent)}
        assert listed in ({"owl": "finished"}, {"owl": "finished", "hawk": "paused"}), kill_at
        assert files_of(owl) == before
        if "hawk" in listed:
            break
    assert kill_at > every
    assert planned.copy_name == "hawk" and load_run(Run.open("hawk", owl.path.parent)) is not None


@pytest.mark.usefixtures("impatient")
def test_no_other_process_comes_between_the_steps_of_one_that_holds_the_lock(tmp_path: Path) -> None:
    run, other = Run.create("owl", tmp_path), Run(tmp_path / "owl")
    with run.lock(), pytest.raises(RunBusyError), other.lock():
        pass
    with run.hold():
        with run.lock():
            pass
        assert run.is_busy()
    assert not run.is_busy()
