"""Training on another text: what stays, what is replayed, and what is measured."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from data.cache import set_cache_dir
from data.progress import result_of
from models.evaluation.parts import PartLosses
from models.planning.continuation_plan import ContinuationPlan
from models.planning.extend import extend
from models.planning.replay_share import OF_A_FAR_TEXT
from models.planning.resume_plan import ResumePlan
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.datasets import Dataset
from models.runs.events import (
    CorporaMeasured,
    CorpusStarted,
    EvaluationAdvanced,
    EvaluationFinished,
    Event,
    RunFinished,
    RunPaused,
    RunStarted,
    StepFinished,
)
from models.runs.listing import summarize
from models.runs.load import load_run
from models.runs.run import Run
from models.training import text_task
from models.training.control import Control
from models.training.trainer import train
from tests.models.training.sessions import session_of

NewRun = Callable[..., Run]
Go = Callable[[Run], list[Event]]
Plan = Callable[..., Any]


def test_another_text_starts_at_step_0_with_the_moments_of_the_optimizer(
    owl: Run, river: Path, go: Go, plan: Plan
) -> None:
    moments = {
        name: value
        for name, value in load_checkpoint(owl)[0].training.items()
        if name.startswith("optimizer.")
    }
    plan(owl, river).start()
    begun = load_checkpoint(owl)[0]
    assert begun.step == 0 and begun.state.counters.tokens_seen == 0
    for name, value in moments.items():
        kept = begun.training[name]
        assert torch.equal(kept[tuple(slice(size) for size in value.shape)], value), name
    events = go(owl)
    steps = [event for event in events if isinstance(event, StepFinished)]
    assert [event.step for event in steps] == [1, 2, 3, 4, 5]
    peak = owl.config().training_config().learning_rate
    assert 0 < max(event.learning_rate for event in steps) <= 0.5 * peak
    assert isinstance(events[-1], RunFinished) and events[-1].step == 5


def test_losses_on_known_texts_are_measured_before_and_after(
    owl: Run, river: Path, go: Go, plan: Plan
) -> None:
    plan(owl, river, replay=0.2).start()
    events = go(owl)
    (begun,) = (event for event in events if isinstance(event, CorpusStarted))
    assert (begun.known_corpora, begun.replay_share) == (1, 0.2)
    before, after = (event for event in events if isinstance(event, CorporaMeasured))
    assert set(before.losses) == set(after.losses) == {"meadow", "river"}
    assert after.losses_before == before.losses
    earlier, learned = owl.datasets()
    # What new tokens take of the probability counts as forgotten, not as never known.
    assert before.losses["meadow"] == pytest.approx(earlier.loss_when_learned, abs=1e-5)
    assert earlier.loss_now == after.losses["meadow"]
    assert learned.loss_now == learned.loss_when_learned == after.losses["river"]
    assert (learned.grown[0].what, learned.grown[0].after) == ("vocabulary", begun.vocab_size)
    assert learned.steps == 5 and learned.tokens is not None and learned.tokens > 0


@pytest.mark.slow
def test_replay_keeps_the_loss_on_an_earlier_text_low(
    trained_run: NewRun, tmp_path: Path, go: Go, plan: Plan
) -> None:
    # The other text uses the same letters for other words: without replay they displace the old.
    other = tmp_path / "other.txt"
    other.write_text("fee dna ees eht ,lwo eht sraeh xof eht .neh\n" * 60, encoding="utf-8")
    losses = {}
    for share in (0.0, 0.25):
        run = trained_run(f"owl-{share:g}", steps=60, evaluations=1, batch_size=8)
        plan(run, other, replay=share, steps=60).start()
        go(run)
        earlier = run.datasets()[0]
        assert earlier.loss_now is not None and earlier.loss_when_learned is not None
        losses[share] = earlier.loss_now - earlier.loss_when_learned
    assert losses[0.25] < losses[0.0] / 2


@pytest.mark.parametrize(("share", "later_is_best"), [(0.2, False), (0.0, True)])
def test_the_best_weights_know_the_earlier_texts_too_where_they_are_replayed(
    owl: Run, river: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, share: float, later_is_best: bool
) -> None:
    plan(owl, river, replay=share).start()
    session = session_of(owl)
    result_of(session.task.begin(session))
    meadow = session.task.datasets[0]
    assert meadow.loss_before is not None

    def measures(*losses: Any) -> Callable[..., Iterator[Event]]:
        coming = iter(losses)

        def measure(*arguments: Any, **settings: Any) -> Generator[Event, None, Any]:
            yield from ()
            return next(coming)

        return measure

    losses = [[PartLosses(loss, {})] for loss in (2.0, 1.9)]
    monkeypatch.setattr(text_task, "evaluate_parts", measures(*losses))  # the river is learned
    rising = [{meadow.content_hash: meadow.loss_before + by} for by in (0.0, 0.3)]  # the meadow is forgotten
    monkeypatch.setattr(text_task, "losses_on", measures(*rising if share else ({}, {})))
    kept = [
        event.best
        for _ in range(2)
        for event in session.task.evaluate(session)
        if isinstance(event, EvaluationFinished)
    ]
    assert kept == [True, later_is_best]


@pytest.mark.parametrize(
    "architecture", ["looped", pytest.param("hrm", marks=pytest.mark.slow), "transformer"]
)
def test_a_pause_on_another_text_changes_nothing(
    trained_run: NewRun, river: Path, architecture: str, go: Go, plan: Plan
) -> None:
    finals = []
    for pause_at in (None, 2):
        run = trained_run(f"{architecture}-{pause_at}", architecture, steps=4, model={"dropout": 0.1})
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


def test_a_pause_while_the_earlier_texts_are_measured_changes_nothing(
    owl: Run, river: Path, go: Go, plan: Plan
) -> None:
    plan(owl, river, replay=0.2).start()
    events, control = list[Event](), Control()
    for event in owl.record(train(owl, control)):
        events.append(event)
        if isinstance(event, EvaluationAdvanced):
            control.pause()
    assert isinstance(events[-1], RunPaused) and isinstance(events[-2], EvaluationAdvanced)
    more = go(owl)
    assert [type(event) for event in more].count(CorporaMeasured) == 2
    assert isinstance(more[-1], RunFinished) and more[-1].step == 5
    assert [text.corpus for text in owl.history().texts] == ["river"]


def test_the_same_text_resumes_the_training(owl: Run, meadow: Path, go: Go, plan: Plan) -> None:
    more = plan(owl, meadow, steps=3)
    assert isinstance(more, ResumePlan)
    events = go(more.start())
    started = next(event for event in events if isinstance(event, RunStarted))
    assert (started.start_step, started.total_steps) == (6, 9)
    assert len(owl.datasets()) == 1


def test_new_minutes_with_the_same_text_count_from_its_plan(owl: Run, meadow: Path, plan: Plan) -> None:
    """As those of a new run do. Steps, and what is left of earlier minutes, count from the training."""
    before = time.time()
    assert before <= plan(owl, meadow, steps=None, minutes=0.1).started_at <= time.time()
    assert plan(owl, meadow, steps=3).started_at is None


def test_an_earlier_text_learned_again_is_listed_once(
    owl: Run, meadow: Path, river: Path, go: Go, plan: Plan
) -> None:
    plan(owl, river).start()
    go(owl)
    again = plan(owl, meadow)
    assert isinstance(again, ContinuationPlan) and again.known == ("river",)
    go(again.start())
    assert [one.name for one in owl.datasets()] == ["meadow", "river"]


def test_a_third_text_is_learned_with_replay_of_two(
    owl: Run, river: Path, tmp_path: Path, go: Go, plan: Plan
) -> None:
    plan(owl, river).start()
    go(owl)
    third = tmp_path / "third.txt"
    third.write_text("σοφός ο λόγος. " * 90, encoding="utf-8")
    plan(owl, third, replay=0.3).start()
    events = go(owl)
    after = [event for event in events if isinstance(event, CorporaMeasured)][-1]
    assert set(after.losses) == {"meadow", "river", "third"}
    assert len(list((owl.path / "replay").iterdir())) == 3


@pytest.mark.parametrize("rest", [None, []])
def test_a_text_missing_from_datasets_json_is_still_replayed(
    owl: Run, river: Path, tmp_path: Path, go: Go, plan: Plan, rest: list[Dataset] | None
) -> None:
    plan(owl, river, replay=0.2).start()
    go(owl)
    if rest is None:
        (owl.path / "datasets.json").unlink()
    else:
        owl.save_datasets(rest)
    third = tmp_path / "third.txt"
    third.write_text("the moon is out. " * 200, encoding="utf-8")
    planned = plan(owl, third)
    assert planned.known == ("a text", "river") and planned.replay.share > 0
    planned.start()
    measured = [event for event in go(owl) if isinstance(event, CorporaMeasured)]
    assert set(measured[-1].losses) == {"a text", "river", "third"}


def test_a_run_that_once_learned_conversations_answers_as_one(
    owl: Run, river: Path, go: Go, plan: Plan
) -> None:
    (earlier,) = owl.datasets()
    owl.save_datasets([replace(earlier, kind="messages")])
    plan(owl, river).start()
    go(owl)
    data = owl.config().data
    assert data is not None and data.kind == "text"
    assert load_run(owl).kind == "messages"
    (owl.path / "datasets.json").write_text("{")
    assert load_run(owl).kind == "text"


def test_a_lost_tokenizer_is_put_back_when_training_goes_on(
    owl: Run, river: Path, go: Go, plan: Plan
) -> None:
    kept = owl.tokenizer_path.read_bytes()
    owl.tokenizer_path.unlink()
    plan(owl, river).start()
    go(owl)
    assert load_run(owl).notes == ()
    owl.tokenizer_path.write_bytes(kept)  # the one before it grew
    extend(owl, steps=1)
    go(owl)
    assert load_run(owl).notes == () and (owl.path / "tokenizer.json.1").read_bytes() == kept


def test_another_batch_size_is_calibrated_again(owl: Run, river: Path, go: Go, plan: Plan) -> None:
    plan(owl, river, batch_size=8, settings={"training.micro_batch": 2}).start()
    go(owl)
    calibration = owl.config().calibration
    assert calibration is not None
    assert calibration.micro_batch == load_checkpoint(owl)[0].state.micro_batch == 2


def test_an_earlier_text_that_is_gone_has_no_loss(
    owl: Run, meadow: Path, river: Path, go: Go, plan: Plan, tmp_path: Path
) -> None:
    set_cache_dir(tmp_path / "another-cache")
    (sample,) = (owl.path / "replay").iterdir()
    sample.unlink()
    meadow.unlink()
    plan(owl, river).start()
    events = go(owl)
    assert any(isinstance(event, CorpusStarted) and event.known_corpora == 1 for event in events)
    earlier, learned = owl.datasets()
    assert earlier.loss_now is None and learned.loss_now is not None and learned.loss_now > 0


def test_byte_pairs_are_added_for_another_text(tmp_path: Path, river: Path, go: Go, plan: Plan) -> None:
    settings = {"training.samples": 0, "training.evaluations": 1, "training.threads": 1}
    first = tmp_path / "tale.txt"
    first.write_text("the owl sees the fox, and the fox hears the hen.\n" * 60, encoding="utf-8")
    dials = {"tokenizer": "bpe", "vocab_size": 280, "d_model": 16, "n_heads": 2, "context_length": 16}
    run = plan(None, first, name="pairs", settings=settings, **dials).start()
    go(run)
    before = load_run(run)
    chosen = plan(run, river).replay  # bytes cover all there is, and letters are new all the same
    assert "characters are new" in chosen.reason and chosen.share > OF_A_FAR_TEXT
    plan(run, river, grow_vocab=6, replay=0.2).start()
    go(run)
    after = load_run(run)
    assert after.tokenizer.vocab_size == before.tokenizer.vocab_size + 6
    for token in range(before.tokenizer.vocab_size):
        assert after.tokenizer.token_bytes(token) == before.tokenizer.token_bytes(token)
