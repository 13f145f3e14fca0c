"""Two processes that divide the weights among them learn what one learns, and write what one writes."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.progress import result_of
from models.planning.plan import plan
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.evaluation import Evaluation
from models.runs.events import RunFailed, StepFinished
from models.runs.run import Run
from models.runs.run_config import Calibration
from models.training import muon
from models.training.control import Control
from models.training.trainer import train
from tests.models.processes.hosts import Hosts
from tests.models.processes.test_two_processes import assert_same_training, losses, train_alone
from tests.requests import SAME_EVERYWHERE, train_request

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="gloo needs a Unix")
SMALL = {
    **SAME_EVERYWHERE, "training.evaluations": 1, "training.samples": 1, "training.batch_size": 4,
    "training.micro_batch": 1, "model.d_model": 32, "model.n_heads": 2, "model.max_cycles": 2,
}  # fmt: skip
NewRun = Callable[..., Run]


@pytest.fixture(scope="module")
def hosts(cache: Path) -> Iterator[Hosts]:
    with contextlib.closing(Hosts(cache, precise=True)) as both:
        yield both


@pytest.fixture(autouse=True)
def _as_in_the_hosts(same_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon, "rough_product_format", lambda _: "float32")


def shapes(run: Run) -> list[dict[str, tuple[int, ...]]]:
    """Of the tensors in each file of the newest checkpoint, and of the best weights, by name."""
    snapshot, (best, _) = load_checkpoint(run)[0], load_weights(run.weights_path)
    return [
        {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        for tensors in (snapshot.model, snapshot.training, best)
    ]


def calibrated(run: Run, processes: int) -> Run:
    """`run`, as if it had been measured in so many processes."""
    calibration = Calibration(
        device="cpu", number_format="float32", compiled=False, threads=1, micro_batch=1,
        shallow_step_s=1.0, deep_step_s=2.0, processes=processes,  # slow: less is evaluated
    )  # fmt: skip
    run.save_config(replace(run.config(), calibration=calibration))
    return run


def assert_alike(alone: Run, together: Run) -> None:
    assert losses(together) == pytest.approx(losses(alone), abs=1e-4)
    assert shapes(alone) == shapes(together)
    first, second = alone.evaluation(), together.evaluation()
    assert first is not None and second is not None
    assert second.validation_loss == pytest.approx(first.validation_loss, abs=1e-3)
    modes = first.validation_loss_by_mode
    assert second.validation_loss_by_mode == pytest.approx(modes, abs=1e-3)


def test_parts_of_a_block_are_computed_by_themselves(hosts: Hosts, new_run: NewRun) -> None:
    # The price of a pass is so high that tokens soon leave before the first one.
    router = {"n_layers": 1, "ponder_cost": 100.0}
    for architecture, model in (("recursive-router", router), ("ouroboros", {})):
        shared = {"model": model, "evaluations": 1, "samples": 1, "micro_batch": 2, "learning_rate": 0.02}
        alone, together = (new_run(f"{architecture}-{name}", architecture, **shared) for name in "12")
        train_alone(alone)
        assert hosts.train(together, shard=True) == "RunFinished"
        assert_alike(alone, together)
        if model is router:
            evaluation = alone.evaluation()
            assert isinstance(evaluation, Evaluation) and evaluation.passes_per_token < 2


@pytest.mark.parametrize(
    ("architecture", "optimizer"),
    [  # AdamW takes each number by itself, whatever weight it is of
        *((name, "muon") for name in ("looped", "hrm", "recursive-router", "transformer")),
        ("looped", "adamw"),
    ],
)
def test_two_processes_learn_what_one_learns(
    hosts: Hosts, cache: Path, new_run: NewRun, architecture: str, optimizer: str
) -> None:
    shared: dict[str, Any] = {"optimizer": optimizer, "average_decay": 0.9, "evaluations": 1, "samples": 1}
    shared["model"] = {"n_layers": 1} if architecture == "recursive-router" else {}
    alone = new_run("alone", architecture, micro_batch=2, **shared)
    together = new_run("together", architecture, **shared)
    train_alone(alone)
    assert hosts.train(together, shard=True) == "RunFinished"
    assert_alike(alone, together)
    assert len(losses(alone)) == 12
    for rank in range(2):
        held, of = map(int, (cache / f"held-{rank}").read_text().split())
        assert held == pytest.approx(of / 2, rel=0.03)


def test_a_pause_changes_nothing_and_one_process_can_go_on(hosts: Hosts, new_run: NewRun) -> None:
    shared = {"average_decay": 0.9, "evaluations": 1, "samples": 0, "steps": 6}
    whole, paused, alone = (new_run(name, **shared) for name in ("whole", "paused", "alone"))
    assert hosts.train(whole, shard=True) == "RunFinished"
    assert hosts.train(paused, pause_after=3, shard=True) == "RunPaused"
    assert hosts.train(paused, shard=True) == "RunFinished"
    assert_same_training(whole, paused)

    assert hosts.train(alone, pause_after=3, shard=True) == "RunPaused"
    train_alone(alone)
    assert_alike(whole, alone)


def test_two_go_on_with_what_one_or_two_whole_ones_began(hosts: Hosts, new_run: NewRun) -> None:
    shared = {"average_decay": 0.9, "evaluations": 1, "samples": 0, "steps": 6}
    whole, by_one, by_two = (new_run(name, **shared) for name in ("whole", "by-one", "by-two"))
    train_alone(whole)
    train_until(by_one, 3)
    assert hosts.train(by_two, pause_after=3) == "RunPaused"
    for run in (by_one, by_two):
        assert hosts.train(run, shard=True) == "RunFinished"
        assert_alike(whole, run)


def train_until(run: Run, step: int) -> None:
    control = Control()
    for event in run.record(train(run, control)):
        if isinstance(event, StepFinished) and event.step == step:
            control.pause()


@pytest.mark.parametrize("model", [{"tied": True, "n_layers": 1}, {"positions": "learned", "n_layers": 1}])
def test_a_tied_head_positions_and_pieces(hosts: Hosts, new_run: NewRun, model: dict[str, Any]) -> None:
    shared = {"model": model, "evaluations": 1, "samples": 0, "steps": 6}
    alone = new_run("alone", "transformer", **shared)
    together = new_run("together", "transformer", micro_batch=1, **shared)
    train_alone(alone)
    assert hosts.train(together, shard=True) == "RunFinished"
    assert_alike(alone, together)


def test_dropout_repeats_itself(hosts: Hosts, new_run: NewRun) -> None:
    shape = {"dropout": 0.2}
    first, second = (new_run(name, model=shape, steps=4, evaluations=1) for name in ("first", "second"))
    assert hosts.train(first, shard=True) == hosts.train(second, shard=True) == "RunFinished"
    assert_same_training(first, second)


def test_problems(hosts: Hosts, tmp_path: Path) -> None:
    runs = []
    for processes, name in enumerate(("alone", "together"), start=1):
        request = train_request(paths=(), steps=4, name=name, task="compose:s3:3", settings=SMALL)
        runs.append(calibrated(result_of(plan(request, tmp_path / "runs")).start(), processes))
    train_alone(runs[0])
    assert hosts.train(runs[1], shard=True) == "RunFinished"
    assert losses(runs[1]) == pytest.approx(losses(runs[0]), abs=1e-4)


@pytest.mark.parametrize(
    ("training", "told"),
    [
        ({"batch_size": 5}, "A batch of 5 cannot be divided evenly among 2 processes"),
        ({"number_format": "float16"}, "cannot learn in float16"),
        ({"grow_every": 1000}, "cannot grow while it learns"),
    ],
)
def test_what_cannot_be_divided(hosts: Hosts, new_run: NewRun, training: dict[str, Any], told: str) -> None:
    assert told in hosts.train(new_run(**training), shard=True)


def test_puzzles_cannot_be_divided(hosts: Hosts, tmp_path: Path) -> None:
    request = train_request(paths=(), steps=2, task="sudoku:4x4", count=60, settings=SMALL)
    run = result_of(plan(request, tmp_path / "runs")).start()
    assert "learns puzzles cannot be divided" in hosts.train(run, shard=True)


def test_conversations_of_which_a_piece_asks_nothing(hosts: Hosts, tmp_path: Path) -> None:
    text, runs = tmp_path / "chats.jsonl", []
    turns = [("user", "is this the long way to the old mill?"), ("assistant", "yes")]
    chat = json.dumps({"messages": [{"role": role, "content": words} for role, words in turns]})
    text.write_text("\n".join([chat] * 20))
    for processes, name in enumerate(("alone", "together"), start=1):
        settings = {**SMALL, "training.loss_on": "assistant", "model.context_length": 8}
        request = train_request(paths=(str(text),), steps=6, name=name, settings=settings)
        runs.append(calibrated(result_of(plan(request, tmp_path / "runs")).start(), processes))
    train_alone(runs[0])
    assert hosts.train(runs[1], shard=True) == "RunFinished"
    assert_alike(*runs)


def test_a_second_text(hosts: Hosts, trained_run: NewRun, river: Path) -> None:
    runs = [trained_run(name) for name in ("alone", "together")]
    for run in runs:
        request = train_request(paths=(str(river),), continue_run=run.name, replay=0.25, steps=4)
        result_of(plan(request, run.path.parent)).start()
    calibrated(runs[1], 2)
    train_alone(runs[0])
    assert hosts.train(runs[1], shard=True) == "RunFinished"
    first, second = ([one.loss_now for one in run.datasets()] for run in runs)
    assert len(first) == 2 and second == pytest.approx(first, abs=1e-3)


def test_the_loss_of_a_process_ends_the_training_at_its_checkpoint(
    hosts: Hosts, cache: Path, new_run: NewRun
) -> None:
    lost = calibrated(new_run("lost", steps=4, evaluations=1, samples=0, checkpoint_minutes=0.0), 2)
    with contextlib.closing(Hosts(cache, spoil="loss", precise=True)) as others:
        assert "Another process of this training ended" in others.train(lost, shard=True)
    assert load_checkpoint(lost)[0].step == 2
    assert not any(isinstance(event, RunFailed) for event in lost.events())
    assert hosts.train(lost, shard=True) == "RunFinished"
