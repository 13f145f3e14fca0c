"""What a run keeps of the texts it has learned: a sample of each to train on again, and the held-out
part, to measure what it still knows. Both are tokens, because ids never change."""

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
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
from models.runs.mix_search import open_source
from models.runs.progress import with_progress_events
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.text_search import find_text
from models.runs.text_shares import text_shares


def replay_folder(run: Run) -> Path:
    """Where a run keeps its samples."""
    return run.path / "replay"


def open_samples(
    run: Run,
    config: RunConfig,
    datasets: Sequence[Dataset],
    current: Mapping[str, PreparedData],
    tokenizer: Tokenizer,
) -> Generator[Event, None, tuple[list[ReplaySample], list[ReplaySample]]]:
    """The sample of every earlier text, in the order they were learned, and those of the text or the sources
    that are learned now, which are drawn now for later. `current` has the data of these by content hash.

    All of them share one budget, of which a mix has as much as a text. A lost or damaged one is drawn again
    from its text if that is still there, and is otherwise left out, with a notice. The caller holds the run's
    lock. Raises StorageError where the tokens of a text that is still there cannot be stored.
    """
    rooms = _rooms(datasets)
    samples = []
    for entry in datasets:
        if entry.content_hash is None or entry.content_hash in current:
            continue
        sample, is_stored = yield from _sample(run, entry, config, tokenizer, rooms[entry.content_hash])
        if sample is not None:
            samples.append(sample)
            if not is_stored:
                save_replay_sample(run, sample)
    return samples, [_own_sample(run, key, data, rooms[key]) for key, data in current.items()]


def _own_sample(run: Run, content_hash: str, data: PreparedData, room: "_Room") -> ReplaySample:
    """The sample of what is learned now, drawn where there is none."""
    try:
        own = load_sample(replay_folder(run), content_hash)
    except CorpusError:
        own = draw_sample(
            content_hash, data.train, data.validation, data.validation_bytes, REPLAY_BYTES, room.share
        )
        own = thin_sample(own, room.most_bytes)
        save_replay_sample(run, own)
    return _keep_within(run, own, room.most_bytes)


def known_samples(
    run: Run, config: RunConfig, datasets: Sequence[Dataset], tokenizer: Tokenizer
) -> Generator[Event, None, tuple[list[ReplaySample], list[ReplaySample]]]:
    """The sample of every corpus the run knows, the one it is at included, in the order learned; and those
    of them that are not stored as they are here. Nothing is written.

    Otherwise as `open_samples`.
    """
    samples, changed, rooms = [], [], _rooms(datasets)
    for entry in datasets:
        if entry.content_hash is not None:
            sample, is_stored = yield from _sample(run, entry, config, tokenizer, rooms[entry.content_hash])
            if sample is not None:
                samples.append(sample)
                if not is_stored:
                    changed.append(sample)
    return samples, changed


def replayable(
    samples: Sequence[ReplaySample], datasets: Sequence[Dataset], context_length: int
) -> list[ReplaySample]:
    """Those that are replayed: of texts that fill a context, and of all sources of mixes that are among the
    `datasets`, where a short one is repeated."""
    sources = {one.content_hash for one in datasets if one.asked_share is not None}
    return [one for one in samples if len(one.train) > (0 if one.content_hash in sources else context_length)]


@dataclass(frozen=True, slots=True)
class _Room:
    """How large a sample may be, and the share of the source in its mix; 1 for a text."""

    most_bytes: int
    share: Fraction


def _rooms(datasets: Sequence[Dataset]) -> dict[str, _Room]:
    """By content hash."""
    shares = text_shares(datasets)
    texts = round(sum(shares.values()))
    return {key: _Room(bytes_per_sample(REPLAY_BYTES, texts, share), share) for key, share in shares.items()}


def _sample(
    run: Run, entry: Dataset, config: RunConfig, tokenizer: Tokenizer, room: _Room
) -> Generator[Event, None, tuple[ReplaySample | None, bool]]:
    """The sample of a text or a source, None where it is lost; and whether it is stored so."""
    try:
        stored = load_sample(replay_folder(run), str(entry.content_hash))
    except CorpusError as error:
        problem = error.message
    else:
        fitting = thin_sample(stored, room.most_bytes)
        return (stored, True) if len(fitting.train) == len(stored.train) else (fitting, False)
    try:
        data = yield from _tokens_of(run, entry, config, tokenizer)
    except (CorpusError, UsageError) as error:
        yield NoticeGiven(
            message=f"{problem} {error.message} So '{entry.name}' cannot be replayed or measured."
        )
        return None, False
    return draw_sample(
        str(entry.content_hash),
        data.train,
        data.validation,
        data.validation_bytes,
        room.most_bytes,
        room.share,
    ), False


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


def _tokens_of(
    run: Run, entry: Dataset, config: RunConfig, tokenizer: Tokenizer
) -> Generator[Event, None, PreparedData]:
    """The tokens of a text or a source that are in the cache, or of one that is still what it was. How a
    source is read is known while the run learns its mix.

    Raises CorpusError or UsageError where the text is gone, has changed or cannot be read; StorageError.
    """
    if entry.prepared is not None:
        with contextlib.suppress(CorpusError):
            return open_prepared(entry.prepared)
    for source in config.mix.sources if config.mix is not None else ():
        if source.content_hash == entry.content_hash:
            return (yield from with_progress_events(open_source(source, tokenizer)))
    corpus = yield from with_progress_events(find_text(run, entry.paths, str(entry.content_hash)))
    return (yield from with_progress_events(prepare(corpus, tokenizer)))
