"""datasets.json: the texts a run has learned, in the order it first learned them. Torch-free."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

from data.corpus import Corpus
from models.runs.run import Run

DATASETS_FILE = "datasets.json"

Growth = TypedDict("Growth", {"what": str, "from": int, "to": int})
"""In what a model grew for a text, or while it learned it, and from what to what."""


class Dataset(TypedDict, total=False):
    """A text, or puzzles, that a run knows or is at. What was never said or measured is not there.

    Losses are nats per token on what was held out of it: when it had been learned, before the first
    step on the text that the run is at, and now.
    """

    name: str
    content_hash: str
    kind: str
    characters: int
    documents: int
    bytes: int
    paths: list[str]
    prepared: str
    """Its tokens in the cache."""
    tokens: int | None
    """Of the part it learned from."""
    steps: int | None
    loss_when_learned: float | None
    loss_before: float | None
    loss_now: float | None
    grown: list[Growth]


def read_datasets(run: Run) -> list[Dataset]:
    """What the run says of its texts. Those the file has lost are there as far as config.json tells.

    Raises RunError as `read_json`.
    """
    found = cast(list[Dataset], run.read_json(DATASETS_FILE) or [])
    config, known = run.read_config(), {entry.get("content_hash") for entry in found}
    earlier = config.get("replay", {}).get("corpora", [])
    lost: list[Dataset] = [{"name": "a text", "content_hash": one} for one in earlier if one not in known]
    if "data" in config and config["data"]["content_hash"] not in known:
        data = config["data"]
        said = {name: data[name] for name in ("content_hash", "kind", "paths")}
        found.append(cast(Dataset, {"name": str(config.get("corpus", "a text")), **said}))
    return [*lost, *found]


def described_corpus(corpus: Corpus) -> dict[str, Any]:
    """A text as JSON has it."""
    return {
        "name": corpus.name,
        "content_hash": corpus.content_hash,
        "kind": corpus.kind,
        "characters": corpus.characters,
        "documents": corpus.documents,
        "bytes": corpus.bytes,
    }


def dataset_entry(corpus: Corpus) -> Dataset:
    """A text before anything of it is learned."""
    return cast(Dataset, {**described_corpus(corpus), "paths": source_paths(corpus)})


def source_paths(corpus: Corpus) -> list[str]:
    """Where a text lies, whatever folder is the current one."""
    return [str(Path(source.path).resolve()) for source in corpus.sources]


def labels(datasets: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What to call each text, by content hash: its name, numbered where another has it too."""
    taken: dict[str, int] = {}
    named: dict[str, str] = {}
    for entry in datasets:
        name = str(entry.get("name", "text"))
        taken[name] = taken.get(name, 0) + 1
        named[str(entry.get("content_hash"))] = name if taken[name] == 1 else f"{name} ({taken[name]})"
    return named


def by_label(datasets: Sequence[Dataset], losses: Mapping[str, float | None]) -> dict[str, float]:
    """Losses by content hash, by what their texts are called; those of no known text, and none, left out."""
    names = labels(datasets)
    return {names[key]: loss for key, loss in losses.items() if key in names and loss is not None}


def with_dataset(datasets: Sequence[Dataset], entry: Dataset) -> list[Dataset]:
    """`datasets` with `entry` at the end, or over what was known of the same text in its place."""
    place = next((i for i, one in enumerate(datasets) if _is_of(one, entry["content_hash"])), len(datasets))
    known: Dataset = {} if place == len(datasets) else datasets[place]
    return [*datasets[:place], {**known, **entry}, *datasets[place + 1 :]]


def with_growths(
    datasets: Sequence[Dataset], content_hash: str | None, grown: Mapping[str, tuple[int, int]]
) -> list[Dataset]:
    """`datasets` with what grew noted at the text of that hash: by way (models/growth/axes.py), from what
    to what."""
    growths: list[Growth] = [
        {"what": "vocabulary" if way == "vocab" else way, "from": now, "to": then}
        for way, (now, then) in grown.items()
    ]
    return [
        {**one, "grown": [*one.get("grown", []), *growths]} if _is_of(one, content_hash) else one
        for one in datasets
    ]


def vocabulary_growths(entry: Dataset) -> list[tuple[int, int]]:
    """The sizes of the vocabulary before and after each time a text made it grow."""
    return [(one["from"], one["to"]) for one in entry.get("grown", []) if one["what"] == "vocabulary"]


def _is_of(entry: Dataset, content_hash: str | None) -> bool:
    return content_hash is not None and entry.get("content_hash") == content_hash
