"""A mix after a text, a text after a mix, and a mix after a mix: the shares, the losses, exact resume."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import data.replay
from data.cache import set_cache_dir
from data.mixes.sampler import MixSampler
from data.mixture import MixedSampler
from data.progress import result_of
from data.replay import load_sample
from data.tokenizer import load_tokenizer
from models.planning.candidates import candidates
from models.planning.continuation_plan import ContinuationPlan
from models.planning.plan import plan
from models.planning.resume_plan import ResumePlan
from models.runs.evaluation import Evaluation
from models.runs.events import (
    CorporaMeasured,
    CorpusStarted,
    NoticeGiven,
    RunPaused,
    SourceStartedOver,
    StepFinished,
)
from models.runs.replay_samples import replay_folder
from models.runs.run import Run
from models.runs.run_folder import copy_run
from models.runs.run_report import describe_run, summary_rows
from models.training.control import Control
from models.training.text_task import TextTask
from models.training.trainer import train
from tests.data.mixes.four_tables import ALPHABETS, SHARES, Tables
from tests.models.training.sessions import session_of
from tests.models.training.test_kill import assert_same_end
from tests.models.training.test_mix import go, new_mix_run
from tests.requests import train_request

STEPS = 10
LETTERS = {**ALPHABETS, "numbers": "0123456789"}


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of digits, which no source has."""
    path = tmp_path_factory.mktemp("text") / "numbers.txt"
    path.write_text(" ".join(str(7919 * n % 10_007) for n in range(700)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def of_mix(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was trained on the mix."""
    folder = tmp_path_factory.mktemp("of_mix")
    set_cache_dir(folder / "cache")
    run = new_mix_run("of_mix", tables, folder)
    go(run)
    return run


@pytest.fixture(scope="module")
def of_text(of_mix: Run, numbers: Path) -> Run:
    """A run that was trained on the text of digits."""
    training = of_mix.config().training_config()
    request = train_request(
        paths=(str(numbers),), name="of_text", tokenizer="character", steps=4, batch_size=8, d_model=16,
        n_heads=2, context_length=16,
        settings={
            "training.average_decay": training.average_decay,
            "training.evaluations": 2,
            "training.samples": 0,
            "training.number_format": "float32",
            "training.threads": 1,
            "training.compile": "no",
            "model.core_layers": 1,
        },
    )  # fmt: skip
    run = result_of(plan(request, of_mix.path.parent)).start()
    run.save_config(replace(run.config(), calibration=of_mix.config().calibration))
    go(run)
    return run


@pytest.fixture
def planned(_fast_training: None, tmp_path: Path) -> Callable[..., ContinuationPlan | ResumePlan]:
    """`planned(run, paths=[…])`: the plan of a copy of the run that goes on with a text, or with a mix."""
    set_cache_dir(tmp_path / "cache")

    def make(
        run: Run, *paths: Path, mix: Path | None = None, name: str = "copy", **more: object
    ) -> ContinuationPlan | ResumePlan:
        copy = copy_run(run, name, tmp_path / "runs")
        values = {"steps": STEPS, "replay": 0.3, **more}
        request = train_request(
            paths=tuple(map(str, paths)), mix=mix and str(mix), continue_run=copy.name, **values
        )
        found = result_of(plan(request, tmp_path / "runs"))
        assert isinstance(found, ContinuationPlan | ResumePlan)
        return found

    return make


def drawn_by(run: Run, sequences: int) -> list[str]:
    """Which text or source each of the first `sequences` of a run's training comes from, by its letters."""
    session, tokenizer = session_of(run), load_tokenizer(run.path)
    task = session.task
    assert isinstance(task, TextTask)
    names = []
    for row in task.sampler.batch(0, sequences)[:, :-1]:  # (N, T)
        letters = set(tokenizer.decode(row)) - set(" \n:AQ")
        (name,) = {name for name, alphabet in LETTERS.items() if letters & set(alphabet)}
        names.append(name)
    return names


def paused_at(run: Run, *steps: int) -> None:
    """Train with a pause after each of these steps, and to the end."""
    for step in steps:
        control = Control()
        for event in run.record(train(run, control)):
            if isinstance(event, StepFinished) and event.step == step:
                control.pause()
        assert isinstance(event, RunPaused) and event.step == step
    go(run)


def measured(events: Sequence[object]) -> list[CorporaMeasured]:
    return [one for one in events if isinstance(one, CorporaMeasured)]


def test_a_mix_is_replayed_in_its_shares(
    of_mix: Run, numbers: Path, planned: Callable[..., ContinuationPlan]
) -> None:
    run = planned(of_mix, numbers).start()
    names = drawn_by(run, 4000)
    counts = Counter(names)
    assert counts["numbers"] == 2800
    for name, asked in SHARES.items():
        assert counts[name] / 1200 == pytest.approx(asked / 100, abs=0.01)
    for start in range(0, 4000, 500):  # evenly spread
        assert Counter(names[start : start + 500])["gsm"] == pytest.approx(60, abs=10)


def test_the_sources_of_an_earlier_mix_are_measured(
    of_mix: Run, numbers: Path, planned: Callable[..., ContinuationPlan]
) -> None:
    before = {one.name: one.loss_now for one in of_mix.datasets()}
    going_on = planned(of_mix, numbers)
    assert going_on.known == tuple(SHARES) and going_on.version == "before-numbers"
    events = go(run := going_on.start())
    (begun,) = (one for one in events if isinstance(one, CorpusStarted))
    assert (begun.corpus, begun.known_corpora, begun.replay_share) == ("numbers", 4, 0.3)
    first, last = measured(events)
    assert set(first.losses) == {*SHARES, "numbers"} and last.losses_before == first.losses
    for name in SHARES:
        assert first.losses[name] == pytest.approx(before[name], abs=1e-5)
    assert {one.name: one.loss_now for one in run.datasets()} == last.losses
    evaluation = run.evaluation()
    assert isinstance(evaluation, Evaluation) and evaluation.validation_loss_by_source is None
    assert evaluation.validation_loss == pytest.approx(last.losses["numbers"])
    report = describe_run(run)
    assert not report.mix and report.is_measured_now
    assert dict(summary_rows(report))["trained on"].count(";") == 4


def test_the_rise_of_the_sources_counts_in_their_shares(
    of_mix: Run, numbers: Path, planned: Callable[..., ContinuationPlan]
) -> None:
    session = session_of(planned(of_mix, numbers).start())
    assert isinstance(session.task, TextTask)
    shares = {one.content_hash: one.share for one in session.task.known.earlier}
    names = {one.content_hash: one.name for one in session.task.datasets}
    assert {names[key]: round(100 * share) for key, share in shares.items()} == SHARES


def test_a_mix_is_learned_after_a_text(
    of_text: Run, tables: Tables, planned: Callable[..., ContinuationPlan]
) -> None:
    going_on = planned(of_text, mix=tables.mix)
    assert going_on.known == ("numbers",) and going_on.version == "before-four"
    rows = dict(going_on.rows())
    assert rows["mix"].startswith("four: 4 sources") and rows["replay"].startswith("30 % old text")
    names = drawn_by(run := going_on.start(), 2000)
    counts = Counter(names)
    assert counts["numbers"] == 600
    for name, asked in SHARES.items():
        assert counts[name] / 1400 == pytest.approx(asked / 100, abs=0.005)
    events = go(run)
    drawn = Counter(names[: 8 * STEPS])
    first, last = measured(events)
    assert set(first.losses) == set(last.losses) == {*SHARES, "numbers"}
    assert last.losses_before == first.losses
    evaluation = run.evaluation()
    assert isinstance(evaluation, Evaluation) and evaluation.validation_loss_by_source is not None
    by_source = evaluation.validation_loss_by_source
    assert set(by_source) == set(SHARES)
    mean = sum(SHARES[name] / 100 * loss for name, loss in by_source.items())
    assert evaluation.validation_loss == pytest.approx(mean)
    datasets = {one.name: one for one in run.datasets()}
    assert list(datasets) == ["numbers", *SHARES]
    for one in describe_run(run).mix:
        found = datasets[one.name]
        assert one.trained_tokens == found.trained_tokens == 16 * drawn[one.name]
        assert one.loss == found.loss_when_learned == pytest.approx(by_source[one.name])
        assert found.steps == STEPS and found.asked_share == SHARES[one.name] / 100
    assert datasets["numbers"].trained_tokens is None and datasets["numbers"].loss_now is not None
    assert {name: [one.what for one in found.grown] for name, found in datasets.items() if found.grown} == {
        "gsm": ["vocabulary"]
    }


@pytest.mark.parametrize("after", ["text", "mix"])
def test_a_pause_changes_nothing(
    of_mix: Run,
    of_text: Run,
    tables: Tables,
    numbers: Path,
    planned: Callable[..., ContinuationPlan],
    after: str,
) -> None:
    ends = []
    for name, steps in (("whole", ()), ("paused", (3, 7))):
        going_on = (
            planned(of_text, mix=tables.mix, name=name)
            if after == "text"
            else planned(of_mix, numbers, name=name)
        )
        run = going_on.start()
        paused_at(run, *steps)
        ends.append(run)
    whole, paused = ends
    assert_same_end(paused, whole)
    assert [replace(one, paths=()) for one in paused.datasets()] == [
        replace(one, paths=()) for one in whole.datasets()
    ]


def test_a_mix_after_a_mix_replays_what_is_not_in_it(
    of_mix: Run, tables: Tables, numbers: Path, tmp_path: Path, planned: Callable[..., ContinuationPlan]
) -> None:
    second = tmp_path / "second.toml"
    text = tables.mix.read_text(encoding="utf-8").replace('path = "', f'path = "{tables.folder}/')
    gsm = text.split("[[source]]")[1]
    second.write_text(f'[[source]]{gsm}\n[[source]]\npath = "{numbers}"\nweight = 60\n', encoding="utf-8")
    going_on = planned(of_mix, mix=second)
    assert going_on.known == ("codes", "cosmo", "meta")
    counts = Counter(drawn_by(run := going_on.start(), 2000))
    assert counts["gsm"] == pytest.approx(0.4 * 1400, abs=2)
    assert counts["numbers"] == pytest.approx(0.6 * 1400, abs=2)
    for name in going_on.known:
        assert counts[name] / 600 == pytest.approx(SHARES[name] / 60, abs=0.02)
    first, last = measured(go(run))
    assert set(first.losses) == set(last.losses) == {*SHARES, "numbers"}
    known = {one.name: one.loss_now for one in of_mix.datasets()}
    assert {name: first.losses[name] for name in SHARES} == pytest.approx(known, abs=1e-5)
    assert [one.name for one in describe_run(run).mix] == ["gsm", "numbers"]


def test_a_mix_of_all_that_is_known_has_nothing_to_replay(
    of_mix: Run, tables: Tables, tmp_path: Path, planned: Callable[..., ContinuationPlan]
) -> None:
    other = tmp_path / "other.toml"
    text = tables.mix.read_text(encoding="utf-8").replace('path = "', f'path = "{tables.folder}/')
    other.write_text(text.replace("weight = 40", "weight = 10"), encoding="utf-8")
    going_on = planned(of_mix, mix=other)
    assert going_on.known == () and going_on.replay.share == 0
    assert going_on.replay.reason == "all that the run knows is in the mix"
    run = going_on.start()
    assert Counter(drawn_by(run, 700))["gsm"] == 100
    first, last = measured(go(run))
    assert set(first.losses) == set(SHARES) and last.losses_before == first.losses
    assert run.history().texts[-1].corpus == "other"


def test_the_same_mix_goes_on_and_is_found_where_it_is_now(
    of_mix: Run, tables: Tables, tmp_path: Path, planned: Callable[..., ResumePlan]
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(tables.folder, moved)
    going_on = planned(of_mix, mix=moved / tables.mix.name, replay=None, steps=3)
    assert isinstance(going_on, ResumePlan)
    assert dict(going_on.rows())["mix"] == "four (already training on it)"
    run = going_on.start()
    mix = run.config().mix
    assert mix is not None and [Path(str(one.path)).parent for one in mix.sources] == 4 * [moved]
    assert all(str(moved) in one.paths[0] for one in run.datasets())
    go(run)
    assert describe_run(run).summary.step == 13 and len(run.datasets()) == 4


def test_a_lost_sample_of_a_source_is_drawn_again_from_it(
    of_mix: Run, numbers: Path, tmp_path: Path, planned: Callable[..., ContinuationPlan]
) -> None:
    without = copy_run(of_mix, "without", tmp_path / "other")
    shutil.rmtree(without.path / "replay")  # the cache is empty too
    going_on = planned(without, numbers)
    assert len(going_on.new_samples) == 4
    run = going_on.start()
    for one in of_mix.datasets():
        lost, drawn = (load_sample(replay_folder(of), str(one.content_hash)) for of in (of_mix, run))
        assert (lost.train == drawn.train).all() and (lost.held_out == drawn.held_out).all()


def test_a_large_source_is_measured_on_a_sample(
    of_mix: Run,
    numbers: Path,
    tables: Tables,
    tmp_path: Path,
    planned: Callable[..., ContinuationPlan],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(data.replay, "HELD_OUT_TOKENS", 400)
    monkeypatch.setattr(data.replay, "PIECE_TOKENS", 32)
    run = new_mix_run("large", tables, tmp_path / "new", steps=2)
    last = measured(go(run))[-1]
    kept = {one.name: one.loss_now for one in run.datasets()}
    assert last.losses == kept
    evaluation = run.evaluation()
    assert isinstance(evaluation, Evaluation) and evaluation.validation_loss_by_source is not None
    assert evaluation.validation_loss_by_source != kept
    first = measured(go(planned(run, numbers, steps=2).start()))[0]
    for name in SHARES:  # the same tokens are measured again
        assert first.losses[name] == pytest.approx(kept[name], abs=1e-5)


def test_a_known_text_with_other_documents_held_out_is_told(
    of_mix: Run, tables: Tables, tmp_path: Path
) -> None:
    copy = copy_run(of_mix, "copy", tmp_path / "runs")
    cosmo = tmp_path / "cosmo.jsonl"
    cosmo.write_text("\n".join(json.dumps({"text": one}) for one in tables.documents["cosmo"]))
    request = train_request(paths=(str(cosmo),), continue_run=copy.name, steps=2)
    told = [one.message for one in plan(request, tmp_path / "runs") if isinstance(one, NoticeGiven)]
    assert any("knows 'cosmo', but other documents of it were held out" in one for one in told)


def test_without_replay_nothing_of_the_mix_is_drawn(
    of_mix: Run, numbers: Path, planned: Callable[..., ContinuationPlan]
) -> None:
    run = planned(of_mix, numbers, replay=0.0).start()
    assert set(drawn_by(run, 500)) == {"numbers"}
    task = session_of(run).task
    assert isinstance(task, TextTask) and not isinstance(task.sampler, MixedSampler)


def test_a_run_of_a_mix_is_among_those_that_could_go_on(of_mix: Run, of_text: Run) -> None:
    found, damaged = candidates(of_mix.path.parent)
    knows = {one.summary.name: set(one.knows) for one in found}
    assert knows == {"of_mix": set(SHARES), "of_text": {"numbers"}} and not damaged


def test_a_source_starts_over_after_what_was_replayed_is_left_out(
    of_text: Run, tables: Tables, planned: Callable[..., ContinuationPlan]
) -> None:
    run = planned(of_text, mix=tables.mix).start()
    session = session_of(run)
    task = session.task
    assert isinstance(task, TextTask) and isinstance(task.fresh, MixSampler)
    drawn = Counter(drawn_by(run, 450))
    lengths = {
        name: sampler.blocks_per_epoch for name, sampler in zip(SHARES, task.fresh.samplers, strict=True)
    }
    session.counters.position = 450
    told = {one.source for one in task.after_step(session, drawn=450) if isinstance(one, SourceStartedOver)}
    assert told == {name for name in SHARES if drawn[name] > lengths[name]}
    assert 0 < len(told) < len(SHARES)
