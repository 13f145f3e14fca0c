"""The documents of a source, written once into the cache as records in shards of plain JSONL.

A shard that is complete stays, so a source that fails half way is read on from there. What the rows were
and what was left out is counted in `spool.json`.
"""

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from data.cache import CACHE_HINT, cache_dir, cache_lock
from data.corpus import Corpus, Kind
from data.document import Message
from data.errors import CorpusError, RlmError
from data.filters import Dropped, parse_filters
from data.jsonl import MAX_RECORD_CHARACTERS
from data.mixes import library
from data.mixes.columns import RowReader, UnusableRowError
from data.mixes.rows import BROKEN, BrokenRow, Row, files_of, has_rows, open_rows
from data.mixes.shard import OpenShard, Shard, line_of, source_of_shard
from data.mixes.spec import MixSource
from data.plain_file import UnreadableFileError, read_plain_file
from data.progress import Progress
from data.records import UnusableRecordError, read_record
from data.storage import clear_temporaries, replace_json, storing

SHARD_BYTES = 64 * 2**20
_VERSION = 2
_STATE = "spool.json"
_LARGEST_STATE = 64 * 2**20
_TOLD_EVERY_ROWS = 256
_TOO_LONG = "documents of more than 33 million characters"
_EMPTY = "empty documents"


@dataclass(slots=True)
class _Lost:
    """What one filter or one fault left out."""

    documents: int = 0
    characters: int = 0


@dataclass(slots=True)
class _State:
    """What is in the folder of a spool."""

    is_complete: bool = False
    rows: int = 0
    """That were read for the shards so far."""
    shards: list[Shard] = field(default_factory=list)
    dropped: dict[str, _Lost] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    """Parts of documents, as `read_record` counts them."""
    character_counts: dict[str, int] = field(default_factory=dict)

    @property
    def documents(self) -> int:
        return sum(shard.documents for shard in self.shards)


def spool(source: MixSource) -> Generator[Progress, None, Corpus]:
    """The documents of `source` as a corpus in the cache, written there if need be. What a filter or a fault
    left out is in its `dropped`.

    Waits where another process writes the same. Raises CorpusError where the source cannot be read or ends
    before its end, UsageError for a wrong description of it, StorageError.
    """
    folder = cache_dir() / "mixes"
    key = _key(source)
    with storing(f"source '{source.name}' in '{folder}'", CACHE_HINT):
        folder.mkdir(exist_ok=True)
        lock = yield from cache_lock(folder / f"{key}.lock", _progress(source, 0, 0))
        try:
            state = _state_in(folder / key)
            if not state.is_complete:
                if source.filter:
                    state = _State()  # what a filter of duplicates remembered is gone
                yield from _Writer(source, folder / key, state).write()
        finally:
            lock.release()
    return _spooled(source, folder / key, state)


def require_readable(source: MixSource) -> None:
    """Raise as `spool` does where a source cannot be opened or has not the columns, before any is read."""
    if not has_rows(source) or _state_in(cache_dir() / "mixes" / _key(source)).is_complete:
        return
    reader = _row_reader(source, Counter())
    found = open_rows(source, reader.needed)
    if found.columns is not None:
        reader.require_columns(found.columns)


class _Writer:
    """Reads the rows of a source, and writes shard after shard."""

    def __init__(self, source: MixSource, folder: Path, state: _State) -> None:
        self.source, self.folder, self.state = source, folder, state
        self._dropped: dict[str, _Lost] = {}
        self._left_out: Counter[str] = Counter()
        self._filters = parse_filters(",".join(source.filter))
        self._reader = _row_reader(source, self._left_out)
        if state.documents:
            self._reader.expect_texts()

    def write(self) -> Iterator[Progress]:
        yield _progress(self.source, 0, 0)
        found = open_rows(self.source, self._reader.needed, self.state.rows)
        if found.columns is not None:
            self._reader.require_columns(found.columns)
        self.folder.mkdir(exist_ok=True)
        clear_temporaries(self.folder)
        total = found.number or 0
        last: Row = {}
        read = self.state.rows
        with library.quiet() if found.of_library else contextlib.nullcontext():
            shard = OpenShard(self.folder, len(self.state.shards))
            try:
                for row in self._failing_in_words(found.rows):
                    if self.source.documents is not None and self._documents(shard) >= self.source.documents:
                        break
                    read += 1
                    if isinstance(row, BrokenRow):
                        self._drop(BROKEN, 0)
                    else:
                        last = row
                        self._add(row, shard)
                    if read % _TOLD_EVERY_ROWS == 0:
                        yield _progress(self.source, min(read, total or read), self._bounded(total))
                    if shard.size >= SHARD_BYTES:
                        self._end_shard(shard, read)
                        shard = OpenShard(self.folder, len(self.state.shards))
                self._reader.require_read(last)
                self.state.is_complete = True
                self._end_shard(shard, read)
            finally:
                shard.discard()
                with contextlib.suppress(OSError):
                    self.folder.rmdir()  # where nothing came of it

    def _documents(self, shard: OpenShard) -> int:
        return self.state.documents + shard.documents

    def _bounded(self, total: int) -> int:
        return min(total, self.source.documents or total)

    def _failing_in_words(self, rows: Iterator[Row | BrokenRow]) -> Iterator[Row | BrokenRow]:
        read = self.state.rows
        try:
            for row in rows:
                yield row
                read += 1
        except RlmError:
            raise
        except Exception as error:
            raise library.interrupted(self.source, read, error) from error

    def _add(self, row: Row, shard: OpenShard) -> None:
        try:
            document = self._reader.read(row)
        except UnusableRowError as error:
            self._drop(error.reason, error.characters)
            return
        except UnusableRecordError as error:
            self._drop(f"records: {error.reason}", 0)
            return
        characters = _length(document)
        if not characters:
            self._drop(_EMPTY, 0)
            return
        if self._filters and (name := self._filters.dropped_by(_text(document), characters)) is not None:
            self._drop(name, characters)
            return
        line = line_of(document)
        if len(line) > MAX_RECORD_CHARACTERS:
            self._drop(_TOO_LONG, characters)
            return
        shard.add(document, line)

    def _drop(self, name: str, characters: int) -> None:
        one = self._dropped.setdefault(name, _Lost())
        one.documents += 1
        one.characters += characters

    def _end_shard(self, shard: OpenShard, rows: int) -> None:
        state = self.state
        state.rows = rows
        if shard.documents:
            state.shards.append(shard.end())
            for character, count in shard.character_counts().items():
                state.character_counts[character] = state.character_counts.get(character, 0) + count
        for name, dropped in self._dropped.items():
            known = state.dropped.setdefault(name, _Lost())
            known.documents += dropped.documents
            known.characters += dropped.characters
        for name, count in self._left_out.items():
            state.left_out[name] = state.left_out.get(name, 0) + count
        self._dropped = {}
        self._left_out.clear()
        replace_json(self.folder / _STATE, {"version": _VERSION, **asdict(state)}, "the source")


