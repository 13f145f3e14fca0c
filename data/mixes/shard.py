"""The shards of a spool: files of records in plain JSONL, whole or not there."""

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from data.document import Message
from data.scan import Source
from data.storage import TEMPORARY_PREFIX, move_into_place, remove_entry
from data.text_reader import Encoding
from data.text_statistics import TextStatistics


@dataclass(slots=True)
class Shard:
    """A file that is whole, and what is in it."""

    file: str
    bytes: int
    """Of the file."""
    text_bytes: int
    characters: int
    documents: int
    digest: str
    has_messages: bool


class OpenShard:
    """A shard that is being written, under a name that shows it."""

    def __init__(self, folder: Path, number: int) -> None:
        self.size = self.documents = 0
        self._path = folder / f"{number:05}.jsonl"
        self._temporary = folder / f"{TEMPORARY_PREFIX}{self._path.name}"
        self._file: TextIO = self._temporary.open("w", encoding="utf-8", newline="\n")
        self._statistics = TextStatistics()
        self._has_messages = False

    def add(self, document: str | tuple[Message, ...], line: str) -> None:
        """Write a document; `line` is that of `line_of`."""
        self._file.write(line)
        self._file.write("\n")
        self.size += len(line) + 1
        self.documents += 1
        if isinstance(document, str):
            self._statistics.add(document, f"text:{len(document)}:")
            return
        self._has_messages = True
        self._statistics.add("", f"messages:{len(document)}:")
        for message in document:
            self._statistics.add(message.content, f"{message.role}:{len(message.content)}:")

    def end(self) -> Shard:
        """Sync the file, and give it its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        move_into_place(self._temporary, self._path)
        return Shard(
            file=self._path.name,
            bytes=self._path.stat().st_size,
            text_bytes=self._statistics.bytes,
            characters=self._statistics.characters,
            documents=self.documents,
            digest=self._statistics.digest,
            has_messages=self._has_messages,
        )

    def character_counts(self) -> dict[str, int]:
        """How often each character came."""
        counts = self._statistics.character_counts()
        return {chr(code): int(counts[code]) for code in np.flatnonzero(counts)}

    def discard(self) -> None:
        """Close the file. One that has not got its name is removed."""
        self._file.close()
        with contextlib.suppress(OSError):
            remove_entry(self._temporary)


def source_of_shard(folder: Path, shard: Shard) -> Source:
    """The shard in `folder` as a file of a corpus, all of it to learn from."""
    return Source(
        path=folder / shard.file,
        format="jsonl",
        encoding=Encoding("utf-8"),
        bytes=shard.bytes,
        characters=shard.characters,
        documents=shard.documents,
        train_units=shard.documents,
    )


def line_of(document: str | tuple[Message, ...]) -> str:
    """The record of a document, as a line of JSONL without its end."""
    record: dict[str, Any] = {"text": document}
    if not isinstance(document, str):
        record = {"messages": [{"role": one.role, "content": one.content} for one in document]}
    return json.dumps(record, ensure_ascii=False)
