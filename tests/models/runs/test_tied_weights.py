"""A tied weight is one tensor: in a file it takes the room of one, and it is read back as one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from data.progress import result_of
from models.architectures import build_model
from models.errors import CheckpointError
from models.planning.run_content import read_content
from models.runs import migrations, tensor_file
from models.runs.best_weights import restore_best_weights
from models.runs.checkpoint import load_checkpoint, load_weights, save_weights
from models.runs.checkpoint_folder import MODEL_FILE, TRAINING_FILE, complete_checkpoints
from models.runs.compatibility import model_config_of
from models.runs.events import StepFinished
from models.runs.load import load_model
from models.runs.run import Run
from models.runs.weights_file import shape_in
from models.training.control import Control
from models.training.trainer import train

NewRun = Callable[..., Run]
TIED = ("looped", "ouroboros")
RECIPE = {"steps": 6, "evaluations": 2, "samples": 0, "average_decay": 0.9}


def tied_run(new_run: NewRun, name: str, architecture: str = "looped", **dials: Any) -> Run:
    return new_run(name, architecture, model={"tied": True}, **{**RECIPE, **dials})


def go(run: Run, pause_at: int | None = None) -> None:
    control = Control()
    for event in run.record(train(run, control)):
        if isinstance(event, StepFinished) and event.step == pause_at:
            control.pause()


def data_size(path: Path) -> int:
    with path.open("rb") as file:
        return path.stat().st_size - 8 - int.from_bytes(file.read(8), "little")


def distinct_bytes(run: Run) -> int:
    model = build_model(model_config_of(run, run.config()))
    return sum(parameter.nbytes for parameter in model.parameters())


def assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


@pytest.mark.parametrize("architecture", TIED)
def test_every_file_of_a_tied_model_has_each_number_once(new_run: NewRun, architecture: str) -> None:
    run = tied_run(new_run, "owl", architecture, optimizer="adamw")
    go(run)
    distinct, checkpoint = distinct_bytes(run), complete_checkpoints(run.checkpoints_path)[0].path
    assert data_size(run.weights_path) == data_size(checkpoint / MODEL_FILE) == distinct
    steps = 4 * sum(name.endswith(".step") for name in load_checkpoint(run)[0].training)
    assert data_size(checkpoint / TRAINING_FILE) == 3 * distinct + steps  # two moments and the average
    weights, metadata = load_weights(run.weights_path)
    assert weights["head.weight"] is weights["embedding.weight"]
    assert metadata.keys() == {"format", "tokenizer", "config"}
    for tensor in ("head.weight", "embedding.weight"):
        assert shape_in(run.weights_path, tensor) == weights["embedding.weight"].shape


@pytest.mark.parametrize("architecture", TIED)
def test_a_tied_training_that_was_paused_goes_on_bit_for_bit(new_run: NewRun, architecture: str) -> None:
    whole, paused = (tied_run(new_run, name, architecture) for name in ("whole", "paused"))
    go(whole)
    for pause_at in (2, 4, None):
        go(paused, pause_at)
    assert_same(load_checkpoint(paused)[0].model, load_checkpoint(whole)[0].model)
    assert_same(load_checkpoint(paused)[0].training, load_checkpoint(whole)[0].training)
    assert_same(load_weights(paused.weights_path)[0], load_weights(whole.weights_path)[0])


def test_weights_that_were_lost_come_back_tied(new_run: NewRun) -> None:
    run = tied_run(new_run, "owl")
    go(run)
    kept, size = load_weights(run.weights_path)[0], run.weights_path.stat().st_size
    run.weights_path.unlink()
    list(restore_best_weights(run, run.config()))
    assert_same(load_weights(run.weights_path)[0], kept)
    assert run.weights_path.stat().st_size == size


def test_a_run_whose_files_have_both_copies_goes_on_as_it_would_have(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier, whole = tied_run(new_run, "earlier"), tied_run(new_run, "whole")
    go(whole)
    with monkeypatch.context() as version_1:
        version_1.setattr(tensor_file, "_ties", lambda tensors: {}, raising=False)
        version_1.setitem(migrations.CURRENT, "safetensors", 1)
        go(earlier, pause_at=4)
    table = 4 * load_weights(earlier.weights_path)[0]["embedding.weight"].numel()
    assert data_size(earlier.weights_path) == distinct_bytes(earlier) + table
    load_model(earlier, earlier.config())
    go(earlier)
    assert_same(load_checkpoint(earlier)[0].model, load_checkpoint(whole)[0].model)
    assert data_size(earlier.weights_path) == distinct_bytes(earlier)


def test_a_new_text_starts_from_the_average_of_a_tied_table(new_run: NewRun) -> None:
    run = tied_run(new_run, "owl", steps=40, evaluations=1)
    go(run, pause_at=3)
    content = read_content(run)
    snapshot = content.newest()
    weights = result_of(content.best_weights(snapshot))
    average = snapshot.training["average.embedding.weight"]
    assert not torch.equal(average, snapshot.model["embedding.weight"])
    assert torch.equal(weights["embedding.weight"], average) and torch.equal(weights["head.weight"], average)


def test_neighbouring_and_empty_tensors_are_not_tied(tmp_path: Path) -> None:
    run, table = Run.create("owl", tmp_path), torch.arange(12.0)
    tensors = {
        "all": table, "half": table[:6], "other": table[6:], "square": table.view(3, 4),
        "bits": table.view(torch.int32), "none": torch.zeros(0), "nothing": torch.zeros(0),
        "again": table, "more": table[:6],
    }  # fmt: skip
    save_weights(run, tensors, {})
    found, metadata = load_weights(run.weights_path)
    assert_same(found, tensors)
    assert found["again"] is found["all"] and found["more"] is found["half"] and metadata == {}
    assert found["none"] is not found["nothing"] and found["square"] is not found["all"]
    with safetensors.safe_open(run.weights_path, framework="pt") as file:
        assert "again" not in file.keys() and "bits" in file.keys()  # noqa: SIM118


@pytest.mark.parametrize(
    "ties",
    ["", "[", "[]", "3", '{"a": 1}', '{"a": "b"}', '{"w": "v"}', '{"a": null}', '{"a": "a"}', "[" * 9000],
)
def test_damaged_ties_are_damage(tmp_path: Path, ties: str) -> None:
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"w": torch.ones(2), "v": torch.ones(2)}, path, {"rlm_ties": ties})
    with pytest.raises(CheckpointError, match="is damaged"):
        load_weights(path)
    assert shape_in(path, "u") is None


def test_a_tie_that_was_changed_breaks_the_seal(tmp_path: Path) -> None:
    run, table = Run.create("owl", tmp_path), torch.ones(2)
    save_weights(run, {"a": table, "b": torch.zeros(2), "c": table}, {})
    content = run.weights_path.read_bytes()
    changed = content.replace(rb"{\"c\": \"a\"}", rb"{\"c\": \"b\"}")
    assert content != changed
    run.weights_path.write_bytes(changed)
    with pytest.raises(CheckpointError, match="not what was written"):
        load_weights(run.weights_path)
