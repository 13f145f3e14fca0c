"""Whole JSON of another shape is told from what rlm writes, in one sentence that names the file."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from models.errors import RunError
from models.runs.run import Run
from models.runs.run_files import config_problem
from models.training.calibrate import Measured

MEASURED = {
    "device": "cpu", "number_format": "float32", "compiled": False, "threads": 1, "micro_batch": 4,
    "shallow_step_s": 0.1, "deep_step_s": 1,
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "format_version": 1,
    "started_at": 1.5,
    "model": {"architecture": "looped"},
    "training": {},
    "data": {"paths": ["a.txt"], "content_hash": "ab", "kind": "text", "prepared": "ab-cd"},
    "measured": MEASURED,
    "extension": {"from_step": 3, "minutes": None, "steps": 4},
    "of a later day": 1,
}


def test_what_rlm_writes_is_sound() -> None:
    assert config_problem(CONFIG) is None
    assert config_problem({"model": {"architecture": "looped"}}) is None
    assert {field.name for field in dataclasses.fields(Measured)} == set(MEASURED)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": None}, "'model'"),
        ({"model": 5}, "'model'"),
        ({"model": {"architecture": 5}}, "'architecture'"),
        ({"training": []}, "'training'"),
        ({"data": True}, "'data'"),
        ({"data": {**CONFIG["data"], "paths": []}}, "'paths'"),
        ({"data": {**CONFIG["data"], "prepared": 4}}, "'prepared'"),
        ({"data": {"paths": ["a.txt"], "kind": "text"}}, "'content_hash'"),
        ({"measured": []}, "'measured'"),
        ({"measured": {**MEASURED, "micro_batch": 0}}, "'micro_batch'"),
        ({"measured": {**MEASURED, "threads": -1}}, "'threads'"),
        ({"measured": {**MEASURED, "deep_step_s": float("nan")}}, "'deep_step_s'"),
        ({"measured": {**MEASURED, "number_format": "int3"}}, "'number_format'"),
        ({"measured": {**MEASURED, "number_format": []}}, "'number_format'"),
        ({"measured": {**MEASURED, "other": 1}}, "'other'"),
        ({"extension": {"from_step": 3}}, "'extension'"),
        ({"extension": {"from_step": 3, "minutes": "1", "steps": None}}, "'minutes'"),
        ({"started_at": "today"}, "'started_at'"),
        ({"started_at": 10**400}, "'started_at'"),
        ({"replay": [1]}, "'replay'"),
        ({"replay": {"share": "lots"}}, "'share'"),
        ({"replay": {"share": 1.0}}, "'share'"),
        ({"replay": {"share": 0.1, "corpora": ["ab", 3]}}, "'corpora'"),
        ({"revision": "x"}, "'revision'"),
        ({"lineage": "x"}, "'lineage'"),
    ],
    ids=str,
)
def test_another_shape_is_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    run = Run.create("owl", tmp_path)
    run.write_config(CONFIG | change)
    with pytest.raises(RunError) as caught:
        Run.open("owl", tmp_path)
    assert "config.json' is damaged" in caught.value.message and named in caught.value.message


@pytest.mark.parametrize("missing", ["model", "training", "started_at"])
def test_a_section_that_is_missing_is_named(missing: str) -> None:
    problem = config_problem({key: value for key, value in CONFIG.items() if key != missing})
    assert problem == f"it has no '{missing}'"


@pytest.mark.parametrize(
    ("name", "sound", "unsound"),
    [
        (
            "datasets.json",
            [{"name": "tale", "loss_now": None, "grown": [{"what": "core", "from": 1, "to": 2}], "new": 3}],
            [
                {},
                ["tale"],
                3,
                None,
                {"format_version": 2},
                [{"name": 3}],
                [{"loss_now": "x"}],
                [{"loss_now": 10**400}],
                [{"grown": [{"what": "core"}]}],
                [{"paths": "a.txt"}],
                [{"name": "a"}, {"name": "b"}],
                [{"content_hash": "ab"}, {"content_hash": "ab"}],
            ],
        ),
        ("evaluation.json", {"step": 3}, [[], 3, "x", None, {"format_version": "1"}]),
        ("generation_config.json", {}, [[], 7, None]),
    ],
)
def test_the_other_files(tmp_path: Path, name: str, sound: Any, unsound: list[Any]) -> None:
    run = Run.create("owl", tmp_path)
    assert run.read_json(name) is None
    run.write_json(name, sound)
    assert run.read_json(name) == sound
    for value in unsound:
        (run.path / name).write_text(json.dumps(value))
        with pytest.raises(RunError, match=f"{name}' is damaged"):
            run.read_json(name)