def _row_reader(source: MixSource, left_out: Counter[str]) -> RowReader:
    return RowReader(
        f"source '{source.name}'",
        source.columns,
        source.template,
        lambda row: read_record(row, left_out),
    )


def _text(document: str | tuple[Message, ...]) -> str:
    return document if isinstance(document, str) else "\n".join(one.content for one in document)


def _length(document: str | tuple[Message, ...]) -> int:
    return len(document) if isinstance(document, str) else sum(len(one.content) for one in document)


def _key(source: MixSource) -> str:
    """The name of its spool: equal for the same rows of the same files, read in the same way."""
    files = []
    place = source.path or source.dataset or ""
    if os.path.isabs(place):  # a data set of the hub has no files here
        for file in files_of(Path(place)):
            with contextlib.suppress(OSError):
                found = file.stat()
                files.append((str(file), found.st_size, found.st_mtime_ns))
    asked = {
        key: getattr(source, key)
        for key in ("path", "dataset", "config", "split", "columns", "template", "filter", "documents")
    }
    return hashlib.sha256(json.dumps([_VERSION, asked, files]).encode()).hexdigest()[:32]


def _state_in(folder: Path) -> _State:
    """What the folder holds. Where anything of it is damaged or missing, nothing."""
    try:
        found = json.loads(read_plain_file(folder / _STATE, _LARGEST_STATE))
        if found.pop("version") != _VERSION:
            return _State()
        shards = [Shard(**shard) for shard in found.pop("shards")]
        dropped = {name: _Lost(**one) for name, one in found.pop("dropped").items()}
        state = _State(shards=shards, dropped=dropped, **found)
        sizes = [(folder / shard.file).stat().st_size for shard in shards]
    except (OSError, UnreadableFileError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _State()
    return state if sizes == [shard.bytes for shard in shards] else _State()


def _spooled(source: MixSource, folder: Path, state: _State) -> Corpus:
    """The corpus in the folder. Raises CorpusError where it has no document."""
    if not state.documents:
        reasons = ", ".join(f"{one.documents:,} {name}" for name, one in state.dropped.items())
        raise CorpusError(
            f"Source '{source.name}' has no document{f': it has {reasons}' if reasons else ''}.",
            hint="Look at its columns, its template and its filter.",
        )
    kind: Kind = "messages" if any(shard.has_messages for shard in state.shards) else "documents"
    digests = [(shard.digest, shard.documents) for shard in state.shards]
    return Corpus(
        name=source.name,
        kind=kind,
        sources=tuple(source_of_shard(folder, shard) for shard in state.shards),
        content_hash=hashlib.sha256(json.dumps([kind, digests]).encode()).hexdigest(),
        characters=sum(shard.characters for shard in state.shards),
        documents=state.documents,
        bytes=sum(shard.text_bytes for shard in state.shards),
        character_counts=state.character_counts,
        notes=tuple(f"{count:,} {name} left out." for name, count in state.left_out.items()),
        dropped=tuple(
            Dropped(name, "document", one.documents, one.characters) for name, one in state.dropped.items()
        ),
    )


def _progress(source: MixSource, done: int, total: int) -> Progress:
    return Progress(f"reading {source.name}", done, total, "rows")
