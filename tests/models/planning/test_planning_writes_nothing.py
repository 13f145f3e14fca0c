"""Planning reads a run as it would be, and leaves every byte of it as it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.replay import load_sample
from models.growth import transaction
from models.planning.continuation_plan import ContinuationPlan
from models.runs.run import Run

Plan = Callable[..., Any]
Go = Callable[[Run], Any]


def content_of(run: Run) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


@pytest.fixture
def third(tmp_path: Path) -> Path:
    path = tmp_path / "third.txt"
    path.write_text("the moon is out, and the mill stands still.\n" * 60, encoding="utf-8")
    return path


def same(one: ContinuationPlan, other: ContinuationPlan) -> bool:
    """Whether two plans decide the same, down to the weights they start from."""
    tensors = {**one.snapshot.model, **one.snapshot.training}
    others = {**other.snapshot.model, **other.snapshot.training}
    return (
        (one.model, one.training, one.replay, one.known, one.datasets)
        == (other.model, other.training, other.replay, other.known, other.datasets)
        and tensors.keys() == others.keys()
        and all(torch.equal(tensors[name], others[name]) for name in tensors)
    )


def test_nothing_is_written_before_the_start(owl: Run, meadow: Path, river: Path, plan: Plan) -> None:
    before = content_of(owl)
    for text in (meadow, river):
        planned = plan(owl, text)
        assert planned.rows() and planned.to_dict()
    assert content_of(owl) == before
    planned.start()
    assert content_of(owl) != before


def test_a_change_that_was_interrupted_counts_as_finished(
    owl: Run, river: Path, third: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "recover", lambda run: None)  # killed right after the checkpoint
        plan(owl, river).start()
    before = content_of(owl)
    planned = plan(owl, third, replay=0.1)
    assert planned.known == ("meadow", "river") and content_of(owl) == before
    with owl.lock():
        transaction.recover(owl)
    assert content_of(owl) != before and same(planned, plan(owl, third, replay=0.1))


def test_a_plan_made_before_a_change_was_finished_can_start(
    owl: Run, river: Path, third: Path, plan: Plan, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "recover", lambda run: None)
        plan(owl, river).start()
    plan(owl, third, replay=0.1).start()
    assert [one.name for one in owl.datasets()] == ["meadow", "river", "third"]
    assert owl.config().revision == 2
    go(owl)


def test_lost_weights_are_taken_from_the_best_checkpoint(owl: Run, river: Path, plan: Plan) -> None:
    whole = plan(owl, river)
    for content in (None, b"torn"):
        owl.weights_path.unlink(missing_ok=True)
        if content is not None:
            owl.weights_path.write_bytes(content)
        before = content_of(owl)
        assert same(plan(owl, river), whole) and content_of(owl) == before
    plan(owl, river).start()
    assert owl.weights_path.stat().st_size > len(b"torn")


def test_a_sample_that_is_drawn_again_is_stored_at_the_start(owl: Run, river: Path, plan: Plan) -> None:
    (sample,) = (owl.path / "replay").iterdir()
    whole = load_sample(sample.parent, owl.config().content_hash)
    sample.write_bytes(sample.read_bytes()[:100])
    before, known = content_of(owl), owl.config().content_hash
    planned = plan(owl, river, replay=0.2)
    assert content_of(owl) == before and [one.content_hash for one in planned.new_samples] == [known]
    planned.start()
    assert np.array_equal(load_sample(sample.parent, known).train, whole.train)
