"""What a run keeps of the texts it has learned: a sample of each to train on again, and the held-out
part, to measure what it still knows. Both are tokens, because ids never change."""

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path

from data.errors import CorpusError, UsageError
from data.prepare import PreparedData, open_prepared, prepare
from data.replay import (
    REPLAY_BYTES,
    ReplaySample,
    bytes_per_sample,
    draw_sample,
    load_sample,
    save_sample,
    thin_sample,
)
from data.tokenizer import Tokenizer
from models.runs.datasets import Dataset
from models.runs.events import Event, NoticeGiven
from models.runs.lock import require_in_place
from models.runs.progress import with_progress_events
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.text_search import find_text


def replay_folder(run: Run) -> Path:
    """Where a run keeps its samples."""
    return run.path / "replay"


def open_samples(
    run: Run,
    config: RunConfig,
    datasets: Sequence[Dataset],
    data: PreparedData,
    tokenizer: Tokenizer,
) -> Generator[Event, None, tuple[list[ReplaySample], ReplaySample]]:
    """The sample of every earlier text, in the order they were learned, and that of the current one, which
    is drawn now for later.

    All of them share one budget. A lost or damaged one is drawn again from its text if that is still
    there, and is otherwise left out, with a notice. The caller holds the run's lock. Raises StorageError
    where the tokens of a text that is still there cannot be stored.
    """
    current = config.content_hash
    earlier = [entry for entry in datasets if entry.content_hash not in (None, current)]
    most = bytes_per_sample(REPLAY_BYTES, len(earlier) + 1)
    samples = []
    for entry in earlier:
        sample, is_stored = yield from _sample(run, entry, tokenizer, most)
        if sample is not None:
            samples.append(sample)
            if not is_stored:
                save_replay_sample(run, sample)
    try:
        own = load_sample(replay_folder(run), current)
    except CorpusError:
        own = draw_sample(current, data.train, data.validation, data.validation_bytes, REPLAY_BYTES)
        own = thin_sample(own, most)
        save_replay_sample(run, own)
    return samples, _keep_within(run, own, most)


def known_samples(
    run: Run, datasets: Sequence[Dataset], tokenizer: Tokenizer
) -> Generator[Event, None, tuple[list[ReplaySample], list[ReplaySample]]]:
    """The sample of every corpus the run knows, the one it is at included, in the order learned; and those
    of them that are not stored as they are here. Nothing is written.

    Otherwise as `open_samples`.
    """
    samples, changed, most = [], [], bytes_per_sample(REPLAY_BYTES, len(datasets))
    for entry in datasets:
        if entry.content_hash is not None:
            sample, is_stored = yield from _sample(run, entry, tokenizer, most)
            if sample is not None:
                samples.append(sample)
                if not is_stored:
                    changed.append(sample)
    return samples, changed


def _sample(
    run: Run, entry: Dataset, tokenizer: Tokenizer, most: int
) -> Generator[Event, None, tuple[ReplaySample | None, bool]]:
    """The sample of a text in at most `most` bytes, None where it is lost; and whether it is stored so."""
    try:
        stored = load_sample(replay_folder(run), str(entry.content_hash))
    except CorpusError as error:
        problem = error.message
    else:
        fitting = thin_sample(stored, most)
        return (stored, True) if len(fitting.train) == len(stored.train) else (fitting, False)
    try:
        return (yield from _drawn_again(run, entry, tokenizer, most)), False
    except (CorpusError, UsageError) as error:
        yield NoticeGiven(
            message=f"{problem} {error.message} So '{entry.name}' cannot be replayed or measured."
        )
    return None, False


def _keep_within(run: Run, sample: ReplaySample, most: int) -> ReplaySample:
    """`sample`, thinned and kept anew where it is more than its share of the budget."""
    fitting = thin_sample(sample, most)
    if len(fitting.train) == len(sample.train):
        return sample
    save_replay_sample(run, fitting)
    return fitting


def save_replay_sample(run: Run, sample: ReplaySample) -> None:
    """Keep a sample in a run whose lock this process holds. Raises StorageError, RunError where it moved."""
    require_in_place(run.path)
    save_sample(replay_folder(run), sample)


def _drawn_again(
    run: Run, entry: Dataset, tokenizer: Tokenizer, most: int
) -> Generator[Event, None, ReplaySample]:
    """The sample of a text whose tokens are in the cache, or which is still what it was.

    Raises CorpusError or UsageError where the text is gone, has changed or cannot be read; StorageError.
    """
    if entry.prepared is not None:
        with contextlib.suppress(CorpusError):
            kept = open_prepared(entry.prepared)
            content_hash = str(entry.content_hash)
            return draw_sample(content_hash, kept.train, kept.validation, kept.validation_bytes, most)
    corpus = yield from with_progress_events(find_text(run, entry.paths, str(entry.content_hash)))
    data = yield from with_progress_events(prepare(corpus, tokenizer))
    return draw_sample(corpus.content_hash, data.train, data.validation, data.validation_bytes, most)
