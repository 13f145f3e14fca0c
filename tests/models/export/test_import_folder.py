"""An exported folder becomes the run again that it was, and a changed or foreign one is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from data.bpe_tokenizer import BpeTokenizer
from data.errors import RlmError, TokenizerError, UsageError
from models.architectures import ARCHITECTURES
from models.errors import CheckpointError
from models.export.export_folder import export_run
from models.export.import_folder import import_run
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.listing import list_runs
from models.runs.load import load_run
from models.runs.run import Run
from models.runs.run_config import MixSection, MixSourceSection
from tests.models.export.conftest import DrawnRun

Folder = Callable[..., Path]


@pytest.fixture
def folder(drawn_run: DrawnRun, tmp_path: Path) -> Path:
    export_run(drawn_run("looped", tied=True), tmp_path / "out", command="rlm export owl")
    return tmp_path / "out"


def again(folder: Path) -> Run:
    return import_run(folder, folder.parent / "other").run


def read(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return content


def edit(folder: Path, name: str, **values: object) -> None:
    content = {**read(folder, name), **values}
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_round_trip_changes_no_bit(architecture: str, drawn_run: DrawnRun, tmp_path: Path) -> None:
    run = drawn_run(architecture, ngram=1, kind="documents")
    export_run(run, tmp_path / "out", command="rlm export owl")
    imported = import_run(tmp_path / "out", tmp_path / "other")
    before, after = load_weights(run.weights_path)[0], load_weights(imported.run.weights_path)[0]
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert imported.run.tokenizer_path.read_bytes() == run.tokenizer_path.read_bytes()
    assert imported.run.evaluation() == run.evaluation() == imported.evaluation
    assert imported.notes == ()
    loaded = load_run(imported.run)
    assert (loaded.kind, loaded.notes, loaded.model.config) == ("documents", (), load_run(run).model.config)
    assert imported.run.name == "owl" and imported.run.config().corpus == "meadow"


def test_an_imported_run_can_learn_on(folder: Path, tmp_path: Path, plan: Callable[..., Any]) -> None:
    run = again(folder)
    (summary,) = list_runs(run.path.parent)
    assert summary.status == "finished"
    snapshot, notes = load_checkpoint(run)
    weights = load_weights(run.weights_path)[0]
    assert notes == [] and all(torch.equal(snapshot.model[name], weights[name]) for name in weights)
    (tmp_path / "bees.txt").write_text("a bee hums. no bee hides.\n" * 60, encoding="utf-8")
    planned = plan(run, tmp_path / "bees.txt", steps=2)
    assert planned.start().config().revision == 1


def test_ties_are_written_once(folder: Path) -> None:
    names = load_file(folder / "model.safetensors").keys()
    assert ("model.embedding.weight" in names) != ("model.head.weight" in names)
    model = load_run(again(folder)).model
    assert model.head.weight is model.embedding.weight


def test_the_folder_says_nothing_of_this_machine(folder: Path) -> None:
    assert not any(b"somebody" in path.read_bytes() for path in folder.iterdir())


def test_nor_do_the_sources_of_a_mix(drawn_run: DrawnRun, tmp_path: Path) -> None:
    run = drawn_run("looped")
    source = MixSourceSection(
        name="tales", weight=1.0, parts=10_000, content_hash="d", kind="text", path="/home/somebody/tales"
    )
    config = run.config()
    assert config.data is not None
    mix = MixSection(name="both", sources=(source,))
    run.save_config(replace(config, data=replace(config.data, mix=mix)))
    export_run(run, tmp_path / "out", command="rlm export owl")
    assert b"somebody" not in (tmp_path / "out" / "rlm_run.json").read_bytes()
    data = again(tmp_path / "out").config().data
    assert data is not None and data.mix is not None and data.mix.sources[0].name == "tales"


def test_byte_pairs_travel_too(drawn_run: DrawnRun, tmp_path: Path) -> None:
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    characters = [chr(byte) for byte in visible] + [chr(code) for code in range(0x100, 0x144)]
    ordered = sorted(characters, key=lambda one: (ord(one) if ord(one) < 0x100 else 0, one))
    tokenizer = BpeTokenizer([*ordered, "th", "the"], [("t", "h"), ("th", "e")])
    run = drawn_run("transformer", tokenizer=tokenizer, kind="documents")
    export_run(run, tmp_path / "out", command="rlm export owl")
    assert load_run(again(tmp_path / "out")).tokenizer.hash == tokenizer.hash


def test_a_name_that_is_taken_is_not_used_twice(folder: Path) -> None:
    assert [again(folder).name, again(folder).name] == ["owl", "owl-2"]
    with pytest.raises(UsageError, match="already a run 'owl'"):
        import_run(folder, folder.parent / "other", "owl")
    assert import_run(folder, folder.parent / "other", "fox").run.name == "fox"


def test_weights_that_were_trained_on_have_no_old_evaluation(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = {name: tensor + 1 for name, tensor in load_file(path).items()}
    save_file({name: tensor.half() for name, tensor in weights.items()}, path, {"format": "pt"})
    imported = import_run(folder, folder.parent / "other")
    assert imported.evaluation is None and imported.run.evaluation() is None and len(imported.notes) == 1
    after = load_weights(imported.run.weights_path)[0]
    assert torch.equal(after["keep"], weights["model.keep"].half().float())


def test_what_transformers_adds_to_a_tokenizer_is_left_out(folder: Path) -> None:
    text = {"Sequence": {"id": "A", "type_id": 0}}
    nothing = {"type": "TemplateProcessing", "single": [text], "pair": [text], "special_tokens": {}}
    padding = {"strategy": "BatchLongest", "direction": "Left", "pad_id": 0}
    edit(folder, "tokenizer.json", post_processor=nothing, padding=padding)
    before = (folder.parent / "runs" / "owl" / "tokenizer.json").read_bytes()
    assert again(folder).tokenizer_path.read_bytes() == before


def test_a_folder_without_the_record_is_enough(folder: Path) -> None:
    (folder / "rlm_run.json").unlink()
    for path in folder.glob("*.py"):
        path.unlink()
    loaded = load_run(again(folder))
    assert loaded.kind == "text" and loaded.run.evaluation() is None


CHANGES: dict[str, tuple[Callable[[Path], object], type[RlmError], str]] = {
    "foreign model": (lambda f: edit(f, "config.json", model_type="llama"), UsageError, "type 'llama'"),
    "no config": (lambda f: (f / "config.json").unlink(), UsageError, "There is no config.json"),
    "no JSON": (lambda f: (f / "config.json").write_text("{"), UsageError, "is not JSON"),
    "a list": (lambda f: (f / "config.json").write_text("[]"), UsageError, "no model of rlm"),
    "width": (lambda f: edit(f, "config.json", hidden_size=64), UsageError, "its 'hidden_size' is 64"),
    "tie": (lambda f: edit(f, "config.json", tie_word_embeddings=False), UsageError, "'tie_word_embeddings'"),
    "loops": (
        lambda f: edit(f, "config.json", rlm_model={**read(f, "config.json")["rlm_model"], "max_cycles": 5}),
        UsageError,
        "not the model that was exported",
    ),
    "no settings": (lambda f: edit(f, "config.json", rlm_model=1), UsageError, "has no 'rlm_model'"),
    "architecture": (
        lambda f: edit(f, "config.json", rlm_model={"architecture": "x"}),
        UsageError,
        "no model",
    ),
    "puzzles": (
        lambda f: edit(
            f, "config.json", rlm_model={"architecture": "trm", "task": "sudoku", "vocab_size": 6}
        ),
        UsageError,
        "no model|puzzles",
    ),
    "record": (lambda f: (f / "rlm_run.json").write_text("[1]"), UsageError, "is damaged"),
    "record of a run": (lambda f: edit(f, "rlm_run.json", **{"config.json": 3}), UsageError, "is damaged"),
    "code": (lambda f: (f / "norm.py").write_text("import os"), UsageError, "norm.py' is not the code"),
    "more code": (lambda f: (f / "extra.py").write_text(""), UsageError, "extra.py' is not the code"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), TokenizerError, "There is no tokenizer.json"),
    "tokenizer": (
        lambda f: edit(f, "tokenizer.json", normalizer={"type": "NFC"}),
        TokenizerError,
        "normalizer",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), CheckpointError, "There is no file"),
    "cut weights": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]),
        CheckpointError,
        "is damaged",
    ),
    "one byte": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-1] + b"\0"),
        CheckpointError,
        "not what was written",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_folder_is_refused_and_nothing_is_made(change: str, folder: Path) -> None:
    make, error, sentence = CHANGES[change]
    make(folder)
    with pytest.raises(error, match=sentence) as caught:
        again(folder)
    assert "\n" not in caught.value.message and caught.value.message.endswith((".", ".'"))
    assert not any((folder.parent / "other").glob("*"))


TENSORS: dict[str, tuple[Callable[[dict[str, torch.Tensor]], object], str]] = {
    "missing": (lambda t: t.pop("model.keep"), "'keep' is missing"),
    "foreign": (lambda t: t.update(other=torch.ones(1)), "no place for 'other'"),
    "shape": (lambda t: t.update({"model.keep": torch.ones(31)}), r"shape \(31,\)"),
    "type": (lambda t: t.update({"model.keep": torch.ones(32, dtype=torch.int32)}), "not a float"),
    "not a number": (lambda t: t["model.keep"].fill_(torch.nan), "no numbers"),
    "untied": (
        lambda t: t.update({"model.head.weight": t["model.embedding.weight"] + 1}),
        "tied, and differ",
    ),
    "neither": (lambda t: t.pop("model.embedding.weight"), "'embedding.weight' is missing"),
}


@pytest.mark.parametrize("change", TENSORS)
def test_changed_tensors_are_refused(change: str, folder: Path) -> None:
    make, sentence = TENSORS[change]
    path = folder / "model.safetensors"
    tensors = load_file(path)
    make(tensors)
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=sentence):
        again(folder)


def test_a_run_and_a_folder_that_is_not_there_are_refused(drawn_run: DrawnRun, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a run, not an export"):
        import_run(drawn_run("looped").path, tmp_path / "other")
    with pytest.raises(UsageError, match="There is no folder"):
        import_run(tmp_path / "nothing", tmp_path / "other")


def test_code_of_the_folder_is_never_run(folder: Path, tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'sprung')!r}, 'w')\n"
    for path in folder.glob("*.py"):
        path.write_text(trap + path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UsageError, match="rlm runs no code of a folder"):
        again(folder)
    assert not (tmp_path / "sprung").exists()
