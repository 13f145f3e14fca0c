"""Files of an older version come up to today's, and those of a later one are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.storage import digest_of
from models.architectures import build_model, model_config
from models.config import TrainingConfig
from models.errors import CheckpointError, RunError
from models.runs.checkpoint_folder import open_folder, state_text
from models.runs.datasets import Dataset, datasets_to_json
from models.runs.migrations import _STEPS, CURRENT, datasets_1_to_2, migrated, stamped
from models.runs.run import Run
from models.runs.tensor_file import read_tensors, tensor_pieces
from models.runs.weights_file import metadata_of
from models.settings import renamed_fields
from tests.models.runs.example_config import COMPLETE_STATE, CREATED

EARLIER = Path(__file__).parents[2] / "fixtures" / "runs_of_earlier_versions" / "before_second_texts"
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
    run.save_config(CREATED)
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


def test_a_configuration_gets_the_settings_by_their_names_of_today() -> None:
    old = {
        "format_version": 1,
        "training": {
            "schedule": "linear",
            "late_recursion": 0.25,
            "deepest_share": 0.5,
            "most_epochs": 16.0,
            "steps": 3,
        },
        "measured": {"device": "cpu"},
        "opened": True,
    }
    before = json.dumps(old)
    assert migrated("config.json", old) == {
        "training": {
            "schedule": "wsd",
            "shallow_fraction": 0.25,
            "full_depth_prob": 0.5,
            "max_epochs": 16.0,
            "steps": 3,
        },
        "calibration": {"device": "cpu"},
    }
    assert json.dumps(old) == before
    TrainingConfig(**migrated("config.json", old)["training"])
    cosine = migrated("config.json", {"training": {"schedule": "cosine"}})
    assert cosine == {"training": {"schedule": "cosine"}}


def test_a_state_says_that_it_is_initial() -> None:
    old = {"format_version": 1, "step": 0, "state": {"begins": True, "micro_batch": 2}}
    assert migrated("state.json", old)["state"] == {"is_initial": True, "micro_batch": 2}
    old = {"format_version": 1, "step": 9, "state": {"begins": False, "micro_batch": 2}}
    assert migrated("state.json", old)["state"] == {"micro_batch": 2}


def test_a_run_reads_an_older_list_of_datasets_and_writes_todays(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    path = run.path / "datasets.json"
    path.write_text('[{"name": "tale", "validation_loss": 1.5}]')
    datasets = run.datasets()
    assert datasets == [Dataset(name="tale", loss_when_learned=1.5, loss_now=1.5)]
    assert json.loads(path.read_text())[0]["validation_loss"] == 1.5
    run.save_datasets(datasets)
    assert json.loads(path.read_text()) == {"format_version": 3, "datasets": datasets_to_json(datasets)}
    assert run.datasets() == datasets


@pytest.mark.parametrize("name", ["evaluation.json", "generation_config.json"])
def test_each_file_says_its_version_and_is_read_without_it(tmp_path: Path, name: str) -> None:
    run = a_run(tmp_path)
    run.write_json(name, {"step": 3})
    assert json.loads((run.path / name).read_text())["format_version"] == CURRENT[name]
    assert run.read_json(name) == {"step": 3}
    (run.path / name).write_text('{"step": 4}')  # as rlm wrote it before it said so
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
    config = json.loads(run.config_path.read_text())
    run.config_path.write_text(json.dumps(config | {"format_version": 1}))
    run.save_config(run.config())
    assert json.loads(run.config_path.read_text()) == config
    assert config["format_version"] == CURRENT["config.json"]


def test_a_checkpoint_of_a_later_version_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "step_000001"
    folder.mkdir()
    for name in ("model.safetensors", "training.safetensors"):
        (folder / name).write_bytes(b"x")
    digest = digest_of(folder / "model.safetensors")
    state = COMPLETE_STATE.to_json()
    text = state_text(1, 1, {"model.safetensors": digest, "training.safetensors": digest}, state)
    (folder / "state.json").write_bytes(text)
    assert repr(open_folder(folder).state) == repr(COMPLETE_STATE)  # it has a nan
    later = json.loads(text) | {"format_version": CURRENT["state.json"] + 1}
    (folder / "state.json").write_text(json.dumps(later))
    with pytest.raises(CheckpointError, match="later version of rlm"):
        open_folder(folder)


@pytest.mark.parametrize(("old", "new"), renamed_fields("model").items())
def test_the_fields_of_a_model_get_the_names_of_today(tmp_path: Path, old: str, new: str) -> None:
    run = a_run(tmp_path)
    config = json.loads(run.config_path.read_text())
    written = {**config["model"], old: 3}
    run.config_path.write_text(json.dumps(config | {"format_version": 1, "model": written}))
    assert run.config().model.dials == {**config["model"], new: 3}


def test_the_configuration_of_a_pending_change_gets_the_names_of_today() -> None:
    state = {"config": {"format_version": 1, "model": {"architecture": "trm", "lookback": 2}}}
    found = migrated("config.json", state["config"])["model"]
    assert found == {"answer_damping": 0.0, "architecture": "trm", "ngram": 2}
    assert migrated("config.json", {"model": {"ngram": 2}})["model"] == {"ngram": 2}


def test_tensors_of_an_earlier_version_get_the_names_of_today() -> None:
    old = {
        "earlier.0.weight": "ngram_embeddings.0.weight",
        "average.earlier.1.weight": "average.ngram_embeddings.1.weight",
        "optimizer.earlier.0.weight.exp_avg": "optimizer.ngram_embeddings.0.weight.exp_avg",
        "embedding.weight": "embedding.weight",
        "linearlier.weight": "linearlier.weight",
    }
    for version in (1, 2):
        value = {"format_version": version, "tensors": {name: name for name in old}}
        assert migrated("safetensors", value)["tensors"] == {new: name for name, new in old.items()}


def test_the_configuration_that_travels_with_weights_gets_the_names_of_today() -> None:
    copy = {"format": "rlm", "config": json.dumps({"architecture": "looped", "lookback": 3})}
    found = migrated("safetensors", {"format_version": 2, "metadata": copy})["metadata"]
    assert found["format"] == "rlm"
    assert json.loads(found["config"]) == {"architecture": "looped", "ngram": 3}
    for nonsense in ({}, {"config": "no json"}, {"config": "[]"}):
        assert migrated("safetensors", {"format_version": 2, "metadata": nonsense})["metadata"] == nonsense


def test_trm_of_an_earlier_version_keeps_full_steps_of_its_answer() -> None:
    earlier = {"architecture": "trm", "d_model": 32}
    as_it_was = {"answer_damping": 0.0, **earlier}
    assert migrated("config.json", {"format_version": 2, "model": earlier})["model"] == as_it_was
    copy = {"config": json.dumps(earlier)}
    found = migrated("safetensors", {"format_version": 3, "metadata": copy})["metadata"]
    assert json.loads(found["config"]) == as_it_was
    looped = {"architecture": "looped"}
    assert migrated("config.json", {"format_version": 2, "model": looped})["model"] == looped


@pytest.mark.parametrize(
    "name", ["finished/model.safetensors", "finished/checkpoints/step_000012/model.safetensors"]
)
def test_weights_of_an_earlier_version_fit_todays_model(name: str) -> None:
    tensors, metadata = read_tensors(EARLIER / name)
    assert metadata_of(EARLIER / name)["config"] == metadata["config"]
    model = build_model(model_config(json.loads(metadata["config"])))
    model.load_state_dict(tensors)
    assert model.config.ngram == 1 and "ngram_embeddings.0.weight" in tensors
    moments, _ = read_tensors(EARLIER / "finished/checkpoints/step_000012/training.safetensors")
    parameters = {name for name, _ in model.named_parameters()}
    assert {name.removeprefix("optimizer.").rpartition(".")[0] for name in moments} <= parameters


def test_weights_written_today_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    tensors, metadata = {"earlier.weight": torch.ones(2)}, {"config": '{"lookback": 1}'}
    path.write_bytes(b"".join(bytes(piece) for piece in tensor_pieces(tensors, metadata)))
    found, travelled = read_tensors(path)
    assert (found.keys(), travelled) == (tensors.keys(), metadata)
