"""Data sets through the library: which rows they have, and its errors as one sentence each."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.exceptions import DatasetNotFoundError

from data.errors import CorpusError, RlmError, UsageError
from data.mixes import library
from data.mixes.mix_file import load_mix
from data.mixes.mixed_corpus import scan_mix, scan_source
from data.mixes.spec import MixSource
from data.progress import result_of
from tests.data.mixes.four_tables import HELD_OUT, Tables


def hub(name: str = "some/set", **more: Any) -> MixSource:
    return MixSource(name="set", weight=1, dataset=name, **more)


def documents(source: MixSource) -> list[str]:
    part = result_of(scan_source(source, 1))
    return ["".join(document.pieces or ()) for _, document in part.corpus.split_documents()]


@pytest.mark.parametrize("streaming", [True, False])
def test_a_data_set_is_read_alike_streamed_or_not(
    tables: Tables, tmp_path: Path, streaming: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    folder = tmp_path / "in the form of one"
    folder.mkdir()
    (folder / "train.parquet").write_bytes((tables.folder / "gsm.parquet").read_bytes())
    found = documents(hub(str(folder), streaming=streaming, columns=("question", "code")))
    assert found == tables.documents["gsm"]
    error = raised(hub(str(folder), streaming=streaming, split="test"))
    assert error.message == "Source 'set' has no split 'test'." and "train" in str(error.hint)


def test_a_saved_dictionary_needs_a_split(tables: Tables, tmp_path: Path) -> None:
    saved = datasets.load_from_disk(str(tables.folder / "cosmo"))
    with library.quiet():
        datasets.DatasetDict({"first": saved}).save_to_disk(str(tmp_path / "saved"))
    source = MixSource(name="set", weight=1, path=str(tmp_path / "saved"), columns=("text",))
    assert raised(source).hint == "Set split to one of 'first'."
    whole = MixSource(name="set", weight=1, path=str(tmp_path / "saved"), columns=("text",), split="first")
    assert documents(whole) == tables.documents["cosmo"]


def test_the_recipe_reads_data_sets_of_its_columns(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    files = {
        "TinyGSM/TinyGSM": tables.folder / "gsm.parquet",
        "nampdn-ai/tiny-codes": tables.folder / "codes.jsonl",
        "HuggingFaceTB/cosmopedia": next((tables.folder / "cosmo").glob("*.arrow")),
        "meta-math/MetaMathQA": tables.folder / "meta.csv",
    }
    load, asked = datasets.load_dataset, list[tuple[str, str | None]]()

    def load_dataset(name: str, config: str | None, **more: Any) -> Any:
        asked.append((name, config))
        kind = {".jsonl": "json"}.get(files[name].suffix, files[name].suffix[1:])
        return load(kind, data_files={"train": str(files[name])}, **more)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    recipe = load_mix("reasoning")
    few = tuple(replace(one, held_out=HELD_OUT) for one in recipe.sources)
    mix = result_of(scan_mix(replace(recipe, sources=few)))
    assert set(asked) == {(name, "stanford" if "cosmo" in name else None) for name in files}
    for part, (name, expected) in zip(mix.mix, tables.documents.items(), strict=True):
        if name == "meta":  # the recipe has no template there
            expected = [one.removeprefix("Q: ").replace("\nA: ", "\n\n") for one in expected]
        assert ["".join(one.pieces or ()) for _, one in part.corpus.split_documents()] == expected
        assert part.corpus.held_out == HELD_OUT


def raised(source: MixSource) -> RlmError:
    with pytest.raises(RlmError) as caught:
        result_of(scan_source(source, 1))
    assert "\n" not in caught.value.message and "\n" not in str(caught.value.hint)
    return caught.value


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def load_dataset(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ConnectionError("Couldn't reach 'some/set' on the Hub (LocalEntryNotFoundError)"),
            "The data set 'some/set' of source 'set' cannot be reached: there is no network.",
        ),
        (
            type("ConnectTimeout", (Exception,), {})("timed out"),
            "The data set 'some/set' of source 'set' cannot be reached: there is no network.",
        ),
        (
            DatasetNotFoundError("Dataset 'some/set' doesn't exist on the Hub or cannot be accessed."),
            "There is no data set 'some/set' on the hub, or it is private.",
        ),
        (
            DatasetNotFoundError(
                "Dataset 'some/set' is a gated dataset on the Hub. You must be authenticated"
            ),
            "The data set 'some/set' of source 'set' is gated: its owner must give you access.",
        ),
        (
            ValueError("Config name is missing.\nPlease pick one among the available configs: ['a', 'b']\nE"),
            "The data set 'some/set' of source 'set' has several configs.",
        ),
        (
            RuntimeError("Dataset scripts are no longer supported, but found set.py"),
            "The data set 'some/set' is a program, and those are not run.",
        ),
        (
            OSError("something \x1b[31melse\nand more"),
            "Source 'set' cannot be read: something ␛[31melse.",
        ),
    ],
)
def test_what_the_library_raises_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    failing(monkeypatch, error)
    found = raised(hub())
    assert found.message == message
    assert isinstance(found, CorpusError | UsageError)


def test_a_config_that_is_not_there_names_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ValueError("BuilderConfig 'x' not found. Available: ['a', 'b']"))
    found = raised(hub(config="x"))
    assert found.message == "The data set 'some/set' of source 'set' has no config 'x'."
    assert found.hint == "Set config to one of 'a', 'b'."


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    assert "pip install datasets" in str(raised(hub()).hint)


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 this is not one")
    source = MixSource(name="set", weight=1, path=str(path), columns=("text",))
    assert "cannot be read" in raised(source).message
