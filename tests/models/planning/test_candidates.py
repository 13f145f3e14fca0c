"""Which models of a folder could go on with a text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.planning.candidates import candidates, suited_first
from models.runs.run import Run

NewRun = Callable[..., Run]


def test_those_that_do_not_know_the_text_come_first(
    meadow_run: NewRun, river: Path, plan: Callable[..., Any], go: Callable[[Run], Any]
) -> None:
    meadow = meadow_run("meadow", steps=2, evaluations=1)
    both = meadow_run("both", steps=2, evaluations=1)
    plan(both, river, steps=2).start()
    go(both)
    found = candidates(meadow.path.parent)
    hashes = {entry["name"]: entry["content_hash"] for entry in both.read_json("datasets.json") or []}
    assert [one.summary.name for one in suited_first(found, hashes["river"])] == ["meadow", "both"]
    (of_both,) = (one for one in found if one.summary.name == "both")
    assert set(of_both.knows) == {"meadow", "river"}
    assert all(isinstance(loss, float) for loss in of_both.knows.values())


def test_what_has_learned_nothing_is_none(tmp_path: Path, new_run: NewRun) -> None:
    run = new_run("owl")
    config = run.read_config()
    del config["data"]
    run.write_config(config)
    assert candidates(run.path.parent) == []
    assert candidates(tmp_path / "nowhere") == []
