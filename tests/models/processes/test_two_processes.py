"""Two processes learn what one learns, and their run goes on in one, and the other way round."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.runs.checkpoint import load_checkpoint
from models.runs.events import MicroBatchHalved, NoticeGiven, RunFailed, RunPaused, RunStarted, StepFinished
from models.runs.run import Run
from models.training.control import Control
from models.training.trainer import train
from tests.models.processes.hosts import PATIENCE_S, Hosts

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="gloo needs a Unix"),
    pytest.mark.usefixtures("same_cache"),
]
NewRun = Callable[..., Run]


def losses(run: Run) -> list[float]:
    return [event.loss for event in run.events() if isinstance(event, StepFinished)]


def train_alone(run: Run) -> None:
    for _ in run.record(train(run)):
        pass


def assert_same_training(one: Run, other: Run) -> None:
    """Every loss and every tensor is the same, bit for bit."""
    assert losses(one) == losses(other)
    first, second = (load_checkpoint(run)[0] for run in (one, other))
    for tensors, others in ((first.model, second.model), (first.training, second.training)):
        assert tensors.keys() == others.keys()
        assert all(torch.equal(value, others[name]) for name, value in tensors.items())


@pytest.mark.parametrize("architecture", ["looped", "hrm", "recursive-router", "transformer"])
def test_two_processes_learn_what_one_learns_in_two_pieces(
    hosts: Hosts, new_run: NewRun, architecture: str
) -> None:
    # Each process computes what the one computes in each micro-batch, and sums have the same order.
    alone, together = new_run("alone", architecture, micro_batch=2), new_run("together", architecture)
    train_alone(alone)
    assert hosts.train(together) == "RunFinished"
    assert_same_training(alone, together)
    evaluations = [run.evaluation() for run in (alone, together)]
    assert evaluations[0] is not None and evaluations[1] is not None
    assert evaluations[0].validation_loss == pytest.approx(evaluations[1].validation_loss, abs=1e-6)


def test_processes_of_two_machines_learn_the_same(hosts: Hosts, cache: Path, new_run: NewRun) -> None:
    near, far = new_run("near"), new_run("far")
    assert hosts.train(near) == "RunFinished"
    with contextlib.closing(Hosts(cache, on_two_machines=True)) as others:
        assert others.train(far) == "RunFinished"
    assert_same_training(near, far)


def test_an_uneven_batch_is_learned_to_the_same_loss(hosts: Hosts, new_run: NewRun) -> None:
    alone = new_run("alone", batch_size=5, optimizer="adamw", average_decay=0.9)
    together = new_run("together", batch_size=5, optimizer="adamw", average_decay=0.9)
    train_alone(alone)
    assert hosts.train(together) == "RunFinished"
    assert losses(together) == pytest.approx(losses(alone), abs=1e-5)


def test_dropout_repeats_itself(hosts: Hosts, new_run: NewRun) -> None:
    first, second = (new_run(name, model={"dropout": 0.2}) for name in ("first", "second"))
    assert hosts.train(first) == hosts.train(second) == "RunFinished"
    assert_same_training(first, second)


def test_a_pause_changes_nothing_and_one_process_can_go_on(hosts: Hosts, new_run: NewRun) -> None:
    whole, paused, alone = (new_run(name) for name in ("whole", "paused", "alone"))
    assert hosts.train(whole) == "RunFinished"
    assert hosts.train(paused, pause_after=5) == "RunPaused"
    assert hosts.train(paused) == "RunFinished"
    assert_same_training(whole, paused)

    assert hosts.train(alone, pause_after=5) == "RunPaused"
    train_alone(alone)
    assert losses(alone) == pytest.approx(losses(whole), abs=0.01)
    notices = [event.message for event in alone.events() if isinstance(event, NoticeGiven)]
    assert any("trained by 2 processes. It goes on with 1" in message for message in notices)


def test_a_run_of_one_process_goes_on_in_two(hosts: Hosts, new_run: NewRun) -> None:
    whole, joined, control = new_run("whole"), new_run("joined"), Control()
    train_alone(whole)
    for event in joined.record(train(joined, control)):
        if isinstance(event, StepFinished) and event.step == 5:
            control.pause()
    assert hosts.train(joined) == "RunFinished"
    assert losses(joined)[:5] == losses(whole)[:5]
    assert losses(joined) == pytest.approx(losses(whole), abs=0.01)


def test_ctrl_c_in_any_process_pauses_all(hosts: Hosts, new_run: NewRun) -> None:
    run = new_run("owl", steps=100_000, evaluations=1)

    def interrupt() -> None:
        while not any(isinstance(event, StepFinished) for event in run.events()):
            time.sleep(0.05)
        hosts.interrupt_other()

    waiting = threading.Thread(target=interrupt)
    waiting.start()
    assert hosts.train(run) == "RunPaused"
    waiting.join()
    assert any(isinstance(event, RunPaused) for event in run.events())


def test_process_0_says_how_many_there_are(hosts: Hosts, new_run: NewRun) -> None:
    run = new_run()
    hosts.train(run)
    (started,) = (event for event in run.events() if isinstance(event, RunStarted))
    steps = [event for event in run.events() if isinstance(event, StepFinished)]
    assert started.processes == 2 and all(step.slowest_process in (0, 1) for step in steps)


def test_a_batch_of_one_is_refused(hosts: Hosts, new_run: NewRun) -> None:
    assert "A batch of 1 cannot be divided among 2 processes" in hosts.train(new_run(batch_size=1))
    assert hosts.train(new_run("after")) == "RunFinished"


def test_where_one_process_runs_out_of_memory_all_take_smaller_pieces(cache: Path, new_run: NewRun) -> None:
    plain, short = new_run("plain", micro_batch=1, optimizer="adamw"), new_run("short", optimizer="adamw")
    train_alone(plain)
    with contextlib.closing(Hosts(cache, spoil="memory")) as hosts:
        assert hosts.train(short) == "RunFinished"
    assert any(isinstance(event, MicroBatchHalved) for event in short.events())
    assert losses(short) == pytest.approx(losses(plain), abs=1e-5)


def test_processes_of_different_versions_do_not_train(cache: Path, new_run: NewRun) -> None:
    with contextlib.closing(Hosts(cache, spoil="version")) as hosts:
        assert "different versions of rlm" in hosts.train(new_run())


def test_the_loss_of_a_process_ends_the_training_at_its_checkpoint(
    hosts: Hosts, cache: Path, new_run: NewRun
) -> None:
    whole, lost = new_run("whole"), new_run("lost", checkpoint_minutes=0.0)
    with contextlib.closing(Hosts(cache, spoil="loss")) as others:
        assert "Another process of this training ended" in others.train(lost)
    assert load_checkpoint(lost)[0].step == 2
    assert not any(isinstance(event, RunFailed) for event in lost.events())
    assert hosts.train(lost) == hosts.train(whole) == "RunFinished"
    assert_same_training(whole, lost)


@pytest.mark.parametrize("where", ["step", "evaluation"])
def test_after_an_error_in_the_first_process_the_others_do_not_wait_for_it(
    hosts: Hosts, new_run: NewRun, where: str
) -> None:
    run = new_run()
    assert hosts.train(run, fail_in=where) == f"ValueError: in the {where}"
    assert hosts.train(run) == "RunFinished"


def test_a_signal_after_the_loss_of_a_process_is_no_pause(new_run: NewRun, cache: Path) -> None:
    with contextlib.closing(Hosts(cache, spoil="late loss")) as hosts:
        run = new_run(optimizer="adamw")
        assert "Another process of this training ended" in hosts.train(run, pause_after=3)
    assert load_checkpoint(run)[0].step == 3
    assert not any(isinstance(event, RunPaused) for event in run.events())


def test_without_room_for_the_exchange_all_take_smaller_pieces(hosts: Hosts, new_run: NewRun) -> None:
    plain, short = new_run("plain", micro_batch=1, optimizer="adamw"), new_run("short", optimizer="adamw")
    assert hosts.train(short, fail_in="room") == "RunFinished"
    train_alone(plain)
    assert any(isinstance(event, MicroBatchHalved) for event in short.events())
    assert losses(short) == pytest.approx(losses(plain), abs=1e-5)


def test_without_memory_in_the_exchange_all_processes_end(new_run: NewRun, cache: Path) -> None:
    with contextlib.closing(Hosts(cache)) as hosts:
        told = hosts.train(new_run(optimizer="adamw"), fail_in="exchange")
        assert "exchange of gradients does not fit into memory" in told
        hosts.processes[0].kill()
        hosts.processes[1].join(PATIENCE_S)
        assert hosts.processes[1].exitcode
