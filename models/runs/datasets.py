"""datasets.json: the texts a run has learned, in the order it first learned them. Torch-free."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from models.runs.run_config import MixSourceSection, RunConfig
from models.runs.typed_json import (
    AnyFloat,
    Count,
    JsonObject,
    Limits,
    MismatchError,
    Text,
    read_record,
    to_json,
)

if TYPE_CHECKING:  # it imports numpy, which a listing has no use for
    from data.corpus import Corpus

DATASETS_FILE = "datasets.json"
_OF_FILES = ("encodings", "filters", "dropped", "notes")
"""What is known of a text depends on its files, and may differ where others hold the same."""
_OF_MIX = ("mix", "asked_share", "trained_tokens")
"""What a source has of the mix it was learned in last, and a text that is learned alone has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What grew for a text, or while it was learned, and its size before and after."""

    what: Text
    before: Count
    after: Count
    foreign: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedTexts:
    """What a filter dropped of a text: `count` lines or documents that had so many characters."""

    filter: Text
    unit: Text
    count: Count
    characters: Count
    foreign: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A text, or puzzles, that a run has learned or learns. None is what was never measured.

    Losses are nats per token on what is held out of it: when it had been learned, before the first
    step on the text that is learned now, and now.
    """

    name: Text = "a text"
    content_hash: Text | None = None
    kind: Text | None = None
    characters: Count | None = None
    documents: Count | None = None
    bytes: Count | None = None
    paths: tuple[Text, ...] = ()
    encodings: tuple[Text, ...] = ()
    """The encoding of each file."""
    filters: tuple[Text, ...] = ()
    """The filters through which the files are read."""
    dropped: tuple[DroppedTexts, ...] = ()
    """What those have dropped; all other figures are of what is left."""
    notes: tuple[Text, ...] = ()
    """Sentences on what was assumed of the text, and what was left out."""
    prepared: Text | None = None
    """The name of its token files in the cache."""
    size: Count | None = None
    """Of puzzles: the side of the grids."""
    puzzles: Count | None = None
    """Of puzzles: how many there are to learn from."""
    tokens: Count | None = None
    """Of the part it learned from."""
    mix: Text | None = None
    """Of a source of a mix: the content hash of the mix. None in runs of earlier
    versions, which learned one mix at most."""
    asked_share: Annotated[float, Limits(0, 1)] | None = None
    """Of a source of a mix: the share of the tokens that were to come from it."""
    trained_tokens: Count | None = None
    """Of a source of a mix: the tokens that came from it, each as often as it came."""
    steps: Count | None = None
    loss_when_learned: AnyFloat | None = None
    loss_before: AnyFloat | None = None
    loss_now: AnyFloat | None = None
    grown: tuple[Growth, ...] = ()
    foreign: Mapping[str, object] = field(default_factory=dict)


def datasets_from_json(value: object) -> list[Dataset]:
    """The entries of datasets.json. Raises MismatchError with what is wrong."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise MismatchError("it is not a list of texts")
    found = []
    for number, entry in enumerate(value, start=1):
        try:
            found.append(read_record(Dataset, entry))
        except MismatchError as error:
            raise MismatchError(f"of text {number}, {error}") from error
    hashes = {one.content_hash for one in found}
    if len(found) > 1 and (None in hashes or len(hashes) < len(found)):
        raise MismatchError("two of its texts have the same 'content_hash', or one has none")
    return found


def datasets_to_json(datasets: Iterable[Dataset]) -> list[JsonObject]:
    """The entries as datasets.json has them."""
    return [to_json(one) for one in datasets]


def completed(datasets: Sequence[Dataset], config: RunConfig) -> list[Dataset]:
    """`datasets`, with the texts that only config.json knows."""
    known = {one.content_hash for one in datasets}
    earlier = config.replay.corpora if config.replay is not None else ()
    found = [*(Dataset(content_hash=one) for one in earlier if one not in known), *datasets]
    data = config.data
    if data is not None and data.mix is not None:
        found += [
            mix_source(one, data.content_hash) for one in data.mix.sources if one.content_hash not in known
        ]
    elif data is not None and data.content_hash not in known:
        name = config.corpus or "a text"
        found.append(Dataset(name=name, content_hash=data.content_hash, kind=data.kind, paths=data.paths))
    return found


def mix_source(source: MixSourceSection, mix: str) -> Dataset:
    """A source of the mix of that content hash as far as config.json tells of it."""
    return Dataset(
        name=source.name,
        content_hash=source.content_hash,
        kind=source.kind,
        paths=() if source.path is None else (source.path,),
        prepared=source.prepared,
        tokens=source.train_tokens,
        mix=mix,
        asked_share=source.parts / 10_000,
    )


def described_corpus(corpus: "Corpus") -> JsonObject:
    """A text as JSON has it; with its filters, where there are any."""
    filtered: JsonObject = {}
    if corpus.filters:
        filtered = {"filters": list(corpus.filters), "dropped": [to_json(one) for one in _dropped(corpus)]}
    return {**_figures(corpus), **filtered}


def _dropped(corpus: "Corpus") -> tuple[DroppedTexts, ...]:
    return tuple(
        DroppedTexts(filter=one.filter, unit=one.unit, count=one.count, characters=one.characters)
        for one in corpus.dropped
    )


def _figures(corpus: "Corpus") -> JsonObject:
    return {
        "name": corpus.name,
        "content_hash": corpus.content_hash,
        "kind": corpus.kind,
        "characters": corpus.characters,
        "documents": corpus.documents,
        "bytes": corpus.bytes,
    }


def dataset_of(corpus: "Corpus") -> Dataset:
    """A text before anything of it is learned."""
    return Dataset(
        **_figures(corpus),
        filters=corpus.filters,
        dropped=_dropped(corpus),
        paths=tuple(source_paths(corpus)),
        encodings=tuple(source.encoding.name for source in corpus.sources),
        notes=corpus.notes,
    )


def source_paths(corpus: "Corpus") -> list[str]:
    """The absolute paths of a text's files."""
    return [str(Path(source.path).absolute()) for source in corpus.sources]


