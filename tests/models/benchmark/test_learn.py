"""Which dense models stand beside an architecture, and what follows from the losses."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data.cache import set_cache_dir
from data.errors import UsageError
from data.progress import result_of
from models.architectures import ARCHITECTURES, model_config
from models.benchmark import candidates as candidates_module
from models.benchmark import learn
from models.benchmark.candidates import BEST_DENSE_PRESET, Candidate, Shape, candidates
from models.benchmark.learn import LearnRequest, benchmark_learn
from models.benchmark.learn_report import Outcome, learn_report
from models.planning.plan import plan
from models.planning.request import Overrides, TrainRequest
from models.planning.text_plan import TextPlan
from models.presets import PRESETS
from models.runs.evaluation import Evaluation
from models.runs.events import Event, RunFinished, RunPaused
from models.runs.run import Run
from models.runs.run_config import ModelSection
from models.training.control import Control
from models.training.trainer import train

SHAPE = Shape(d_model=32, n_heads=2, context_length=32)
SMALL = {"d_model": 16, "n_heads": 2, "context_length": 16}


def test_each_architecture_has_dense_models_of_equal_size_and_computation_beside_it() -> None:
    found = {one.name: one for one in candidates(["looped", "ouroboros"], SHAPE, 60)}
    assert BEST_DENSE_PRESET in found
    for name in ("looped", "ouroboros"):
        one = found[name]
        assert one.equal_parameters is not None and one.equal_compute is not None
        by_size, by_compute = found[one.equal_parameters], found[one.equal_compute]
        assert by_size.parameters == pytest.approx(one.parameters, rel=0.25)
        assert by_compute.flops_per_token == pytest.approx(one.flops_per_token, rel=0.25)
        for dense in (by_size, by_compute):
            assert dense.model["architecture"] == "transformer" and dense.model["d_model"] == 32
            assert dense.equal_parameters is None
    looped = found["looped"]
    assert looped.equal_parameters == "dense-3", "a prelude, a shared block and a coda"
    with pytest.raises(UsageError, match="no architecture 'loped'"):
        candidates(["loped"], SHAPE, 60)


def test_a_large_vocabulary_is_tied_in_the_default_and_in_the_dense_models() -> None:
    planned = model_config(
        {"architecture": "looped", "vocab_size": 2000, "d_model": 32, "n_heads": 2, "tied": True}
    )
    found = candidates(["looped", "recursive_router"], Shape.of(planned), 2000)
    tied = {one.name for one in found if one.model.get("tied")}
    assert tied == {one.name for one in found} - {"recursive_router", BEST_DENSE_PRESET}
    assert found[0].model["gated"] and found[0].model["ngram"] == planned.ngram == 0


def outcome(name: str, seed: int, loss: float) -> Outcome:
    finished = RunFinished(
        run=name, reason="steps", step=3, best_step=3, validation_loss=loss, validation_loss_by_mode={},
        perplexity=1.0, bits_per_byte=1.0, parameters=1, tokens_seen=9, tokens_per_second=1.0, elapsed_s=1.0,
        path="",
    )  # fmt: skip
    by_mode = {"fast": loss + 0.1, "normal": loss}
    evaluation = Evaluation(step=3, after_steps=3, validation_loss=loss, validation_loss_by_mode=by_mode)
    return Outcome(name, seed, finished, evaluation)


def test_a_verdict_says_better_or_worse_and_whether_that_is_more_than_the_spread() -> None:
    dense = Candidate("dense-3", {}, 100, 10, 1e6)
    large = Candidate("dense-9", {}, 300, 10, 1.3e6)
    looped = Candidate("looped", {}, 105, 10, 2e6, equal_parameters="dense-3", equal_compute="dense-9")
    losses = {"dense-3": (1.50, 1.51), "dense-9": (1.44, 1.48), "looped": (1.46, 1.47)}
    outcomes = [outcome(name, seed, loss) for name, two in losses.items() for seed, loss in enumerate(two)]
    report = learn_report("book", "3 minutes", True, [looped, dense, large], outcomes, {})
    (said,) = report.verdicts
    assert (
        "better by 0.0400 (more than the spread of 0.0100) than dense-3, "
        "which has equal parameters and 0.5 times the computation per token;" in said
    )
    assert (
        "worse by 0.0050 (not more than the spread of 0.0400) than dense-9, which has 2.9 times the "
        "parameters and 0.65 times the computation per token (no dense model here is nearer in" in said
    )
    assert "best dense one in equal time" in said
    assert [row[0] for row in report.tables[0].rows] == ["dense-9", "looped", "dense-3"]
    assert report.tables[1].rows[0][1:] == pytest.approx((1.56, 1.46))
    assert any("at most 48" in note for note in report.notes)
    same = replace(looped, flops_per_token=1.05e6, equal_compute="dense-3")
    (said,) = learn_report("book", "3 minutes", False, [same, dense, large], outcomes, {}).verdicts
    assert said.endswith("than dense-3, which has equal parameters and equal computation per token.")
    assert said.count("dense-3") == 1
    one_seed = learn_report("book", "3 steps", False, [looped, dense, large], outcomes[::2], {})
    assert "One seed each" in one_seed.verdicts[-1] and "equal time" not in one_seed.verdicts[0]


def test_a_model_is_judged_at_the_best_mode_it_was_trained_for() -> None:
    plain = outcome("looped", 0, 1.5)
    deeper = {**plain.evaluation.validation_loss_by_mode, "deep": 1.4, "extreme": 1.3}
    evaluation = replace(
        plain.evaluation, validation_loss_by_mode=deeper, extrapolated_modes=("thorough", "extreme")
    )
    judged = replace(plain, evaluation=evaluation)
    assert (judged.mode, judged.loss) == ("deep", 1.4)
    assert (plain.mode, plain.loss) == ("normal", 1.5)


def test_a_benchmark_that_was_paused_goes_on_and_trains_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_cache_dir(tmp_path / "cache")
    small = {"d_model": 16, "n_heads": 2, "n_layers": 1}
    tiny = replace(PRESETS[BEST_DENSE_PRESET], model=small)
    monkeypatch.setattr(candidates_module, "PRESETS", {BEST_DENSE_PRESET: tiny})
    (tmp_path / "book.txt").write_text("The owl counted mice by the old mill. " * 60)
    request = LearnRequest(
        corpus=str(tmp_path / "book.txt"), architectures=["looped"], model=SMALL, steps=2,
        batch_size=2, device="cpu", threads=1,
    )  # fmt: skip
    control = Control()
    control.pause()
    events = list(benchmark_learn(request, tmp_path / "runs", control))
    assert isinstance(events[-1], RunPaused)
    began: list[float] = []

    def noting_when(run: Run, control: Control) -> Iterator[Event]:
        began.append(control.began)
        yield from train(run, control)

    monkeypatch.setattr(learn, "train", noting_when)
    late = Control(began=0.0)
    report = result_of(benchmark_learn(request, tmp_path / "runs", late))
    assert len(set(began)) == len(began) > 2 and min(began) > 0, "each counts from its own beginning"
    assert report is not None and {row[0] for row in report.tables[0].rows} >= {"looped", "dense-3"}
    again = list(benchmark_learn(request, tmp_path / "runs", Control()))
    assert not any(isinstance(event, RunFinished) for event in again), "all of them had ended"
    with pytest.raises(UsageError, match="holds another benchmark"):
        list(benchmark_learn(replace(request, batch_size=3), tmp_path / "runs", Control()))
    with pytest.raises(UsageError, match="learned another text"):
        list(benchmark_learn(replace(request, encoding="cp037"), tmp_path / "runs", Control()))
    with pytest.raises(UsageError, match="There is no filter 'lenght'"):
        list(benchmark_learn(replace(request, filters="lenght"), tmp_path / "runs", Control()))


def test_what_is_left_open_is_as_a_training_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_cache_dir(tmp_path / "cache")
    tiny = replace(PRESETS[BEST_DENSE_PRESET], model={"d_model": 16, "n_heads": 2, "n_layers": 1})
    monkeypatch.setattr(candidates_module, "PRESETS", {BEST_DENSE_PRESET: tiny})
    book = tmp_path / "book.txt"
    book.write_text("The owl counted mice by the old mill. " * 60)
    sizes = {"d_model": 16, "n_heads": 2}
    request = LearnRequest(corpus=str(book), architectures=["looped"], model=sizes, steps=1, device="cpu")
    folder = tmp_path / "runs"
    report = result_of(benchmark_learn(request, folder, Control()))
    chosen = Overrides({"training.steps": 1, **{f"model.{name}": size for name, size in sizes.items()}})
    planned = result_of(plan(TrainRequest(paths=(str(book),), overrides=chosen), tmp_path / "other"))
    assert isinstance(planned, TextPlan) and planned.model.context_length not in (16, 32, 128)
    config = Run(folder / "looped-seed-0").config()
    assert config.model.dials == ModelSection.of(planned.model).dials
    assert config.training["batch_size"] == planned.training.batch_size
    assert report is not None and report.environment["context"] == planned.model.context_length


def test_every_training_reads_the_text_through_the_filters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_cache_dir(tmp_path / "cache")
    tiny = replace(PRESETS[BEST_DENSE_PRESET], model={"d_model": 16, "n_heads": 2, "n_layers": 1})
    monkeypatch.setattr(candidates_module, "PRESETS", {BEST_DENSE_PRESET: tiny})
    book = tmp_path / "book.txt"
    book.write_text("The owl counted mice by the old mill.\nSee www.example.org for more.\n" * 60)
    request = LearnRequest(
        corpus=str(book), filters="url", architectures=["transformer"], model=SMALL, steps=1,
        batch_size=2, device="cpu", threads=1,
    )  # fmt: skip
    folder = tmp_path / "runs"
    report = result_of(benchmark_learn(request, folder, Control()))
    assert report is not None and report.environment["filters"] == "url"
    assert report.subject == "book without what url drops, 1 steps"
    assert "dropped 60 lines" in report.notes[-1] and "url 60" in report.notes[-1]
    for run in map(Run, folder.iterdir()):
        (dataset,) = run.datasets()
        assert dataset.filters == ("url",) and dataset.characters == 60 * 38
    again = list(benchmark_learn(request, folder, Control()))
    assert not any(isinstance(event, RunFinished) for event in again), "all of them had ended"
    with pytest.raises(UsageError, match="learned another text"):
        list(benchmark_learn(replace(request, filters=None), folder, Control()))


def test_every_architecture_has_its_candidates() -> None:
    found = candidates(list(ARCHITECTURES), SHAPE, 60)
    assert {one.name for one in found} >= {name for name in ARCHITECTURES if name != "transformer"}
    assert len({one.name for one in found}) == len(found)
