"""The tokens of a run's mix: from the cache, or made again from its sources where these are as they were."""

from collections.abc import Generator
from dataclasses import fields, replace
from pathlib import Path

from data.errors import CorpusError, UsageError
from data.mixes.mixed_corpus import scan_source
from data.mixes.prepared import PreparedMix, open_prepared_mix
from data.mixes.spec import MixSource
from data.prepare import PreparedData, prepare
from data.progress import Progress
from data.tokenizer import Tokenizer
from models.runs.run_config import MixSection, MixSourceSection


def open_mix(
    mix: MixSection, tokenizer: Tokenizer
) -> Generator[Progress, None, tuple[PreparedMix, MixSection]]:
    """The tokens of a mix, and the mix with the names that they have in the cache.

    Raises CorpusError where they are not in the cache, and a source is gone, has changed or cannot be read.
    """
    try:
        return open_prepared_mix([one.prepared for one in mix.sources], mix.parts), mix
    except CorpusError:
        pass
    found = []
    for one in mix.sources:
        found.append((yield from open_source(one, tokenizer)))
    sources = tuple(
        replace(one, prepared=data.path.name) for one, data in zip(mix.sources, found, strict=True)
    )
    return PreparedMix(tuple(found), mix.parts), replace(mix, sources=sources)


def open_source(section: MixSourceSection, tokenizer: Tokenizer) -> Generator[Progress, None, PreparedData]:
    """The tokens of a source, read again. Raises CorpusError where it is gone, has changed or cannot be
    read."""
    if section.path is None and section.dataset is None:
        raise CorpusError(
            f"It is not known where source '{section.name}' is: its run was imported.",
            hint="Train a new run on the mix.",
        )
    if section.path is not None and not Path(section.path).exists():
        raise CorpusError(
            f"There is no file or folder '{section.path}', of source '{section.name}'.",
            hint="Put it back, or say where it is in the mix file: {train mix=FILE continue_run=RUN}",
        )
    try:
        part = yield from scan_source(source_of(section), section.parts)
    except UsageError as error:
        raise CorpusError(error.message, hint=error.hint) from error
    if part.corpus.content_hash != section.content_hash:
        raise CorpusError(
            f"Source '{section.name}' at '{part.source.place}' is no longer what this run was trained on.",
            hint="Put it back as it was. To learn it as it is now, train a new run.",
        )
    return (yield from prepare(part.corpus, tokenizer))


def source_of(section: MixSourceSection) -> MixSource:
    """How a source of a run's mix is read."""
    return MixSource(**{one.name: getattr(section, one.name) for one in fields(MixSource)})
