"""What a run keeps of the texts it has learned: a sample of each to learn from again, and the
held-out part to see what it still knows. Both are tokens, because ids never move."""

import contextlib
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.corpus import scan_corpus
from data.errors import CorpusError, RlmError
from data.prepare import PreparedData, open_prepared, prepare
from data.replay import (
    REPLAY_BYTES,
    ReplaySample,
    draw_sample,
    load_sample,
    save_sample,
    bytes_per_sample,
    thin_sample,
)
from data.tokenizer import Tokenizer
from models.runs.datasets import Dataset
from models.runs.events import Event, NoticeGiven
from models.runs.run import Run
from models.runs.progress import with_progress_events


def replay_folder(run: Run) -> Path:
    """Where a run keeps its samples."""
    return run.path / "replay"


def remember(
    run: Run,
    config: Mapping[str, Any],
    datasets: Sequence[Dataset],
    data: PreparedData,
    tokenizer: Tokenizer,
) -> Generator[Event, None, tuple[list[ReplaySample], ReplaySample]]:
    """The sample of every earlier corpus, in the order they were learned, and that of the current
    one, which is kept for the day another follows.

    All of them share one budget. A lost or damaged one is drawn again from its text where that
    is still there, and else left out, with a sentence. The caller holds the run's lock. Raises
    RlmError where the disk is full.
    """
    current = config["data"]["content_hash"]
    earlier = [entry for entry in datasets if entry.get("content_hash") not in (None, current)]
    most = bytes_per_sample(REPLAY_BYTES, len(earlier) + 1)
    samples = []
    for entry in earlier:
        sample = yield from _sample(run, entry, tokenizer, most)
        if sample is not None:
            samples.append(sample)
    try:
        own = load_sample(replay_folder(run), current)
    except CorpusError:
        own = draw_sample(current, data.train, data.validation, data.validation_bytes, REPLAY_BYTES)
        own = thin_sample(own, most)
        save_sample(replay_folder(run), own)
    return samples, _keep_within(run, own, most)


def known_samples(
    run: Run, datasets: Sequence[Dataset], tokenizer: Tokenizer
) -> Generator[Event, None, list[ReplaySample]]:
    """The sample of every corpus the run knows, the one it is at included, in the order learned.

    As `remember` otherwise.
    """
    samples, most = [], bytes_per_sample(REPLAY_BYTES, len(datasets))
    for entry in datasets:
        if "content_hash" in entry:
            sample = yield from _sample(run, entry, tokenizer, most)
            if sample is not None:
                samples.append(sample)
    return samples


def _sample(
    run: Run, entry: Dataset, tokenizer: Tokenizer, most: int
) -> Generator[Event, None, ReplaySample | None]:
    content_hash, name = str(entry["content_hash"]), str(entry.get("name"))
    try:
        return _keep_within(run, load_sample(replay_folder(run), content_hash), most)
    except CorpusError as error:
        problem = error.message
    drawn = yield from _drawn_again(entry, tokenizer, most)
    if drawn is None:
        yield NoticeGiven(message=f"{problem} Its text is gone too: '{name}' cannot be replayed or measured.")
        return None
    save_sample(replay_folder(run), drawn)
    return drawn


def _keep_within(run: Run, sample: ReplaySample, most: int) -> ReplaySample:
    """`sample`, thinned and kept anew where it is more than its share of the budget."""
    fitting = thin_sample(sample, most)
    if len(fitting.train) == len(sample.train):
        return sample
    save_sample(replay_folder(run), fitting)
    return fitting


def _drawn_again(
    entry: Dataset, tokenizer: Tokenizer, most: int
) -> Generator[Event, None, ReplaySample | None]:
    """The sample of a text whose tokens are in the cache, or which is still what it was; else None."""
    with contextlib.suppress(CorpusError, KeyError):
        kept = open_prepared(entry["prepared"])
        return draw_sample(entry["content_hash"], kept.train, kept.validation, kept.validation_bytes, most)
    paths = entry.get("paths")
    if not isinstance(paths, list) or not paths:
        return None
    try:
        corpus = yield from with_progress_events(scan_corpus(paths))
        if corpus.content_hash != entry["content_hash"]:
            return None
        data = yield from with_progress_events(prepare(corpus, tokenizer))
    except RlmError:
        return None
    return draw_sample(corpus.content_hash, data.train, data.validation, data.validation_bytes, most)
