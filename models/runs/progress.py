"""The data layer's work as events: how far it is, and what it assumed."""

import dataclasses
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TypeVar

from data.advance import Advance
from data.corpus import Corpus, scan_corpus
from models.runs.events import Event, NoticeGiven, PreparationAdvanced

Outcome = TypeVar("Outcome")


def advancing(work: Generator[Advance, None, Outcome]) -> Generator[Event, None, Outcome]:
    """`work` with its progress as events; the return value is passed on."""
    while True:
        try:
            advance = next(work)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        yield PreparationAdvanced(**dataclasses.asdict(advance))


def read_corpus(paths: Sequence[str | Path]) -> Generator[Event, None, Corpus]:
    """The text at `paths`, described. Raises UsageError, CorpusError."""
    corpus = yield from advancing(scan_corpus(paths))
    for note in corpus.notes:
        yield NoticeGiven(message=note)
    return corpus
