"""The data layer's progress as events: how far it has come, and what it assumed."""

import dataclasses
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TypeVar

from data.corpus import Corpus, scan_corpus
from data.progress import Progress, convert_yields
from models.runs.events import Event, NoticeGiven, PreparationAdvanced

Outcome = TypeVar("Outcome")


def with_progress_events(work: Generator[Progress, None, Outcome]) -> Generator[Event, None, Outcome]:
    """`work`, yielding an event for each progress it reports; it returns what `work` returns.

    Raises what `work` raises. Closing it closes `work`.
    """
    return convert_yields(work, _as_event)


def read_corpus(
    paths: Sequence[str | Path],
    encodings: Sequence[str] = (),
    filters: Sequence[str] = (),
    *,
    guess: bool = True,
) -> Generator[Event, None, Corpus]:
    """The description of the text at `paths`, read as `scan_corpus` does. What was assumed or lost is a
    warning. Raises UsageError, CorpusError."""
    corpus = yield from with_progress_events(scan_corpus(paths, encodings, filters, guess=guess))
    for note in corpus.notes:
        yield NoticeGiven(message=note, is_warning=True)
    return corpus


def _as_event(progress: Progress) -> Event:
    return PreparationAdvanced(**dataclasses.asdict(progress))
