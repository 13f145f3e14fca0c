"""Training on another text where what was kept of an earlier one is lost."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data import prepare
from data.cache import set_cache_dir
from data.errors import StorageError
from data.replay import load_sample
from models.runs.events import CorporaMeasured, Event, RunFinished
from models.runs.run import Run
from models.training.trainer import train

Go = Callable[[Run], list[Event]]
Plan = Callable[..., Any]


def test_an_earlier_text_is_replayed_after_its_file_is_gone(
    owl: Run, meadow: Path, river: Path, go: Go, plan: Plan
) -> None:
    meadow.unlink()
    plan(owl, river, replay=0.2).start()
    events = go(owl)
    assert "meadow" in [event for event in events if isinstance(event, CorporaMeasured)][-1].losses


def test_a_damaged_sample_is_drawn_again_from_its_text(
    owl: Run, meadow: Path, river: Path, go: Go, plan: Plan
) -> None:
    (sample,) = (owl.path / "replay").iterdir()
    whole = load_sample(sample.parent, owl.config().content_hash)
    sample.write_bytes(sample.read_bytes()[:100])
    plan(owl, river, replay=0.2).start()
    events = go(owl)
    drawn = load_sample(sample.parent, whole.content_hash)
    assert np.array_equal(drawn.train, whole.train) and np.array_equal(drawn.held_out, whole.held_out)
    assert "meadow" in [event for event in events if isinstance(event, CorporaMeasured)][-1].losses


def test_without_a_sample_and_its_text_training_goes_on_without_replay(
    owl: Run, meadow: Path, river: Path, tmp_path: Path, go: Go, plan: Plan
) -> None:
    set_cache_dir(tmp_path / "another-cache")
    (sample,) = (owl.path / "replay").iterdir()
    sample.write_bytes(b"torn")
    meadow.unlink()
    plan(owl, river).start()
    events = go(owl)
    assert any("gone" in getattr(event, "message", "") for event in events)
    assert isinstance(events[-1], RunFinished)


def test_a_full_disk_is_not_told_as_a_text_that_is_gone(
    owl: Run, river: Path, tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_cache_dir(tmp_path / "another-cache")
    plan(owl, river).start()
    for sample in (owl.path / "replay").iterdir():
        sample.unlink()

    def full(*arguments: Any) -> Iterator[Event]:
        yield from ()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prepare, "_write_folder", full)
    with pytest.raises(StorageError, match="The disk is full: the tokens in"):
        list(train(owl))
