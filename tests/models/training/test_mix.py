"""A training on a mix: the shares it really had, the loss on each source, and exact resume."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.cache import set_cache_dir
from data.errors import CorpusError
from data.mixes.sampler import MixSampler
from data.progress import result_of
from data.tokenizer import SPECIAL_TOKENS, load_tokenizer
from models.analysis.soundness.verify import verify
from models.planning.extend import extend
from models.planning.plan import plan
from models.runs.evaluation import Evaluation
from models.runs.events import CorporaMeasured, EvaluationFinished, RunPaused, SourceStartedOver, StepFinished
from models.runs.run import Run
from models.runs.run_config import Calibration
from models.runs.run_report import describe_run
from models.training.control import Control
from models.training.trainer import train
from tests.data.mixes.four_tables import ALPHABETS, SHARES, Tables
from tests.models.training.test_kill import assert_same_end
from tests.requests import SAME_EVERYWHERE, train_request

STEPS = 10


@pytest.fixture(scope="module")
def reference(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was trained without a break."""
    folder = tmp_path_factory.mktemp("reference")
    set_cache_dir(folder / "cache")
    run = new_mix_run("reference", tables, folder)
    go(run)
    return run


@pytest.fixture
def cache(reference: Run, _fast_training: None, tmp_path: Path) -> Path:
    set_cache_dir(tmp_path / "cache")
    return tmp_path / "cache"


def new_mix_run(name: str, tables: Tables, folder: Path, **more: object) -> Run:
    settings = {
        **SAME_EVERYWHERE,
        "model.core_layers": 1,
        "training.evaluations": 3,
        "training.samples": 1,
        "training.average_decay": 0.9,
        "training.evaluation_tokens": 256,
        "model.dropout": 0.1,
    }
    values = {"steps": STEPS, "batch_size": 8, "d_model": 16, "n_heads": 2, "context_length": 16, **more}
    request = train_request(
        paths=(), mix=str(tables.mix), name=name, tokenizer="character", settings=settings, **values
    )
    run = result_of(plan(request, folder / "runs")).start()
    calibration = Calibration(
        device="cpu", number_format="float32", compiled=False, threads=1, micro_batch=8,
        shallow_step_s=0.01, deep_step_s=0.02,
    )  # fmt: skip
    run.save_config(replace(run.config(), calibration=calibration))
    return run


def go(run: Run) -> list[object]:
    return list(run.record(train(run)))


