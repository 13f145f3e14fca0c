"""The plan of another text for a run: what grows, what is replayed, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from data.errors import CorpusError, RlmError, StorageError, UsageError
from models.architectures import build_model, model_config
from models.errors import RunBusyError, RunError
from models.growth import transaction
from models.planning.extend import extend
from models.planning.replay_share import DEFAULT_SHARE, OF_A_FAR_TEXT
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.events import (
    CorpusStarted,
    Event,
    StepFinished,
)
from models.runs.listing import summarize
from models.runs.load import load_run
from models.runs.run import Run
from models.training.control import Control
from models.training.trainer import train

NewRun = Callable[..., Run]
Go = Callable[[Run], list[Event]]
Plan = Callable[..., Any]


def test_new_characters_come_after_the_old_ones(owl: Run, river: Path, plan: Plan) -> None:
    before = load_run(owl)
    plan(owl, river).start()
    after = load_run(owl)
    assert after.tokenizer.vocab_size > before.tokenizer.vocab_size
    text = "the owl sees.\n"
    assert after.tokenizer.encode(text).tolist() == before.tokenizer.encode(text).tolist()
    assert after.tokenizer.decode(after.tokenizer.encode("река")) == "река"
    tokens = torch.from_numpy(before.tokenizer.encode(text))[None]
    for depth in before.model.modes().values():
        old = before.model(tokens, depth).logits
        new = after.model(tokens, depth).logits[..., : before.tokenizer.vocab_size]
        assert (old - new).abs().max() <= 1e-5


def test_two_texts_of_one_name_are_numbered(owl: Run, river: Path, tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "another").mkdir()
    namesake = river.rename(tmp_path / "another" / "meadow.txt")
    planned = plan(owl, namesake)
    assert dict(planned.rows())["text"].startswith("meadow (2): ")
    assert planned.known == ("meadow",)
    begun = next(event for event in train(planned.start()) if isinstance(event, CorpusStarted))
    assert begun.corpus == "meadow (2)"


def test_more_of_a_text_that_is_gone_leaves_the_run_as_it_was(owl: Run, meadow: Path) -> None:
    config = owl.config()
    assert config.data is not None
    config = replace(config, data=replace(config.data, prepared=None))
    owl.save_config(config)
    meadow.unlink()
    with pytest.raises(CorpusError, match="is gone") as caught:
        extend(owl, steps=4)
    assert f"{{train FILE continue_run={owl.in_command}}}" in (caught.value.hint or "")
    assert (owl.config(), summarize(owl.path).status) == (config, "finished")


def test_a_near_text_that_is_read_often_leaves_more_to_replay(owl: Run, tmp_path: Path, plan: Plan) -> None:
    near = tmp_path / "near.txt"
    near.write_text("the hen hears the fox.\n" * 40, encoding="utf-8")
    assert plan(owl, near, steps=5).replay.share == DEFAULT_SHARE
    often = plan(owl, near, steps=200).replay
    assert often.share == OF_A_FAR_TEXT and "short" in often.reason


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"d_model": 64}, "d_model"),
        ({"architecture": "hrm"}, "architecture"),
        ({"preset": "hrm-4m"}, "preset"),
        ({"tokenizer": "bpe"}, "tokenizer"),
        ({"replay": 1.5}, r"^replay is 1\.5"),
        ({"grow_vocab": 10}, r"\{grow_vocab\}"),
    ],
)
def test_settings_of_a_new_model_are_refused(
    owl: Run, river: Path, typed: dict[str, Any], words: str, plan: Plan
) -> None:
    before = {path: path.read_bytes() for path in owl.path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=words):
        plan(owl, river, **typed)
    assert {path: path.read_bytes() for path in owl.path.rglob("*") if path.is_file()} == before


def test_a_run_that_changed_since_the_plan_is_left_alone(owl: Run, river: Path, plan: Plan) -> None:
    first, second = plan(owl, river), plan(owl, river)
    first.start()
    with pytest.raises(RunError, match="changed"):
        second.start()


@pytest.mark.usefixtures("impatient")
def test_a_run_that_trains_is_busy(owl: Run, river: Path, plan: Plan) -> None:
    with owl.lock(), pytest.raises(RunBusyError):
        plan(owl, river)


def test_a_short_text_is_refused(owl: Run, tmp_path: Path, plan: Plan) -> None:
    short = tmp_path / "short.txt"
    short.write_text("the owl.", encoding="utf-8")
    with pytest.raises(RlmError, match="too short"):
        plan(owl, short)


def test_replay_without_another_text_is_refused(river: Path, plan: Plan) -> None:
    with pytest.raises(UsageError, match=r"\{replay\}"):
        plan(None, river, replay=0.1)


def test_the_weights_file_describes_its_model(owl: Run, river: Path, plan: Plan) -> None:
    plan(owl, river).start()
    weights, metadata = load_weights(owl.weights_path)
    model = build_model(model_config(json.loads(metadata["config"])))
    model.load_state_dict(weights)
    assert model.config.vocab_size == load_run(owl).tokenizer.vocab_size


def test_a_finished_run_is_given_more_of_its_text(owl: Run, meadow: Path, plan: Plan) -> None:
    more = plan(owl, meadow, steps=None)
    assert (more.status, more.minutes) == ("finished", 2.0)
    assert ("length", "2 minutes more") in more.rows()


def test_weights_that_were_never_evaluated_are_what_a_third_text_starts_from(
    owl: Run, river: Path, tmp_path: Path, plan: Plan
) -> None:
    plan(owl, river, steps=50, settings={"training.evaluations": 1}).start()
    control = Control()
    for event in owl.record(train(owl, control)):
        if isinstance(event, StepFinished) and event.step == 3:
            control.pause()
    learned = load_checkpoint(owl)[0].training
    third = tmp_path / "third.txt"
    third.write_text("the owl sees the bee.\n" * 90, encoding="utf-8")
    begun = plan(owl, third).snapshot
    assert torch.equal(begun.model["prelude.0.attention.out.weight"],
                       learned["average.prelude.0.attention.out.weight"])  # fmt: skip


def test_more_steps_after_a_kill_in_a_change_are_on_the_new_text(
    owl: Run, river: Path, go: Go, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(owl, river, steps=50)
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "recover", lambda run: None)  # killed right after the checkpoint
        planned.start()
    extend(owl, steps=2)
    assert [event.step for event in go(owl) if isinstance(event, StepFinished)] == [1, 2]


def test_a_change_that_a_full_disk_interrupts_is_finished_later(
    owl: Run, river: Path, go: Go, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(owl, river)

    def full(*arguments: Any) -> None:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(transaction, "save_weights", full)
        with pytest.raises(StorageError) as raised:
            planned.start()
    assert raised.value.hint is not None and f"{{resume {owl.in_command}}}" in raised.value.hint
    assert [event.step for event in go(owl) if isinstance(event, StepFinished)][-1] == 5


def test_without_room_nothing_is_begun(
    owl: Run, river: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned, before = plan(owl, river), sorted((owl.path / "checkpoints").iterdir())

    def no_room(path: Path, size: int, what: str) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(transaction, "require_space", no_room)
    with pytest.raises(StorageError):
        planned.start()
    assert sorted((owl.path / "checkpoints").iterdir()) == before


def test_a_training_by_another_process_since_the_plan_is_not_overwritten(
    owl: Run, river: Path, go: Go, plan: Plan
) -> None:
    planned = plan(owl, river)
    config = owl.config()
    extend(owl, steps=3)
    go(owl)
    owl.save_config(config)
    with pytest.raises(RunError, match="changed"):
        planned.start()


def test_a_listing_shows_nothing_of_the_earlier_text(owl: Run, river: Path, plan: Plan) -> None:
    plan(owl, river).start()
    summary = summarize(owl.path)
    assert (summary.status, summary.step, summary.validation_loss, summary.corpus) == (
        "paused", 0, None, "river",
    )  # fmt: skip


@pytest.mark.parametrize(
    "typed", [{"replay": 0.2}, {"grow_vocab": 5}, {"batch_size": 8}, {"settings": {"model.dropout": 0.1}}]
)
def test_settings_that_more_of_the_same_text_cannot_use_are_refused(
    owl: Run, meadow: Path, plan: Plan, typed: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        plan(owl, meadow, **typed)


@pytest.mark.parametrize("typed", [{"replay": 0.2}, {"grow_vocab": 5}, {"grow_every": 9}, {"grow_by": 9}])
def test_settings_of_text_are_refused_for_puzzles(river: Path, typed: dict[str, Any], plan: Plan) -> None:
    with pytest.raises(UsageError, match="is for text"):
        plan(None, river, task="sudoku:4x4", **typed)


def test_a_dropout_that_is_no_number_is_refused(owl: Run, river: Path, plan: Plan) -> None:
    with pytest.raises(UsageError, match="dropout"):
        plan(owl, river, settings={"model.dropout": "abc"})
