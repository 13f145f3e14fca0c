"""A mix as a corpus: the documents of its sources, for whoever needs to know what is in them."""

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from data.corpus import Corpus, Kind, hold_out_first, scan_corpus
from data.document import Document, Split
from data.errors import CorpusError, UsageError
from data.mixes.rows import has_rows
from data.mixes.spec import PARTS, MixSource, MixSpec
from data.mixes.spool import require_readable, spool
from data.progress import Progress
from data.wording import counted

MOST_HELD_OUT = 1000
"""Documents of a source, where the user chose no number: a tenth of them, and at most so many."""


@dataclass(frozen=True, slots=True)
class MixPart:
    """A source of a mix, and what was found in it."""

    source: MixSource
    parts: int
    """Of PARTS tokens, those that come from it."""
    corpus: Corpus

    @property
    def share(self) -> float:
        """Of the tokens that a model is trained on."""
        return self.parts / PARTS


@dataclass(frozen=True)
class MixedCorpus(Corpus):
    """The sources of a mix as one corpus. Its counts are sums, and `character_counts` are in the shares of
    the mix. `sources` has the files of all."""

    mix: tuple[MixPart, ...] = ()

    def split_documents(self) -> Iterator[tuple[Split, Document]]:
        for part in self.mix:
            yield from part.corpus.split_documents()

    def sample(self, sample_bytes: int) -> Iterator[str]:
        """Of each source as much as its share, spread over its training part; one that is short for its share
        comes more than once."""
        enough = max(part.corpus.train_bytes / part.share for part in self.mix)
        for part in self.mix:
            wanted = max(1, round(part.share * min(sample_bytes, enough)))
            for _ in range(max(1, round(wanted / max(1, part.corpus.train_bytes)))):
                yield from part.corpus.sample(wanted)


def scan_mix(spec: MixSpec) -> Generator[Progress, None, MixedCorpus]:
    """Read the sources of a mix; what cannot be trained on directly is written into the cache once. All are
    opened before one is read.

    Raises CorpusError, UsageError, StorageError.
    """
    for source in spec.sources:
        yield Progress(f"opening {source.name}", 0, 0, "")
        require_readable(source)
    found: list[MixPart] = []
    for source, parts in zip(spec.sources, spec.parts, strict=True):
        found.append((yield from scan_source(source, parts)))
    corpora = [part.corpus for part in found]
    _require_different(found)
    kind: Kind = "messages" if any(one.kind == "messages" for one in corpora) else "documents"
    identity = [(part.corpus.content_hash, part.parts) for part in found]
    return MixedCorpus(
        name=spec.name,
        kind=kind,
        sources=tuple(source for one in corpora for source in one.sources),
        content_hash=hashlib.sha256(json.dumps(["mix", identity]).encode()).hexdigest(),
        characters=sum(one.characters for one in corpora),
        documents=sum(one.documents for one in corpora),
        bytes=sum(one.bytes for one in corpora),
        character_counts=_weighted_counts(found),
        notes=tuple(note for part in found for note in _notes_on(part)),
        mix=tuple(found),
    )


def scan_source(source: MixSource, parts: int) -> Generator[Progress, None, MixPart]:
    """Read one source. Raises as `scan_mix`."""
    if has_rows(source):
        corpus = yield from spool(source)
    else:
        assert source.path is not None
        corpus = yield from scan_corpus([source.path], (), source.filter)
    held_out = source.held_out
    if held_out is None and corpus.kind != "text":
        held_out = max(1, min(MOST_HELD_OUT, corpus.documents // 10))
    if held_out is not None:
        try:
            corpus = hold_out_first(corpus, held_out)
        except CorpusError as error:
            raise CorpusError(f"In source '{source.name}': {error.message}", hint=error.hint) from error
    return MixPart(source=source, parts=parts, corpus=corpus)


def _require_different(parts: list[MixPart]) -> None:
    known: dict[str, str] = {}
    for part in parts:
        content_hash, name = part.corpus.content_hash, part.source.name
        if content_hash in known:
            raise UsageError(
                f"Sources '{known[content_hash]}' and '{name}' hold the same text.",
                hint="Keep one of them, with the weights of both together.",
            )
        known[content_hash] = name


def _weighted_counts(parts: list[MixPart]) -> Mapping[str, int]:
    """How often each character comes in a mix of as many characters as the sources have."""
    total = sum(part.corpus.characters for part in parts)
    counts: dict[str, float] = {}
    for part in parts:
        factor = part.share * total / part.corpus.characters
        for character, count in part.corpus.character_counts.items():
            counts[character] = counts.get(character, 0.0) + factor * count
    return MappingProxyType({character: max(1, round(count)) for character, count in sorted(counts.items())})


def _notes_on(part: MixPart) -> Iterator[str]:
    """What was left out of a source, and what was assumed of it."""
    yield from (f"Source '{part.source.name}': {note}" for note in part.corpus.notes)
    for one in () if part.corpus.filters else part.corpus.dropped:  # a corpus with filters has a note
        yield (
            f"Source '{part.source.name}': {counted(one.count, one.unit)} "
            f"({counted(one.characters, 'character')}) left out: {one.filter}."
        )