def test_trained_tokens_are_in_the_shares(
    tables: Tables, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_mix_run("shares", tables, tmp_path, steps=20)
    drawn = dict[int, np.ndarray]()
    batch = MixSampler.batch

    def seen(self: MixSampler, position: int, batch_size: int) -> np.ndarray:
        drawn[position] = batch(self, position, batch_size)
        return drawn[position]

    monkeypatch.setattr(MixSampler, "batch", seen)
    go(run)
    tokenizer = load_tokenizer(run.path)
    assert len(drawn) == 20
    inputs = np.concatenate(list(drawn.values()))[:, :-1]  # (N, T)
    sources = Counter[str]()
    for row in inputs:
        letters = set(tokenizer.decode(row)) - set(" \n:AQ")
        names = {name for name, alphabet in ALPHABETS.items() if letters & set(alphabet)}
        assert len(names) == 1, "every sequence is of one source"
        sources[names.pop()] += len(row)
    for name, asked in SHARES.items():
        assert abs(100 * sources[name] / inputs.size - asked) <= 1
    shares = describe_run(run).mix
    assert {one.name: one.trained_tokens for one in shares} == dict(sources)
    assert [one.asked for one in shares] == [0.4, 0.3, 0.15, 0.15]
    datasets = run.datasets()
    assert {one.name: one.trained_tokens for one in datasets} == dict(sources)
    assert [one.asked_share for one in datasets] == [0.4, 0.3, 0.15, 0.15]
    assert inputs.min() >= 0 and (inputs < len(SPECIAL_TOKENS)).mean() < 0.2


def test_the_loss_is_that_of_the_sources_in_their_shares(tables: Tables, cache: Path, tmp_path: Path) -> None:
    run = new_mix_run("losses", tables, tmp_path)
    events = go(run)
    evaluation = run.evaluation()
    assert isinstance(evaluation, Evaluation) and evaluation.validation_loss_by_source is not None
    losses = evaluation.validation_loss_by_source
    weighted = sum(SHARES[name] / 100 * loss for name, loss in losses.items())
    assert evaluation.validation_loss == pytest.approx(weighted)
    assert {one.name: one.loss_now for one in run.datasets()} == losses
    measured = [one for one in events if isinstance(one, CorporaMeasured)]
    assert [one.losses for one in measured] == [losses]
    for one in events:
        if isinstance(one, EvaluationFinished):
            assert one.losses is not None
            mean = sum(SHARES[name] / 100 * loss for name, loss in one.losses.items())
            assert one.validation_loss == pytest.approx(mean)
    assert {one.name: one.loss for one in describe_run(run).mix} == losses


def test_a_check_measures_the_sources_as_the_evaluation_did(
    reference: Run, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = [one for one in verify(reference, loss_time_s=600.0) if one.check == "loss"]
    assert checks and all(one.verdict == "sound" and (one.value or 0) < 1e-5 for one in checks)
    assert not any("read" in one.found for one in checks), "all of it was read"
    evaluation = reference.evaluation()
    assert isinstance(evaluation, Evaluation)
    changed = replace(evaluation, validation_loss_by_mode={"normal": evaluation.validation_loss + 0.002})
    monkeypatch.setattr(Run, "evaluation", lambda self: changed)
    assert [one.verdict for one in verify(reference) if one.check == "loss"] == ["not sound"]


def test_a_source_that_starts_over_is_told_once(tables: Tables, cache: Path, tmp_path: Path) -> None:
    run = new_mix_run("over", tables, tmp_path, steps=24, batch_size=24)
    told = [one.source for one in go(run) if isinstance(one, SourceStartedOver)]
    assert told and len(told) == len(set(told))
    read = {one.name: one.times_read for one in describe_run(run).mix}
    assert set(told) == {name for name, times in read.items() if times > 1.05} or all(
        read[name] > 0.95 for name in told
    )


def test_a_pause_changes_nothing(reference: Run, tables: Tables, cache: Path, tmp_path: Path) -> None:
    run = new_mix_run("paused", tables, tmp_path)
    for step in (3, 7):
        control = Control()
        for event in run.record(train(run, control)):
            if isinstance(event, StepFinished) and event.step == step:
                control.pause()
        assert isinstance(event, RunPaused) and event.step == step
        shares = describe_run(run).mix
        assert sum(one.trained_tokens for one in shares) == step * 8 * 16
    go(run)
    assert_same_end(run, reference)


def test_a_run_goes_on_where_its_cache_was_emptied(
    reference: Run, tables: Tables, cache: Path, tmp_path: Path
) -> None:
    run = new_mix_run("emptied", tables, tmp_path)
    control = Control()
    for event in run.record(train(run, control)):
        if isinstance(event, StepFinished) and event.step == 4:
            control.pause()
    shutil.rmtree(cache)
    go(run)
    assert_same_end(run, reference)


def test_a_source_that_changed_is_named(tables: Tables, cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tables.folder, folder)
    copy = Tables(folder, folder / tables.mix.name, tables.documents)
    run = new_mix_run("changed", copy, tmp_path)
    shutil.rmtree(cache)
    text = (folder / "meta.csv").read_text(encoding="utf-8")
    (folder / "meta.csv").write_text(text + "s,t\n", encoding="utf-8")
    with pytest.raises(CorpusError) as changed:
        go(run)
    assert "Source 'meta'" in changed.value.message and "no longer" in changed.value.message
    (folder / "meta.csv").unlink()
    with pytest.raises(CorpusError, match="There is no file or folder"):
        extend(run, steps=5)
