"""Files of an older version come up to today's, and those of a later one are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.runs.checkpoint_folder import open_folder, state_text
from models.errors import CheckpointError, RunError
from models.runs.migrations import _STEPS, CURRENT, datasets_1_to_2, migrated, stamped
from models.runs.run import Run
from data.storage import digest_of

OF_A_RUN = ("datasets.json", "evaluation.json", "generation_config.json")
values = st.dictionaries(
    st.text(), st.integers() | st.text() | st.lists(st.floats(allow_nan=False)), max_size=4
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.sampled_from(["format_version", "datasets"]), inner, max_size=3)
    ),
)


def a_run(folder: Path) -> Run:
    run = Run.create("owl", folder)
    run.write_config({"model": {"architecture": "looped"}})
    return run


def test_from_every_version_there_is_a_way_to_the_current_one() -> None:
    for name, current in CURRENT.items():
        assert {version for file, version in _STEPS if file == name} == set(range(1, current))


@given(value=values)
def test_what_is_written_is_read_back_whatever_is_in_it(value: dict[str, Any]) -> None:
    kept = {key: inner for key, inner in value.items() if key != "format_version"}
    for name in CURRENT:
        if name != "datasets.json":
            written = stamped(name, value)
            assert next(iter(written.items())) == ("format_version", CURRENT[name])
            assert migrated(name, written) == kept
    for entries in ([], [kept], [value, {}]):
        assert migrated("datasets.json", stamped("datasets.json", entries)) == entries


@given(value=anything)
def test_nothing_but_our_error_comes_of_what_is_no_file_of_ours(value: Any) -> None:
    before = json.dumps(value)
    for name in CURRENT:
        try:
            migrated(name, value)
        except RunError as error:
            assert error.hint
    assert json.dumps(value) == before


def test_the_loss_of_a_corpus_becomes_that_when_learned_and_that_now() -> None:
    old: list[dict[str, object]] = [
        {"name": "tale", "content_hash": "ab", "tokens": 9, "steps": 3, "validation_loss": 1.25},
        {"name": "saga", "content_hash": "cd"},
    ]
    new = [
        {"name": "tale", "content_hash": "ab", "tokens": 9, "steps": 3}
        | {"loss_when_learned": 1.25, "loss_now": 1.25},
        {"name": "saga", "content_hash": "cd"},
    ]
    assert datasets_1_to_2(old) == {"format_version": 2, "datasets": new}
    assert migrated("datasets.json", old) == new
    assert "validation_loss" in old[0]


def test_a_run_reads_an_older_list_of_datasets_and_writes_todays(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    path = run.path / "datasets.json"
    path.write_text('[{"name": "tale", "validation_loss": 1.5}]')
    datasets = run.read_json("datasets.json")
    assert datasets == [{"name": "tale", "loss_when_learned": 1.5, "loss_now": 1.5}]
    assert json.loads(path.read_text())[0]["validation_loss"] == 1.5
    run.write_json("datasets.json", datasets)
    assert json.loads(path.read_text()) == {"format_version": 2, "datasets": datasets}
    assert run.read_json("datasets.json") == datasets


@pytest.mark.parametrize("name", OF_A_RUN)
def test_each_file_says_its_version_and_is_read_without_it(tmp_path: Path, name: str) -> None:
    run = a_run(tmp_path)
    value: Any = [{"name": "tale"}] if name == "datasets.json" else {"step": 3}
    run.write_json(name, value)
    assert json.loads((run.path / name).read_text())["format_version"] == CURRENT[name]
    assert run.read_json(name) == value
    if name != "datasets.json":  # as rlm wrote it before it said so
        (run.path / name).write_text('{"step": 4}')
        assert run.read_json(name) == {"step": 4}


@pytest.mark.parametrize("name", OF_A_RUN)
def test_a_later_version_is_refused_by_name(tmp_path: Path, name: str) -> None:
    run = a_run(tmp_path)
    (run.path / name).write_text(json.dumps({"format_version": CURRENT[name] + 1, "datasets": []}))
    with pytest.raises(RunError, match=f"{name}' was written by a later version of rlm") as caught:
        run.read_json(name)
    assert caught.value.hint == "Update rlm."


def test_a_later_configuration_is_refused(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    config = json.loads(run.config_path.read_text())
    run.config_path.write_text(json.dumps(config | {"format_version": CURRENT["config.json"] + 1}))
    with pytest.raises(RunError, match="later version of rlm"):
        Run.open("owl", tmp_path)


def test_a_configuration_written_again_is_of_the_current_version(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.write_config({"format_version": 0, "model": {"architecture": "looped"}})
    assert run.read_config()["format_version"] == CURRENT["config.json"]


def test_a_checkpoint_of_a_later_version_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "step_000001"
    folder.mkdir()
    for name in ("model.safetensors", "training.safetensors"):
        (folder / name).write_bytes(b"x")
    digest = digest_of(folder / "model.safetensors")
    text = state_text(1, 1, {"model.safetensors": digest, "training.safetensors": digest}, {"a": 1})
    (folder / "state.json").write_bytes(text)
    assert open_folder(folder).state == {"a": 1}
    later = json.loads(text) | {"format_version": CURRENT["state.json"] + 1}
    (folder / "state.json").write_text(json.dumps(later))
    with pytest.raises(CheckpointError, match="later version of rlm"):
        open_folder(folder)
