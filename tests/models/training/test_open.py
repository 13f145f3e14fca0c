"""Opening a run whose files are not all as they were left."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from data.errors import TokenizerError, UsageError
from models.cost import estimate
from models.errors import CheckpointError, RunError
from models.runs.events import Event, NoticeGiven, RunFinished, StepFinished
from models.runs.load import load_run
from models.runs.run import Run
from models.runs.run_config import Extension
from models.runs.tokenizer import load_run_tokenizer
from models.training.control import Control
from models.training.length import Length
from models.training.trainer import train

NewRun = Callable[..., Run]


def notices(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, NoticeGiven)]


@pytest.fixture
def finished(new_run: NewRun) -> Run:
    run = new_run(steps=4, evaluations=2, samples=0)
    list(train(run))
    return run


@pytest.mark.parametrize(
    "change",
    [
        {"d_model": 1_000_000},
        {"d_model": 16384, "core_layers": 64},
        {"vocab_size": 2**20},
        {"core_layers": 2},
        {"d_model": "wide"},
        {"architecture": "rnn"},
        {"architecture": "transformer"},
        {"no_such_dial": 1},
    ],
    ids=str,
)
def test_a_config_of_another_model_is_refused_before_anything_is_built(
    finished: Run, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    config = json.loads(finished.config_path.read_text())
    config["model"] |= change
    finished.config_path.write_text(json.dumps(config))

    def never(*_: Any) -> None:
        raise AssertionError("it was built")

    for module in ("models.runs.load", "models.training.open"):
        monkeypatch.setattr(f"{module}.build_model", never)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_run(finished)
    config["extension"] = {"from_step": 4, "minutes": None, "steps": 3}
    finished.config_path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        list(train(finished))


@pytest.mark.parametrize("damage", [None, "", "{}", '{"model": {"type": "BPE"}}'])
def test_a_lost_tokenizer_is_found_in_the_weights(finished: Run, damage: str | None) -> None:
    before = load_run(finished)
    assert before.notes == ()
    if damage is None:
        finished.tokenizer_path.unlink()
    else:
        finished.tokenizer_path.write_text(damage)
    found = load_run(finished)
    assert found.tokenizer.hash == before.tokenizer.hash and "copy in its weights" in found.notes[0]
    extension = Extension(from_step=4, minutes=None, steps=2)
    finished.save_config(replace(finished.config(), extension=extension))
    events = list(train(finished))
    assert any("restored from the copy" in notice for notice in notices(events))
    assert isinstance(events[-1], RunFinished)
    assert finished.tokenizer_path.read_text() == before.tokenizer.to_json()
    backup = finished.path / "tokenizer.json.1"
    assert (backup.read_text() if backup.exists() else None) == damage


def test_a_lost_tokenizer_is_found_in_a_checkpoint(finished: Run) -> None:
    finished.tokenizer_path.unlink()
    finished.weights_path.unlink()
    tokenizer, note = load_run_tokenizer(finished, finished.config(), _vocab_size(finished))
    assert tokenizer.vocab_size == _vocab_size(finished) and note is not None


def _vocab_size(run: Run) -> int:
    return int(run.config().model.dials["vocab_size"])


def test_a_copy_that_does_not_belong_to_the_model_is_not_used(finished: Run) -> None:
    config = finished.config()
    assert config.data is not None
    finished.save_config(replace(config, data=replace(config.data, tokenizer_hash="0" * 64)))
    with pytest.raises(TokenizerError, match="is not the one"):
        load_run(finished)
    finished.tokenizer_path.unlink()
    with pytest.raises(TokenizerError, match="no tokenizer"):
        load_run(finished)


def test_resuming_makes_lost_weights_again(finished: Run) -> None:
    finished.weights_path.unlink()
    with pytest.raises(CheckpointError, match="is missing") as caught:
        load_run(finished)
    assert caught.value.hint is not None and f"{{resume {finished.in_command}}}" in caught.value.hint
    assert isinstance(list(train(finished))[-1], RunFinished)  # evaluated again, and nothing else
    assert load_run(finished).notes == ()


def test_a_run_without_a_step_is_not_trained_yet(new_run: NewRun) -> None:
    with pytest.raises(RunError, match="not trained yet") as caught:
        load_run(run := new_run())
    assert caught.value.hint == f"Train it: {{resume {run.in_command}}}"


def test_a_run_that_was_paused_before_an_evaluation_has_no_best_weights_yet(new_run: NewRun) -> None:
    run, control = new_run(evaluations=1), Control()
    for event in run.record(train(run, control)):
        if isinstance(event, StepFinished):
            control.pause()
    with pytest.raises(
        RunError, match="no best weights yet: it was not evaluated in its 1 step\\."
    ) as caught:
        load_run(run)
    assert caught.value.hint == f"Train it: {{resume {run.in_command}}}"


def test_damaged_weights_say_how_to_make_them_again(finished: Run) -> None:
    finished.weights_path.write_bytes(b"\0" * 99)
    with pytest.raises(CheckpointError) as caught:
        load_run(finished)
    assert caught.value.hint is not None and f"{{resume {finished.in_command}}}" in caught.value.hint


def test_a_pause_before_the_first_checkpoint_does_not_use_up_minutes(new_run: NewRun) -> None:
    run = new_run(calibrated=False, minutes=2.0)
    control = Control(began=1000.0)
    for _ in train(run, control):
        control.pause()
    config, later = run.config(), Control(began=5000.0)
    lengths = [Length.of(config, config.training_config(), None, one.began, 0.0) for one in (control, later)]
    assert [length.deadline for length in lengths] == [1120.0, 5120.0]


def test_a_run_that_no_longer_fits_is_not_told_to_have_another_shape(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    monkeypatch.setattr(estimate, "free_memory_bytes", lambda device: 1000)
    with pytest.raises(UsageError, match="needs at least") as caught:
        list(train(run))
    assert "memory" in (caught.value.hint or "") and "{" not in (caught.value.hint or "")
