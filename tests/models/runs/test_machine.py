"""A training goes on with the device and the threads there are."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from data.errors import UsageError
from data.progress import result_of
from models.config import TrainingConfig
from models.device import core_count, machine_name
from models.runs import machine
from models.runs.events import Event, NoticeGiven
from models.runs.machine import choose_machine
from models.runs.run import Run
from models.runs.run_config import Calibration
from models.training.control import Control
from models.training.open import open_session
from tests.models.training.sessions import session_of, take_step

NewRun = Callable[..., Run]


def measured(**values: Any) -> Calibration:
    return replace(
        Calibration(
            device="cpu",
            number_format="float32",
            compiled=False,
            threads=1,
            micro_batch=2,
            shallow_step_s=0.01,
            deep_step_s=0.02,
            machine=machine_name(torch.device("cpu")),
        ),
        **values,
    )


def test_on_its_own_machine_nothing_changes() -> None:
    found = choose_machine(TrainingConfig(threads=1000), measured(threads=1000))
    assert (found.threads, found.notice) == (1000, None) and found.calibration is not None
    assert choose_machine(TrainingConfig(threads=1000), None).threads == 1000, "it was asked for"


@pytest.mark.parametrize(
    ("training", "calibration", "words"),
    [
        ({"device": "cuda"}, {"device": "cuda:0", "machine": "a GPU"}, "no device 'cuda'. It goes on"),
        ({"device": "cuda"}, {"device": "cuda:0", "machine": None}, "no device 'cuda'. It goes on"),
        ({"threads": 1000}, {"threads": 1000, "machine": "many cores"}, "no 1000 cores. It goes on"),
        ({"threads": 1000}, {"threads": 1000, "machine": None}, "no 1000 cores. It goes on"),
        ({}, {"machine": "another"}, "on another machine. It goes on"),
    ],
)
def test_elsewhere_it_takes_what_there_is_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
    training: dict[str, Any],
    calibration: dict[str, Any],
    words: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    found = choose_machine(TrainingConfig(**training), measured(**calibration))
    assert found.device == torch.device("cpu") and found.calibration is None
    assert found.threads <= core_count()
    assert found.notice is not None and words in found.notice


def test_a_device_that_was_asked_for_here_must_be_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no device"):
        choose_machine(TrainingConfig(device="cuda"), None)


def test_a_run_from_elsewhere_is_measured_again_once(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "core_count", lambda: 1)
    run = new_run(device="cuda:3", threads=16, micro_batch=2)
    session = session_of(with_calibration(run, None, device="cpu", threads=1))
    take_step(session)
    session.save("request")
    calibration = measured(device="cuda:3", threads=16, machine="a GPU")
    with_calibration(run, calibration, device="cuda:3", threads=16)

    notices: list[str] = []
    opened = result_of(noting(run, notices))
    assert opened.calibration.device == "cpu" and opened.calibration.threads == 1
    assert opened.counters.step == 1
    assert sum("measured again" in words for words in notices) == 1
    assert opened.run_config.calibration == run.config().calibration

    result_of(noting(run, notices))
    assert sum("measured again" in words for words in notices) == 1


def with_calibration(run: Run, calibration: Calibration | None, **training: Any) -> Run:
    config = run.config()
    run.save_config(replace(config, calibration=calibration, training={**config.training, **training}))
    return run


def noting(run: Run, notices: list[str]) -> Any:
    """The opening of a run, with the words of its notices kept."""
    opening = open_session(run, Control())
    while True:
        try:
            event: Event = next(opening)
        except StopIteration as end:
            return end.value
        if isinstance(event, NoticeGiven):
            notices.append(event.message)
        yield event
