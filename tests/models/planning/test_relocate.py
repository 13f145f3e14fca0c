"""A run is told where its text is now, and what it goes on with."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.cache import set_cache_dir
from data.errors import CorpusError, UsageError
from data.progress import result_of
from models.device import machine_name
from models.planning.extend import extend
from models.planning.plan import plan
from models.planning.relocate import choose_other_machine, relocate
from models.planning.request import Overrides, TrainRequest
from models.runs.run import Run
from tests.models.training.sessions import session_of, take_step

NewRun = Callable[..., Run]


@pytest.fixture
def moved(new_run: NewRun, meadow: Path, tmp_path: Path) -> tuple[Run, Path]:
    """A run that has begun to learn, and its text, which it cannot find any more."""
    run = new_run()
    session = session_of(run)
    take_step(session)
    session.save("request")
    text = tmp_path / "else where" / "other name.txt"
    text.parent.mkdir()
    shutil.move(meadow, text)
    set_cache_dir(tmp_path / "empty cache")
    return run, text


def test_a_text_that_is_given_is_found_from_then_on(moved: tuple[Run, Path]) -> None:
    run, text = moved
    with pytest.raises(CorpusError, match="is gone"):
        extend(run, steps=2)
    result_of(relocate(run, [str(text)]))
    config = run.config()
    assert config.data is not None and config.data.paths == (str(text),)
    assert [one.paths for one in run.datasets()] == [(str(text),)]
    extend(run, steps=2)
    assert session_of(run).counters.step == 1


def test_another_text_is_refused_and_changes_nothing(moved: tuple[Run, Path], river: Path) -> None:
    run, _ = moved
    before = run.config()
    with pytest.raises(CorpusError, match="is not what run 'owl' was trained on"):
        result_of(relocate(run, [str(river)]))
    assert run.config() == before


def test_the_text_a_run_is_continued_with_is_found_from_then_on(moved: tuple[Run, Path]) -> None:
    run, text = moved
    where = {"training.device": "cpu", "training.threads": 1}
    request = TrainRequest(
        paths=(str(text),), continue_run="owl", overrides=Overrides({"training.steps": 2, **where})
    )
    result_of(plan(request, run.path.parent)).start()
    assert session_of(run).counters.step == 1
    config = run.config()
    assert config.data is not None and config.data.paths == (str(text),)


def test_a_device_and_threads_that_are_new_are_measured_and_no_others(new_run: NewRun) -> None:
    run = new_run()
    config = run.config()
    assert config.calibration is not None
    here = replace(config.calibration, machine=machine_name(torch.device("cpu")))
    run.save_config(replace(config, calibration=here))
    choose_other_machine(run, device="cpu", threads=here.threads)
    assert run.config().calibration == here
    choose_other_machine(run, threads=here.threads + 1)
    assert run.config().calibration is None
    assert run.config().training_config().threads == here.threads + 1
    with pytest.raises(UsageError, match="no device"):
        choose_other_machine(run, device="cuda:99")


def test_an_impossible_number_of_threads_is_refused_and_not_saved(new_run: NewRun) -> None:
    run = new_run()
    before = run.config()
    with pytest.raises(UsageError, match="at most 1,024"):
        choose_other_machine(run, threads=9999)
    assert run.config() == before
