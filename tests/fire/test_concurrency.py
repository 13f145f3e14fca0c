"""Several processes at one run, and a run that goes away while it is trained."""

import json
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fire.commands import QUICK, Host, Outcome, content_of

pytestmark = pytest.mark.slow
ROUNDS = 8
SEED = 15
TRAIN = ["train", "crow.txt", *QUICK, "--steps", "30"]
LOOKS = (
    ["ls"],
    ["show", "new"],
    ["generate", "new", "-p", "The", "--max-tokens", "5"],
    ["chat", "new"],
    ["ls", "--json"],
)


@pytest.fixture(scope="module")
def second_host(cache: Path) -> Iterator[Host]:
    host = Host(cache)
    yield host
    host.close()


class InBackground:
    """A command that runs while the test goes on."""

    def __init__(self, host: Host, folder: Path, *arguments: str) -> None:
        self._found: list[Outcome] = []
        self._thread = threading.Thread(target=lambda: self._found.append(host.rlm(folder, *arguments)))
        self._thread.start()

    @property
    def runs(self) -> bool:
        return self._thread.is_alive()

    def outcome(self) -> Outcome:
        self._thread.join()
        return self._found[0]


def wait_for(path: Path, work: InBackground) -> None:
    while work.runs and not path.exists():
        time.sleep(0.01)


def assert_sound(host: Host, folder: Path) -> dict[str, str]:
    outcome = host.rlm(folder, "ls", "--json")
    assert outcome.code == 0 and not outcome.faults(), outcome.text
    statuses = {run["name"]: run["status"] for run in json.loads(outcome.output.splitlines()[0])}
    assert "damaged" not in statuses.values(), (outcome.text, sorted(content_of(folder / "runs")))
    return statuses


def test_two_trainings_of_one_name_do_not_mix(
    host: Host, second_host: Host, fresh: Callable[[], Path]
) -> None:
    draw = random.Random(SEED)
    for _ in range(ROUNDS):
        folder = fresh()
        first = InBackground(second_host, folder, *TRAIN, "--name", "new")
        time.sleep(draw.uniform(0, 1.0))
        second = host.rlm(folder, *TRAIN, "--name", "new")
        outcomes = first.outcome(), second
        assert sorted(one.code for one in outcomes)[0] == 0, [one.text for one in outcomes]
        assert sorted(one.code for one in outcomes)[1] in (1, 2), [one.text for one in outcomes]
        assert not [fault for one in outcomes for fault in one.faults()]
        assert assert_sound(host, folder)["new"] == "finished"


def test_two_resumes_of_one_run_do_not_mix(host: Host, second_host: Host, fresh: Callable[[], Path]) -> None:
    draw = random.Random(SEED)
    for _ in range(ROUNDS):
        folder = fresh()
        first = InBackground(second_host, folder, "resume", "pair", "--steps", "20")
        time.sleep(draw.uniform(0, 0.6))
        second = host.rlm(folder, "resume", "pair", "--steps", "20")
        outcomes = first.outcome(), second
        assert 0 in [one.code for one in outcomes], [one.text for one in outcomes]
        assert not [fault for one in outcomes for fault in one.faults()], [one.text for one in outcomes]
        assert_sound(host, folder)


def test_a_run_can_be_looked_at_and_used_while_it_is_trained(
    host: Host, second_host: Host, fresh: Callable[[], Path]
) -> None:
    folder = fresh()
    training = InBackground(second_host, folder, *TRAIN, "--name", "new", "--set", "training.evaluations=10")
    wait_for(folder / "runs" / "new" / "config.json", training)
    looked = 0
    while training.runs:
        outcome = host.rlm(folder, *LOOKS[looked % len(LOOKS)], stdin="Hello\n")
        assert not outcome.faults(), outcome.text
        looked += 1
    assert looked > 3
    assert training.outcome().code == 0, training.outcome().text
    assert assert_sound(host, folder)["new"] == "finished"


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_run_that_goes_away_ends_its_training_in_a_sentence(
    how: str, host: Host, second_host: Host, fresh: Callable[[], Path]
) -> None:
    draw = random.Random(SEED)
    for _ in range(ROUNDS):
        folder = fresh()
        run = folder / "runs" / "new"
        training = InBackground(second_host, folder, *TRAIN, "--name", "new")
        wait_for(run / "config.json", training)
        time.sleep(draw.uniform(0, 1.0))
        if how == "deleted":
            while run.exists():  # it fails where the training adds a file meanwhile
                shutil.rmtree(run, ignore_errors=True)
        elif run.exists():
            os.rename(run, folder / "runs" / "elsewhere")
        if how == "replaced":
            shutil.copytree(folder / "runs" / "pair", run)
        outcome = training.outcome()
        assert not outcome.faults(), outcome.text
        if how == "deleted":
            assert not run.exists(), outcome.text
        if how == "replaced":
            assert content_of(run) == content_of(folder / "runs" / "pair"), outcome.text
        statuses = assert_sound(host, folder)
        if how == "moved" and "elsewhere" in statuses and outcome.code:
            assert host.rlm(folder, "resume", "elsewhere").code in (0, 2)


def test_a_cache_that_two_fill_is_whole(
    host: Host, second_host: Host, fresh: Callable[[], Path], cache: Path
) -> None:
    for _ in range(ROUNDS):
        folder = fresh()
        shutil.rmtree(cache)
        first = InBackground(second_host, folder, *TRAIN, "--name", "one")
        second = host.rlm(folder, *TRAIN, "--name", "two")
        for outcome in (first.outcome(), second):
            assert outcome.code == 0 and not outcome.faults(), outcome.text
        assert_sound(host, folder)
