"""A second text: what stays, what grows, what is replayed, and what is refused."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.cache import set_cache_dir
from data.errors import CorpusError, RlmError, StorageError, UsageError
from data.replay import load_sample
from models.architectures import build_model, model_config
from models.errors import RunBusyError, RunError
from models.evaluation.forgetting import KnownText, losses_on
from models.growth import transaction as revision
from models.planning.continuation import Continuation, MoreOfTheSame
from models.planning.extend import extend
from models.planning.replay_share import DEFAULT_SHARE, OF_A_FAR_TEXT
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.events import (
    CorporaMeasured,
    CorpusBegun,
    Event,
    RunFinished,
    RunPaused,
    RunStarted,
    StepFinished,
)
from models.runs.listing import summarize
from models.runs.load import load_trained
from models.runs.run import Run
from models.training.control import Control
from models.training.trainer import train

NewRun = Callable[..., Run]
Go = Callable[[Run], list[Event]]
Plan = Callable[..., Any]


def test_new_characters_come_after_the_old_ones(owl: Run, river: Path, plan: Plan) -> None:
    before = load_trained(owl)
    plan(owl, river).start()
    after = load_trained(owl)
    assert after.tokenizer.vocab_size > before.tokenizer.vocab_size
    text = "the owl sees.\n"
    assert after.tokenizer.encode(text).tolist() == before.tokenizer.encode(text).tolist()
    assert after.tokenizer.decode(after.tokenizer.encode("река")) == "река"
    tokens = torch.from_numpy(before.tokenizer.encode(text))[None]
    for depth in before.model.modes().values():
        old = before.model(tokens, depth).logits
        new = after.model(tokens, depth).logits[..., : before.tokenizer.vocab_size]
        assert (old - new).abs().max() <= 1e-5


def test_a_stage_begins_anew_and_keeps_what_the_optimizer_knew(
    owl: Run, river: Path, go: Go, plan: Plan
) -> None:
    moments = {
        name: value
        for name, value in load_checkpoint(owl)[0].training.items()
        if name.startswith("optimizer.")
    }
    plan(owl, river).start()
    begun = load_checkpoint(owl)[0]
    assert begun.step == 0 and begun.state["counters"]["tokens_seen"] == 0
    for name, value in moments.items():
        kept = begun.training[name]
        assert torch.equal(kept[tuple(slice(size) for size in value.shape)], value), name
    events = go(owl)
    steps = [event for event in events if isinstance(event, StepFinished)]
    assert [event.step for event in steps] == [1, 2, 3, 4, 5]
    peak = owl.read_config()["training"]["learning_rate"]
    assert 0 < max(event.learning_rate for event in steps) <= 0.5 * peak
    assert isinstance(events[-1], RunFinished) and events[-1].step == 5


def test_what_it_knows_is_measured_before_and_after(owl: Run, river: Path, go: Go, plan: Plan) -> None:
    plan(owl, river, replay=0.2).start()
    events = go(owl)
    (begun,) = (event for event in events if isinstance(event, CorpusBegun))
    assert (begun.known_corpora, begun.replay_share) == (1, 0.2)
    before, after = (event for event in events if isinstance(event, CorporaMeasured))
    assert set(before.losses) == set(after.losses) == {"meadow", "river"}
    assert after.losses_before == before.losses
    meadow, known = owl.read_json("datasets.json") or []
    # What new tokens take of the probability counts as forgotten, not as never known.
    assert before.losses["meadow"] == pytest.approx(meadow["loss_when_learned"], abs=1e-5)
    new = known["grown"][0]["to"]
    assert meadow["loss_now"] == after.losses["meadow"]
    assert known["loss_now"] == known["loss_when_learned"] == after.losses["river"]
    assert (known["grown"][0]["what"], new) == ("vocabulary", begun.vocab_size)
    assert known["steps"] == 5 and known["tokens"] > 0


def test_replay_keeps_an_old_text_and_its_absence_loses_it(
    meadow_run: NewRun, tmp_path: Path, go: Go, plan: Plan
) -> None:
    # The other text uses the same letters for other words: without replay they displace the old.
    other = tmp_path / "other.txt"
    other.write_text("fee dna ees eht ,lwo eht sraeh xof eht .neh\n" * 60, encoding="utf-8")
    losses = {}
    for share in (0.0, 0.25):
        run = meadow_run(f"owl-{share:g}", steps=60, evaluations=1, batch_size=8)
        plan(run, other, replay=share, steps=60).start()
        go(run)
        meadow = (run.read_json("datasets.json") or [])[0]
        losses[share] = meadow["loss_now"] - meadow["loss_when_learned"]
    assert losses[0.25] < losses[0.0] / 2


@pytest.mark.parametrize("architecture", ["looped", "hrm", "transformer"])
def test_paused_and_resumed_it_is_what_it_would_have_been(
    meadow_run: NewRun, river: Path, architecture: str, go: Go, plan: Plan
) -> None:
    finals = []
    for pause_at in (None, 2):
        run = meadow_run(f"{architecture}-{pause_at}", architecture, steps=4, model={"dropout": 0.1})
        plan(run, river, replay=0.3, steps=6).start()
        if pause_at is not None:
            control = Control()
            for event in run.record(train(run, control)):
                if isinstance(event, StepFinished) and event.step == pause_at:
                    control.pause()
            assert isinstance(event, RunPaused)
            assert summarize(run.path).status == "paused"
        go(run)
        finals.append((load_weights(run.weights_path)[0], load_checkpoint(run)[0].training))
    for one, other in zip(*finals, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one | other)


def test_the_same_text_again_goes_on(owl: Run, corpus: Path, go: Go, plan: Plan) -> None:
    more = plan(owl, corpus, steps=3)
    assert isinstance(more, MoreOfTheSame)
    events = go(more.start())
    started = next(event for event in events if isinstance(event, RunStarted))
    assert (started.start_step, started.total_steps) == (6, 9)
    assert len(owl.read_json("datasets.json") or []) == 1


def test_a_text_it_knew_before_is_no_new_one(owl: Run, corpus: Path, river: Path, go: Go, plan: Plan) -> None:
    plan(owl, river).start()
    go(owl)
    again = plan(owl, corpus)
    assert isinstance(again, Continuation) and again.known == ("river",)
    go(again.start())
    assert [entry["name"] for entry in owl.read_json("datasets.json") or []] == ["meadow", "river"]


def test_two_texts_of_one_name_are_numbered(owl: Run, river: Path, tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "another").mkdir()
    namesake = river.rename(tmp_path / "another" / "meadow.txt")
    planned = plan(owl, namesake)
    assert dict(planned.rows())["text"].startswith("meadow (2): ")
    assert planned.known == ("meadow",)
    begun = next(event for event in train(planned.start()) if isinstance(event, CorpusBegun))
    assert begun.corpus == "meadow (2)"


def test_a_third_text_shares_the_room(owl: Run, river: Path, tmp_path: Path, go: Go, plan: Plan) -> None:
    plan(owl, river).start()
    go(owl)
    third = tmp_path / "third.txt"
    third.write_text("σοφός ο λόγος. " * 90, encoding="utf-8")
    plan(owl, third, replay=0.3).start()
    events = go(owl)
    after = [event for event in events if isinstance(event, CorporaMeasured)][-1]
    assert set(after.losses) == {"meadow", "river", "third"}
    assert len(list((owl.path / "replay").iterdir())) == 3


@pytest.mark.parametrize("left", [None, []])
def test_what_datasets_json_lost_is_replayed_all_the_same(
    owl: Run, river: Path, tmp_path: Path, go: Go, plan: Plan, left: list[Any] | None
) -> None:
    plan(owl, river, replay=0.2).start()
    go(owl)
    if left is None:
        (owl.path / "datasets.json").unlink()
    else:
        owl.write_json("datasets.json", left)
    third = tmp_path / "third.txt"
    third.write_text("the moon is out. " * 200, encoding="utf-8")
    planned = plan(owl, third)
    assert planned.known == ("a text", "river") and planned.replay.share > 0
    planned.start()
    measured = [event for event in go(owl) if isinstance(event, CorporaMeasured)]
    assert set(measured[-1].losses) == {"a text", "river", "third"}


def test_a_run_that_learned_conversations_still_knows_how_they_go(
    owl: Run, river: Path, go: Go, plan: Plan
) -> None:
    (meadow,) = owl.read_json("datasets.json") or []
    owl.write_json("datasets.json", [{**meadow, "kind": "messages"}])
    plan(owl, river).start()
    go(owl)
    assert owl.read_config()["data"]["kind"] == "text"
    assert load_trained(owl).kind == "messages"
    (owl.path / "datasets.json").write_text("{")
    assert load_trained(owl).kind == "text"


def test_more_of_a_text_that_is_gone_leaves_the_run_as_it_was(owl: Run, corpus: Path) -> None:
    config = owl.read_config()
    del config["data"]["prepared"]
    owl.write_config(config)
    corpus.unlink()
    with pytest.raises(CorpusError, match="is gone") as caught:
        extend(owl, steps=4)
    assert "--continue owl" in (caught.value.hint or "")
    assert (owl.read_config(), summarize(owl.path).status) == (config, "finished")


def test_a_text_cut_into_later_tokens_is_measured_with_them(owl: Run) -> None:
    model = load_trained(owl).model
    texts = [KnownText("early", np.array([16, 17, 18, 17])), KnownText("late", np.array([16, 19, 20, 19]))]
    found: list[dict[str, float]] = []

    def measuring(vocabulary: int | None) -> Iterator[Event]:
        found.append((yield from losses_on(model, texts, "float32", 0, vocabulary=vocabulary)))

    for vocabulary in (None, 20):
        list(measuring(vocabulary))
    whole, before = found
    assert before["late"] == whole["late"] and before["early"] < whole["early"]


def test_a_near_text_that_is_read_often_leaves_more_to_replay(owl: Run, tmp_path: Path, plan: Plan) -> None:
    near = tmp_path / "near.txt"
    near.write_text("the hen hears the fox.\n" * 40, encoding="utf-8")
    assert plan(owl, near, steps=5).replay.share == DEFAULT_SHARE
    often = plan(owl, near, steps=200).replay
    assert often.share == OF_A_FAR_TEXT and "so short" in often.reason


def test_replay_survives_the_text(owl: Run, corpus: Path, river: Path, go: Go, plan: Plan) -> None:
    corpus.unlink()
    plan(owl, river, replay=0.2).start()
    events = go(owl)
    assert "meadow" in [event for event in events if isinstance(event, CorporaMeasured)][-1].losses


def test_a_damaged_sample_is_drawn_again_from_its_text(
    owl: Run, corpus: Path, river: Path, go: Go, plan: Plan
) -> None:
    (sample,) = (owl.path / "replay").iterdir()
    whole = load_sample(sample.parent, owl.read_config()["data"]["content_hash"])
    sample.write_bytes(sample.read_bytes()[:100])
    plan(owl, river, replay=0.2).start()
    events = go(owl)
    drawn = load_sample(sample.parent, whole.content_hash)
    assert np.array_equal(drawn.train, whole.train) and np.array_equal(drawn.held_out, whole.held_out)
    assert "meadow" in [event for event in events if isinstance(event, CorporaMeasured)][-1].losses


def test_a_damaged_sample_whose_text_is_gone_costs_the_replay_alone(
    owl: Run, corpus: Path, river: Path, tmp_path: Path, go: Go, plan: Plan
) -> None:
    set_cache_dir(tmp_path / "another-cache")
    (sample,) = (owl.path / "replay").iterdir()
    sample.write_bytes(b"torn")
    corpus.unlink()
    plan(owl, river).start()
    events = go(owl)
    assert any("gone" in getattr(event, "message", "") for event in events)
    assert isinstance(events[-1], RunFinished)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"d_model": 64}, "d_model"),
        ({"architecture": "hrm"}, "architecture"),
        ({"preset": "hrm-4m"}, "preset"),
        ({"name": "other"}, "name"),
        ({"tokenizer": "bpe"}, "tokenizer"),
        ({"replay": 1.5}, "--replay"),
        ({"grow_vocab": 10}, "--grow-vocab"),
    ],
)
def test_what_only_a_new_model_can_be_given_is_refused(
    owl: Run, river: Path, said: dict[str, Any], words: str, plan: Plan
) -> None:
    before = {path: path.read_bytes() for path in owl.path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=words):
        plan(owl, river, **said)
    assert {path: path.read_bytes() for path in owl.path.rglob("*") if path.is_file()} == before


def test_a_run_that_changed_since_the_plan_is_left_alone(owl: Run, river: Path, plan: Plan) -> None:
    first, second = plan(owl, river), plan(owl, river)
    first.start()
    with pytest.raises(RunError, match="changed"):
        second.start()


def test_a_run_under_way_is_busy(owl: Run, river: Path, plan: Plan) -> None:
    with owl.lock(), pytest.raises(RunBusyError):
        plan(owl, river)


def test_a_short_text_is_refused(owl: Run, tmp_path: Path, plan: Plan) -> None:
    short = tmp_path / "short.txt"
    short.write_text("the owl.", encoding="utf-8")
    with pytest.raises(RlmError, match="too short"):
        plan(owl, short)


def test_replay_without_another_text_is_refused(river: Path, plan: Plan) -> None:
    with pytest.raises(UsageError, match="--replay"):
        plan(None, river, replay=0.1)


def test_the_weights_say_what_they_are(owl: Run, river: Path, plan: Plan) -> None:
    plan(owl, river).start()
    weights, metadata = load_weights(owl.weights_path)
    model = build_model(model_config(json.loads(metadata["config"])))
    model.load_state_dict(weights)
    assert model.config.vocab_size == load_trained(owl).tokenizer.vocab_size


def test_a_lost_tokenizer_is_put_back_when_training_goes_on(
    owl: Run, river: Path, go: Go, plan: Plan
) -> None:
    kept = owl.tokenizer_path.read_bytes()
    owl.tokenizer_path.unlink()
    plan(owl, river).start()
    go(owl)
    assert load_trained(owl).notes == ()
    owl.tokenizer_path.write_bytes(kept)  # the one before it grew
    extend(owl, steps=1)
    go(owl)
    assert load_trained(owl).notes == () and (owl.path / "tokenizer.json.1").read_bytes() == kept


def test_a_finished_run_is_given_more_of_its_text(owl: Run, corpus: Path, plan: Plan) -> None:
    more = plan(owl, corpus, steps=None)
    assert (more.status, more.minutes) == ("finished", 2.0)
    assert ("length", "2 minutes more") in more.rows()


def test_what_was_learned_of_a_text_before_it_was_judged_is_not_lost(
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


def test_more_steps_after_a_kill_in_a_change_are_of_the_new_text(
    owl: Run, river: Path, go: Go, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(owl, river, steps=50)
    with monkeypatch.context() as patch:
        patch.setattr(revision, "catch_up", lambda run: None)  # killed right after the checkpoint
        planned.start()
    extend(owl, steps=2)
    assert [event.step for event in go(owl) if isinstance(event, StepFinished)] == [1, 2]


def test_a_change_that_a_full_disk_interrupts_is_finished_later(
    owl: Run, river: Path, go: Go, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(owl, river)

    def full(*said: Any) -> None:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(revision, "save_weights", full)
        with pytest.raises(StorageError) as raised:
            planned.start()
    assert raised.value.hint is not None and "rlm resume owl" in raised.value.hint
    assert [event.step for event in go(owl) if isinstance(event, StepFinished)][-1] == 5


def test_without_room_nothing_is_begun(
    owl: Run, river: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned, before = plan(owl, river), sorted((owl.path / "checkpoints").iterdir())

    def no_room(path: Path, size: int, what: str) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(revision, "require_space", no_room)
    with pytest.raises(StorageError):
        planned.start()
    assert sorted((owl.path / "checkpoints").iterdir()) == before


def test_what_was_measured_for_other_batches_is_measured_again(
    owl: Run, river: Path, go: Go, plan: Plan
) -> None:
    plan(owl, river, batch_size=8, settings={"training.micro_batch": 2}).start()
    go(owl)
    assert owl.read_config()["measured"]["micro_batch"] == load_checkpoint(owl)[0].state["micro_batch"] == 2


def test_a_training_by_another_process_since_the_plan_is_not_overwritten(
    owl: Run, river: Path, go: Go, plan: Plan
) -> None:
    planned = plan(owl, river)
    config = owl.read_config()
    extend(owl, steps=3)
    go(owl)
    owl.write_config(config)
    with pytest.raises(RunError, match="changed"):
        planned.start()


def test_a_listing_tells_nothing_of_the_text_before(owl: Run, river: Path, plan: Plan) -> None:
    plan(owl, river).start()
    summary = summarize(owl.path)
    assert (summary.status, summary.step, summary.validation_loss, summary.corpus) == (
        "paused", 0, None, "river",
    )  # fmt: skip


def test_a_text_that_cannot_be_measured_has_no_loss(
    owl: Run, corpus: Path, river: Path, go: Go, plan: Plan, tmp_path: Path
) -> None:
    set_cache_dir(tmp_path / "another-cache")
    (sample,) = (owl.path / "replay").iterdir()
    sample.unlink()
    corpus.unlink()
    plan(owl, river).start()
    events = go(owl)
    assert any(isinstance(event, CorpusBegun) and event.known_corpora == 1 for event in events)
    meadow, known = owl.read_json("datasets.json") or []
    assert meadow["loss_now"] is None and known["loss_now"] > 0


@pytest.mark.parametrize(
    "said", [{"replay": 0.2}, {"grow_vocab": 5}, {"batch_size": 8}, {"settings": {"model.dropout": 0.1}}]
)
def test_what_more_of_the_same_has_no_use_for_is_refused(
    owl: Run, corpus: Path, plan: Plan, said: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        plan(owl, corpus, **said)


@pytest.mark.parametrize("said", [{"replay": 0.2}, {"grow_vocab": 5}, {"grow_every": 9}, {"grow_by": 9}])
def test_puzzles_have_no_use_for_what_is_of_text(river: Path, said: dict[str, Any], plan: Plan) -> None:
    with pytest.raises(UsageError, match="puzzles"):
        plan(None, river, task="sudoku:4x4", **said)


def test_a_dropout_that_is_none_is_refused(owl: Run, river: Path, plan: Plan) -> None:
    with pytest.raises(UsageError, match="dropout"):
        plan(owl, river, settings={"model.dropout": "abc"})


def test_byte_pairs_are_added_for_another_text(tmp_path: Path, river: Path, go: Go, plan: Plan) -> None:
    settings = {"training.samples": 0, "training.evaluations": 1, "training.threads": 1}
    first = tmp_path / "tale.txt"
    first.write_text("the owl sees the fox, and the fox hears the hen.\n" * 60, encoding="utf-8")
    dials = {"tokenizer": "bpe", "vocab_size": 280, "d_model": 16, "n_heads": 2, "context_length": 16}
    run = plan(None, first, name="pairs", settings=settings, **dials).start()
    go(run)
    before = load_trained(run)
    chosen = plan(run, river).replay  # bytes cover all there is, and letters are new all the same
    assert "of its characters are new" in chosen.reason and chosen.share > OF_A_FAR_TEXT
    plan(run, river, grow_vocab=6, replay=0.2).start()
    go(run)
    after = load_trained(run)
    assert after.tokenizer.vocab_size == before.tokenizer.vocab_size + 6
    for token in range(before.tokenizer.vocab_size):
        assert after.tokenizer.token_bytes(token) == before.tokenizer.token_bytes(token)
