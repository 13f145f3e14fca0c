"""Which models of a folder could go on with a text."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.planning.candidates import candidates, suited_first
from models.runs.run import Run

NewRun = Callable[..., Run]


def test_runs_that_do_not_know_the_text_come_first(
    trained_run: NewRun, river: Path, plan: Callable[..., Any], go: Callable[[Run], Any]
) -> None:
    meadow = trained_run("meadow", steps=2, evaluations=1)
    both = trained_run("both", steps=2, evaluations=1)
    plan(both, river, steps=2).start()
    go(both)
    found, _ = candidates(meadow.path.parent)
    hashes = {one.name: one.content_hash or "" for one in both.datasets()}
    assert [one.summary.name for one in suited_first(found, hashes["river"])] == ["meadow", "both"]
    (of_both,) = (one for one in found if one.summary.name == "both")
    assert set(of_both.knows) == {"meadow", "river"}
    assert all(isinstance(loss, float) for loss in of_both.knows.values())
    assert of_both.knows["river"] == of_both.summary.validation_loss


def test_a_run_that_has_learned_nothing_is_no_candidate(tmp_path: Path, meadow_run: NewRun) -> None:
    run = meadow_run("owl")
    run.save_config(replace(run.config(), data=None))
    assert candidates(run.path.parent) == ([], [])
    assert candidates(tmp_path / "nowhere") == ([], [])


def test_a_damaged_run_is_named_and_no_candidate(meadow_run: NewRun) -> None:
    run = meadow_run("owl")
    (run.path / "datasets.json").write_bytes(b"{")
    found, (damaged,) = candidates(run.path.parent)
    assert found == [] and damaged.name == "owl" and "datasets.json" in str(damaged.problem)
