"""A training that is killed at any moment loses nothing acknowledged, and ends as if it never was."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from data.cache import set_cache_dir
from data.progress import result_of
from models.planning.plan import plan
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.events import EvaluationFinished, StepFinished
from models.runs.run import Run
from models.runs.run_folder import copy_run
from models.training.trainer import train
from tests.data.mixes.four_tables import write_tables
from tests.requests import train_request

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks the process to be killed")
NewRun = Callable[..., Run]


class Host:
    """The process whose children train and are killed."""

    def __init__(self, cache: Path) -> None:
        root = Path(__file__).parents[3]
        self.cache = cache
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("training_host.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "RLM_CACHE_DIR": str(cache)},
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def trains(self, run: Run, seconds: float = -1.0, *, since: str = "saved") -> tuple[bool, int]:
        """Let a child train, `seconds` long: whether it was killed, and the last step it said is saved.

        -1 is a child that is not killed, and a step that none is.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{since} {seconds} {run.path}\n")
        self._process.stdin.flush()
        acknowledged = -1
        while True:
            word, number = self._process.stdout.readline().split()
            if word == "saved":
                acknowledged = int(number)
            elif word == "ended":
                assert int(number) in (0, signal.SIGKILL), "the training failed by itself"
                return int(number) == signal.SIGKILL, acknowledged

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Iterator[Host]:
    cache = tmp_path_factory.mktemp("cache of the children")
    (cache / "compiled").symlink_to(compiled, target_is_directory=True)
    host = Host(cache)
    yield host
    host.close()


def kill_at_random(new_run: NewRun, host: Host, times: int) -> None:
    # Saved before each step: much of the time goes into saves, and so do many of the kills.
    dials = {"steps": 10, "evaluations": 3, "samples": 2, "average_decay": 0.9, "checkpoint_minutes": 0.0}
    model = {"dropout": 0.1}
    reference = new_run("reference", "transformer", model=model, **dials)
    list(reference.record(train(reference)))
    began = time.perf_counter()
    assert not host.trains(new_run("timed", "transformer", model=model, **dials))[0]
    whole_s = time.perf_counter() - began
    draw = random.Random(times)
    longest_s, lives, hits, generation = 0.4 * whole_s, 0, 0, 0
    while hits < times:
        generation += 1
        run = new_run(f"run-{generation}", "transformer", model=model, **dials)
        acknowledged, finished = -1, False
        while not finished:
            lives += 1
            assert lives < 20 * times, "the kills miss the training"
            # Some die before their first checkpoint; the last one lives as long as it takes.
            since = "start" if draw.random() < 0.2 else "saved"
            seconds = draw.uniform(0.0, longest_s) if hits < times else -1.0
            killed, saved = host.trains(run, seconds, since=since)
            finished = not killed
            hits += killed and since == "saved"
            longest_s *= 1.0 if killed else 0.6  # however slow or fast the machine has become
            acknowledged = max(acknowledged, saved)
            if acknowledged >= 0:
                found, notes = load_checkpoint(run)
                assert notes == []
                assert found.step >= acknowledged
        assert_same_end(run, reference)


def assert_same_end(run: Run, reference: Run) -> None:
    found, expected = load_checkpoint(run)[0], load_checkpoint(reference)[0]
    assert found.step == expected.step == 10
    assert all(torch.equal(tensor, expected.model[name]) for name, tensor in found.model.items())
    assert all(torch.equal(tensor, expected.training[name]) for name, tensor in found.training.items())
    weights, wanted = (load_weights(one.weights_path)[0] for one in (run, reference))
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in weights.items())
    assert curve(run) == curve(reference)
    assert run.evaluation() == reference.evaluation() is not None


def curve(run: Run) -> dict[tuple[str, int], float]:
    """The losses in the event log, by step; where a step stands twice, the later line counts."""
    losses: dict[tuple[str, int], float] = {}
    for event in run.events():
        if isinstance(event, StepFinished):
            losses["step", event.step] = event.loss
        elif isinstance(event, EvaluationFinished):
            losses["evaluation", event.step] = event.validation_loss
    return losses


def test_a_random_kill_loses_nothing(new_run: NewRun, host: Host) -> None:
    kill_at_random(new_run, host, times=1)


def killed_once(host: Host, new: Callable[[str], Run]) -> Run:
    """A run that `new` made with a name, of which the training was killed, and then went on to its end."""
    draw = random.Random(5)
    for generation in range(20):
        run = new(f"run-{generation}")
        if host.trains(run, draw.uniform(0.0, 0.3))[0]:
            assert not host.trains(run)[0]
            return run
    pytest.fail("the kills miss the training")


def test_a_mix_whose_training_is_killed_ends_as_if_it_never_was(
    fast_training: None, host: Host, tmp_path: Path
) -> None:
    from tests.models.training.test_mix import new_mix_run  # it takes `assert_same_end` from here

    set_cache_dir(host.cache)
    (tmp_path / "tables").mkdir()
    tables = write_tables(tmp_path / "tables")
    reference = new_mix_run("reference", tables, tmp_path)
    list(reference.record(train(reference)))
    assert_same_end(killed_once(host, lambda name: new_mix_run(name, tables, tmp_path)), reference)


def test_a_text_after_a_mix_whose_training_is_killed_ends_as_if_it_never_was(
    fast_training: None, host: Host, tmp_path: Path
) -> None:
    from tests.models.training.test_mix import new_mix_run

    set_cache_dir(host.cache)
    (tmp_path / "tables").mkdir()
    tables = write_tables(tmp_path / "tables")
    of_mix = new_mix_run("of_mix", tables, tmp_path, steps=2)
    list(of_mix.record(train(of_mix)))
    text = tmp_path / "numbers.txt"
    text.write_text(" ".join(str(7919 * n % 10_007) for n in range(400)), encoding="utf-8")

    def going_on(name: str) -> Run:
        copy = copy_run(of_mix, name, tmp_path / "runs")
        request = train_request(paths=(str(text),), continue_run=copy.name, steps=10, replay=0.3)
        return result_of(plan(request, tmp_path / "runs")).start()

    reference = going_on("reference")
    list(reference.record(train(reference)))
    assert_same_end(killed_once(host, going_on), reference)


@pytest.mark.slow
def test_fifty_random_kills_lose_nothing(new_run: NewRun, host: Host) -> None:
    kill_at_random(new_run, host, times=50)