def filters_of_files(datasets: Sequence[Dataset], paths: Sequence[str | Path]) -> tuple[str, ...]:
    """The filters with which the files at `paths` were read as one of the texts, the last one that was.

    Empty where none has these files and no others. Raises UsageError, CorpusError where there are none.
    """
    filtered = [one for one in datasets if one.filters]
    if not filtered or "-" in map(str, paths):
        return ()
    from data.source_files import find_source_files  # it imports numpy

    files = {str(file.path) for file in find_source_files(paths)[0]}
    return next((one.filters for one in reversed(filtered) if files == set(one.paths)), ())


def labels(datasets: Iterable[Dataset]) -> dict[str, str]:
    """What to call each text, by content hash: its name, numbered where another has the same."""
    taken: dict[str, int] = {}
    named: dict[str, str] = {}
    for one in datasets:
        taken[one.name] = taken.get(one.name, 0) + 1
        number = taken[one.name]
        named[str(one.content_hash)] = one.name if number == 1 else f"{one.name} ({number})"
    return named


def by_label(datasets: Sequence[Dataset], losses: Mapping[str, float | None]) -> dict[str, float]:
    """`losses` by content hash, as losses by label; without unknown texts, and without None."""
    names = labels(datasets)
    return {names[key]: loss for key, loss in losses.items() if key in names and loss is not None}


def with_dataset(datasets: Sequence[Dataset], entry: Dataset) -> list[Dataset]:
    """`datasets` with `entry` at the end, or in the place of what was known of the same text."""
    known = next((one for one in datasets if _is_of(one, entry.content_hash)), None)
    if known is None:
        return [*datasets, entry]
    values = {name: value for name, value in _values(entry).items() if value}
    if entry.paths:
        values |= {name: getattr(entry, name) for name in _OF_FILES}
    values |= {name: getattr(entry, name) for name in _OF_MIX}
    return [replace(known, **values) if one is known else one for one in datasets]


def with_paths(datasets: Sequence[Dataset], content_hash: str, paths: Sequence[str]) -> list[Dataset]:
    """`datasets`, with `paths` as the place of the text of that hash."""
    return [replace(one, paths=tuple(paths)) if _is_of(one, content_hash) else one for one in datasets]


def with_files(datasets: Sequence[Dataset], corpus: "Corpus") -> list[Dataset]:
    """`datasets`, with the files that a known text was read from now, and how they were read."""
    read = dataset_of(corpus)
    return [
        replace(one, **{name: getattr(read, name) for name in ("paths", *_OF_FILES)})
        if _is_of(one, corpus.content_hash)
        else one
        for one in datasets
    ]


def with_losses(
    datasets: Sequence[Dataset], losses: Mapping[str, float], learned: str, tokens: int, steps: int
) -> list[Dataset]:
    """`datasets` with `losses` by content hash as those of now; what was not measured has none.

    `learned` is the content hash of the one that was just learned from `tokens` tokens in `steps` steps.
    """
    found = []
    for one in datasets:
        loss = losses.get(one.content_hash or "")
        one = replace(one, loss_now=loss)
        if one.content_hash == learned:
            one = replace(one, tokens=tokens, steps=steps, loss_when_learned=loss)
        found.append(one)
    return found


def with_growths(
    datasets: Sequence[Dataset], learned: Sequence[str], grown: Mapping[str, tuple[int, int]]
) -> list[Dataset]:
    """`datasets` with what grew noted at the text of that hash, or at the first of the sources of a mix: by
    axis (models/growth/axes.py), the size before and after."""
    growths = tuple(
        Growth(what="vocabulary" if axis == "vocab" else axis, before=before, after=after)
        for axis, (before, after) in grown.items()
    )
    return [
        replace(one, grown=(*one.grown, *growths)) if one.content_hash in learned[:1] else one
        for one in datasets
    ]


def vocabulary_growths(entry: Dataset) -> list[tuple[int, int]]:
    """The sizes of the vocabulary before and after each time a text made it grow."""
    return [(one.before, one.after) for one in entry.grown if one.what == "vocabulary"]


def _values(entry: Dataset) -> JsonObject:
    return {name: getattr(entry, name) for name in Dataset.__slots__}


def _is_of(entry: Dataset, content_hash: str | None) -> bool:
    return content_hash is not None and entry.content_hash == content_hash
