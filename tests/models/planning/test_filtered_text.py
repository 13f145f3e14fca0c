"""A text that is read through filters: in the plan, in the run, when it goes on, and where it was moved."""

import shutil
from pathlib import Path

import pytest

from data.cache import set_cache_dir
from data.errors import UsageError
from data.progress import result_of
from models.planning.continuation_plan import ContinuationPlan
from models.planning.plan import plan
from models.planning.relocate import relocate
from models.planning.resume_plan import ResumePlan
from models.planning.text_plan import TextPlan
from models.runs.run import Run
from models.runs.text_search import find_text
from models.training.trainer import train
from tests.requests import train_request

SMALL = {
    "d_model": 16,
    "n_heads": 2,
    "context_length": 16,
    "batch_size": 2,
    "steps": 2,
    "number_format": "float32",
    "threads": 1,
    "settings": {"training.compile": "no", "training.samples": "0", "training.evaluations": "1"},
}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "texts" / "notes.txt"
    path.parent.mkdir()
    lines = (f"the owl number {i % 50} hears the fox.\nsee https://a.b/{i}\n" for i in range(100))
    path.write_text("".join(lines))
    return path


def planned(runs: Path, **values: object) -> object:
    return result_of(plan(train_request(**values), runs))


def trained(notes: Path, runs: Path) -> Run:
    made = planned(runs, paths=(str(notes),), name="owl", filters="url,duplicates", **SMALL)
    assert isinstance(made, TextPlan)
    run = made.start()
    assert list(train(run))
    return run


def test_what_was_dropped_is_in_the_plan_and_in_the_run(notes: Path, tmp_path: Path) -> None:
    made = planned(tmp_path / "runs", paths=(str(notes),), filters="duplicates,url", **SMALL)
    assert isinstance(made, TextPlan)
    row = dict(made.rows())["filters"]
    assert row.startswith("dropped 150 lines, ") and row.endswith(": url 100, duplicates 50")
    corpus = made.to_dict()["corpus"]
    assert corpus["filters"] == ["url", "duplicates"]
    assert [one["count"] for one in corpus["dropped"]] == [100, 50]
    run = made.start()
    (entry,) = run.datasets()
    assert entry.filters == ("url", "duplicates") and any("dropped 150 lines" in note for note in entry.notes)
    total = made.corpus.characters + sum(one.characters for one in entry.dropped)
    assert total == len(notes.read_text())
    assert made.data.train_tokens + made.data.validation_tokens == made.corpus.characters


def test_a_run_goes_on_with_the_filters_its_text_was_read_with(notes: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run = trained(notes, runs)
    for paths in ((str(notes),), (str(notes.parent),)):
        again = planned(runs, paths=paths, continue_run="owl", steps=1)
        assert isinstance(again, ResumePlan) and again.corpus.filters == ("url", "duplicates")
    whole = planned(runs, paths=(str(notes),), continue_run="owl", filters="none", steps=1)
    assert isinstance(whole, ContinuationPlan) and not whole.corpus.filters
    other = tmp_path / "other.txt"
    other.write_text("the hen calls the bee.\nsee www.c.d\n" * 60)
    another = planned(runs, paths=(str(other),), continue_run="owl", filters="url", steps=1)
    assert isinstance(another, ContinuationPlan)
    assert dict(another.rows())["filters"].endswith("url 60")
    another.start()
    assert [one.filters for one in run.datasets()] == [("url", "duplicates"), ("url",)]


def test_the_text_is_found_again_where_its_tokens_are_gone(notes: Path, tmp_path: Path) -> None:
    run = trained(notes, tmp_path / "runs")
    config = run.config()
    set_cache_dir(tmp_path / "another cache")
    found = result_of(find_text(run, config.data.paths, config.data.content_hash))
    assert found.filters == ("url", "duplicates")
    moved = shutil.move(notes, tmp_path / "moved.txt")
    result_of(relocate(run, [str(moved)]))
    assert run.config().data.paths == (str(moved),)
    assert run.datasets()[0].filters == ("url", "duplicates")


def test_the_same_text_without_links_needs_no_filters(notes: Path, tmp_path: Path) -> None:
    """Two files that give the same text are one text; its filters are those of the files that it has now."""
    runs = tmp_path / "runs"
    run = trained(notes, runs)
    clean = tmp_path / "clean.txt"
    clean.write_text("".join(f"the owl number {i} hears the fox.\n" for i in range(50)))
    again = planned(runs, paths=(str(clean),), continue_run="owl", steps=1)
    assert isinstance(again, ResumePlan)
    again.start()
    (entry,) = run.datasets()
    assert entry.paths == (str(clean),) and not entry.filters and not entry.dropped


def test_an_unknown_filter_and_filters_of_puzzles_are_refused(notes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no filter 'urls'") as raised:
        planned(tmp_path / "runs", paths=(str(tmp_path / "gone.txt"),), filters="urls")
    assert raised.value.field == "filters" and "url" in (raised.value.hint or "")
    for task in ("sudoku:4x4", "compose:s3"):
        with pytest.raises(UsageError):
            planned(tmp_path / "runs", paths=(), task=task, filters="url", steps=1)
