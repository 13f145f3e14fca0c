"""A model that grows while it learns: when, by how much, and that nothing of it is lost."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.cost import estimate as cost
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.events import Event, ModelExpanded, NoticeGiven, RunFinished, RunPaused, StepFinished
from models.runs.load import load_run
from models.runs.run import Run
from models.training.control import Control
from models.training.trainer import train

NewRun = Callable[..., Run]
Go = Callable[[Run], list[Event]]
PER_STEP = 4 * 16  # tokens, which are characters
GROWING = {"steps": 10, "evaluations": 3, "grow_every": 4 * PER_STEP, "grow_by": 6_000, "average_decay": 0.9}


def test_a_model_grows_each_time_it_has_read_the_configured_characters(trained_run: NewRun) -> None:
    run = trained_run("owl", **GROWING)
    grown = [event for event in run.events() if isinstance(event, ModelExpanded)]
    assert [event.step for event in grown] == [4, 8]
    assert [event.characters_seen for event in grown] == [4 * PER_STEP, 8 * PER_STEP]
    for event in grown:
        assert event.parameters > event.parameters_before and event.largest_logit_change <= 1e-5
        assert event.grown
    assert load_run(run).model.parameter_counts()[0] == grown[-1].parameters
    assert run.config().revision == 2


def test_several_growths_due_at_once_are_one_larger_growth(trained_run: NewRun) -> None:
    run = trained_run("owl", **{**GROWING, "grow_every": PER_STEP // 3, "grow_by": 1500, "steps": 3})
    grown = [event for event in run.events() if isinstance(event, ModelExpanded)]
    assert [event.step for event in grown] == [1, 2]
    assert grown[0].parameters - grown[0].parameters_before >= 3000


@pytest.mark.parametrize("architecture", ["looped", "hrm", "transformer"])
def test_a_pause_around_a_growth_changes_nothing(
    trained_run: NewRun, meadow_run: NewRun, go: Go, architecture: str
) -> None:
    dials = {**GROWING, "model": {"dropout": 0.1}}
    reference = trained_run("reference", architecture, **dials)
    for pause_at in (3, 4, 6):
        run = meadow_run(f"paused-at-{pause_at}", architecture, **dials)
        run.save_datasets(reference.datasets())
        control = Control()
        event: Any = None
        for event in run.record(train(run, control)):
            if isinstance(event, StepFinished) and event.step == pause_at:
                control.pause()
        assert isinstance(event, RunPaused)
        go(run)
        finals = [
            (load_weights(one.weights_path)[0], load_checkpoint(one)[0].training) for one in (reference, run)
        ]
        for one, other in zip(*finals, strict=True):
            assert [name for name in one | other if not torch.equal(one[name], other[name])] == []


def test_a_model_that_cannot_grow_by_so_little_stays_with_a_notice(trained_run: NewRun) -> None:
    run = trained_run("owl", **{**GROWING, "grow_by": 1})
    events = list(run.events())
    assert any(isinstance(event, NoticeGiven) and "grow" in event.message for event in events)
    assert isinstance(events[-1], RunFinished)


def test_a_batch_that_no_longer_fits_is_taken_in_smaller_pieces(
    trained_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy = trained_run("roomy", **GROWING)
    assert load_checkpoint(roomy)[0].state.micro_batch == 4
    monkeypatch.setattr(cost, "free_memory_bytes", lambda device: 2_000_000)
    narrow = trained_run("narrow", **GROWING)
    assert any(isinstance(event, ModelExpanded) for event in narrow.events())
    assert 1 <= load_checkpoint(narrow)[0].state.micro_batch < 4
