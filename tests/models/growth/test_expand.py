"""A run grows into a new one: same output, everything taken over, training continues."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.errors import CorpusError, UsageError
from data.progress import result_of
from data.replay import load_sample
from models.architectures import build_model
from models.cost import estimate
from models.errors import RunError
from models.growth.axes import differences, sizes
from models.growth.check import LARGEST_CHANGE, largest_logit_change, tokens_to_check
from models.growth.expand import ExpansionPlan
from models.planning.create import plan_creation
from models.planning.extend import extend
from models.planning.plan import plan
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.compatibility import model_config_of
from models.runs.datasets import Growth
from models.runs.events import RunFinished, RunPaused
from models.runs.listing import summarize
from models.runs.load import load_run
from models.runs.run import Run
from models.runs.run_names import run_names
from models.training.length import REWARM_SAME_TEXT
from models.training.trainer import train
from tests.requests import create_request, train_request

NewRun = Callable[..., Run]
Learn = Callable[..., None]
Grow = Callable[..., ExpansionPlan]


def model_of(run: Run) -> RecursiveLM:
    model = build_model(model_config_of(run, run.config()))
    model.load_state_dict(load_weights(run.weights_path)[0])
    return model


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a run except its lock."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".lock")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("architecture", "new_sizes"),
    [
        ("looped", {"core": 2, "prelude": 2, "ff": 80}),
        pytest.param("hrm", {"l_layers": 4, "h_layers": 5, "loops": 4}, marks=pytest.mark.slow),
        pytest.param("mixture_of_recursions", {"layers": 5, "loops": 3}, marks=pytest.mark.slow),
    ],
)
def test_a_finished_run_grows_into_a_finished_one_that_can_be_extended(
    architecture: str, new_sizes: dict[str, int], new_run: NewRun, grow: Grow, learn: Learn
) -> None:
    parent = new_run(architecture=architecture)
    learn(parent)
    before = content(parent.path)
    run = grow(parent, **new_sizes).start()
    assert content(parent.path) == before  # unchanged
    old, new = model_of(parent), model_of(run)
    assert largest_logit_change(old, new, tokens_to_check(old.config)) <= LARGEST_CHANGE
    expected = {axis.replace("_", "-"): size for axis, size in new_sizes.items()}
    assert {axis: then for axis, (_, then) in differences(old.config, new.config).items()} == expected
    summary = summarize(run.path)
    assert (summary.status, summary.step) == ("finished", 6)
    assert summary.parameters == new.parameter_counts()[0]
    assert run.evaluation() == parent.evaluation() is not None
    assert [event.run for event in run.events() if isinstance(event, RunFinished)] == ["wide"]
    assert load_run(run).tokenizer.hash == load_run(parent).tokenizer.hash
    with pytest.raises(UsageError, match="is finished"):
        list(train(run))
    extend(run, steps=4)
    learn(run)
    assert summarize(run.path).step == 10
    snapshot, _ = load_checkpoint(run)
    assert snapshot.state.schedule.scale == REWARM_SAME_TEXT  # the rate rises again, but less
    extend(parent, steps=1)  # the old run can continue too
    learn(parent)


def test_the_lineage_records_every_parent(new_run: NewRun, grow: Grow, learn: Learn) -> None:
    parent = new_run()
    learn(parent)
    child = grow(parent, "wide", core=2).start()
    grandchild = grow(child, "wider", ff=60, coda=2).start()
    first, second = grandchild.config().lineage
    assert child.config().lineage == (first,)
    assert (first["run"], first["path"], first["step"]) == ("owl", str(parent.path), 6)
    assert first["grown"] == {"core": [1, 2]}
    assert second["grown"] == {"coda": [1, 2], "ff": [32, 60]}
    assert first["parameters"] == [model_of(one).parameter_counts()[0] for one in (parent, child)]
    assert first["parameters"][1] == second["parameters"][0]
    assert 0 <= second["largest_logit_change"] <= LARGEST_CHANGE
    assert len(first["weights_sha256"]) == 64 and first["time"] < second["time"]
    growths = grandchild.datasets()[0].grown
    assert growths[0] == Growth(what="core", before=1, after=2) and len(growths) == 3
    shutil.rmtree(parent.path)  # the new runs do not need it
    shutil.rmtree(child.path)
    extend(grandchild, steps=2)
    learn(grandchild)
    assert summarize(grandchild.path).status == "finished"


def test_a_paused_run_continues_where_it_was(new_run: NewRun, grow: Grow, learn: Learn) -> None:
    parent = new_run(steps=8)
    learn(parent, until=3)
    paused, _ = load_checkpoint(parent)
    run = grow(parent, core=2, ff=48).start()
    summary = summarize(run.path)
    assert (summary.status, summary.step, summary.total_steps) == ("paused", paused.step, 8)
    assert isinstance(list(run.events())[-1], RunPaused)
    snapshot, notes = load_checkpoint(run)
    assert notes == [] and snapshot.step == paused.step
    assert snapshot.state.counters == paused.state.counters
    assert snapshot.state.schedule == paused.state.schedule
    assert snapshot.training.keys() == paused.training.keys()
    learn(run)
    assert (summarize(run.path).status, summarize(run.path).step) == ("finished", 8)


def test_a_grown_run_resumes_bit_for_bit(new_run: NewRun, grow: Grow, learn: Learn) -> None:
    parent = new_run(steps=8)
    learn(parent, until=3)
    whole, broken = grow(parent, "whole", core=2).start(), grow(parent, "broken", core=2).start()
    learn(whole)
    learn(broken, until=5)
    learn(broken)
    first, second = load_checkpoint(whole)[0], load_checkpoint(broken)[0]
    for before, after in ((first.model, second.model), (first.training, second.training)):
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_without_any_step_grows(new_run: NewRun, grow: Grow, learn: Learn) -> None:
    run = grow(new_run(), core=2).start()
    assert not run.weights_path.exists() and not run.checkpoints_path.exists()
    assert summarize(run.path).status == "paused"
    learn(run)
    assert summarize(run.path).status == "finished"


def test_an_untrained_model_grows(runs: Path, grow: Grow) -> None:
    request = create_request(name="owl", architecture="trm", d_model=16, n_heads=2, context_length=16)
    parent = plan_creation(request, runs).start()
    run = grow(parent, layers=4, vocab=120).start()
    assert summarize(run.path).status == "created"
    old, new = model_of(parent), model_of(run)
    assert new.config.vocab_size == 120
    assert largest_logit_change(old, new, tokens_to_check(old.config)) <= LARGEST_CHANGE
    parent.weights_path.unlink()
    with pytest.raises(RunError, match="has lost its weights"):
        grow(parent, "again", layers=4)


def test_puzzle_models_grow(runs: Path, grow: Grow, learn: Learn) -> None:
    said = {"d_model": 16, "n_heads": 2, "steps": 2, "batch_size": 4, "threads": 1, "device": "cpu"}
    request = train_request(
        paths=(), task="sudoku:4x4", count=40, name="owl", number_format="float32",
        settings={"training.evaluations": 1, "model.supervision_steps": 2}, **said,
    )  # fmt: skip
    parent: Run = result_of(plan(request, runs)).start()
    learn(parent)
    depth = next(axis for axis in sizes(model_of(parent).config) if axis.endswith("layers"))
    run = grow(parent, **{depth.replace("-", "_"): 4, "ff": 900}).start()
    assert summarize(run.path).status == "finished"
    extend(run, steps=2)
    learn(run)
    with pytest.raises(UsageError, match="symbols"):
        grow(parent, "more", vocab=9)


def test_a_batch_that_no_longer_fits_is_split(
    new_run: NewRun, grow: Grow, learn: Learn, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = new_run()
    learn(parent, until=3)
    monkeypatch.setattr(estimate, "free_memory_bytes", lambda device: 4_000_000)
    run = grow(parent, ff=900).start()
    pieces = run.config().calibration.micro_batch
    assert 1 <= pieces < parent.config().calibration.micro_batch == 4
    assert load_checkpoint(run)[0].state.micro_batch == pieces


def test_sizes_that_do_not_fit_are_refused_without_flags_of_a_training(
    new_run: NewRun, grow: Grow, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = new_run()
    monkeypatch.setattr(estimate, "free_memory_bytes", lambda device: 1000)
    with pytest.raises(UsageError, match="needs at least") as caught:
        grow(parent, ff=900)
    assert caught.value.hint == "Choose smaller sizes."


def test_a_run_of_a_device_that_is_not_here_grows(new_run: NewRun, grow: Grow) -> None:
    run = new_run()
    config = run.config()
    assert config.calibration is not None
    elsewhere = replace(config.calibration, device="cuda:7", machine="a GPU")
    run.save_config(replace(config, training={**config.training, "device": "cuda:7"}, calibration=elsewhere))
    assert grow(run, core=2).start().config().calibration is not None


def test_new_byte_pairs_come_from_the_text_of_the_run(
    new_run: NewRun, grow: Grow, text: Path, learn: Learn
) -> None:
    parent = new_run(tokenizer="bpe")
    learn(parent)
    plan = grow(parent, vocab=305)
    assert plan.notes == ()
    run = plan.start()
    old, new = load_run(parent), load_run(run)
    assert new.tokenizer.vocab_size == new.model.config.vocab_size == 305
    assert run.config().data.tokenizer_hash == new.tokenizer.hash
    assert largest_logit_change(old.model, new.model, tokens_to_check(old.model.config)) <= LARGEST_CHANGE
    assert plan.parts is not None
    made_of = list(plan.parts[0])
    table, rows = new.model.embedding.weight, old.model.embedding.weight
    assert torch.allclose(table[300], rows[made_of].mean(dim=0), atol=1e-6)
    assert not (run.path / "replay").exists()  # the sample of its text has the old tokens
    # Texts have other tokens now, so the old evaluation does not hold.
    assert run.evaluation() is None
    assert summarize(run.path).status == "paused"
    extend(run, steps=4)
    learn(run)
    assert summarize(run.path).status == "finished"
    content_hash = run.config().content_hash
    before, now = (load_sample(one.path / "replay", content_hash) for one in (parent, run))
    assert len(now.train) < len(before.train) and now.train.max() >= 300
    fewer = grow(parent, "most", vocab=5000)
    assert 305 < fewer.model.vocab_size < 5000
    assert fewer.notes == (f"The text has pairs for no more than {fewer.model.vocab_size} tokens.",)
    text.write_text("Another text altogether. " * 200, encoding="utf-8")
    with pytest.raises(CorpusError, match="no longer the one") as caught:
        grow(parent, "more", vocab=320)
    assert "grow_vocab=N" in (caught.value.hint or "")
    text.unlink()
    with pytest.raises(CorpusError, match="come from the text"):
        grow(parent, "more", vocab=320)


def test_a_target_number_of_parameters(new_run: NewRun, grow: Grow, runs: Path, learn: Learn) -> None:
    parent = new_run()
    learn(parent)
    now = model_of(parent).parameter_counts()[0]
    plan = grow(parent, None, target=2 * now)
    assert plan.name == "owl-grown"
    assert abs(plan.parameters[1] - 2 * now) <= 0.02 * now
    assert plan.to_dict()["parameters"] == list(plan.parameters)
    assert run_names(runs) == ["owl"]  # nothing is written until it starts
    assert plan.start().config().parameters == plan.parameters[1]
    with pytest.raises(UsageError, match="already has"):
        grow(parent, "less", target=now)
    with pytest.raises(UsageError, match="chooses what grows"):
        grow(parent, "both", target=2 * now, core=2)
    with pytest.raises(UsageError, match="Say what to grow"):
        grow(parent, "none")
