"""The tokens of a text or a mix that is to be learned, as planning needs them."""

from collections.abc import Generator

import numpy as np

from data.corpus import Corpus
from data.loss_marks import with_answers
from data.mixes.mixed_corpus import MixedCorpus
from data.mixes.prepared import PreparedMix, prepare_mix
from data.mixes.spec import PARTS
from data.prepare import PreparedData, prepare
from data.tokenizer import Tokenizer
from models.runs.events import Event
from models.runs.progress import with_progress_events


def prepare_text(corpus: Corpus, tokenizer: Tokenizer) -> Generator[Event, None, PreparedData | PreparedMix]:
    """Cut a text, or the sources of a mix, into tokens. Raises as `prepare` and `prepare_mix` do."""
    if isinstance(corpus, MixedCorpus):
        return (yield from with_progress_events(prepare_mix(corpus, tokenizer)))
    return (yield from with_progress_events(prepare(corpus, tokenizer)))


def require_answers(corpus: Corpus, data: PreparedData | PreparedMix) -> None:
    """Raise CorpusError where the assistant says nothing in a text, or in a source of a mix."""
    names = ["the text"]
    if isinstance(corpus, MixedCorpus):
        names = [f"source '{part.source.name}'" for part in corpus.mix]
    sources = data.sources if isinstance(data, PreparedMix) else (data,)
    for name, one in zip(names, sources, strict=True):
        with_answers(one.train, one.validation, name)


def held_out_in_shares(data: PreparedData | PreparedMix) -> list[tuple[np.ndarray, float]]:
    """What is held out of a text, or of each source of a mix: its tokens (N,), and its share."""
    if not isinstance(data, PreparedMix):
        return [(data.validation, 1.0)]
    return [(one.validation, parts / PARTS) for one, parts in zip(data.sources, data.parts, strict=True)]
