"""The text that a run learned last, for comparison with what its model writes."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from data.errors import CorpusError
from data.prepare import PreparedData, open_prepared, prepare
from data.tokenizer import SPECIAL_TOKENS, Tokenizer
from models.runs.events import Event
from models.runs.load import LoadedModel
from models.runs.mix_search import open_mix
from models.runs.progress import with_progress_events
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.text_search import find_text

_READ = 2_000_000
"""Tokens of the training text that are read, from its beginning."""
_HELD_OUT = 200_000
"""The same of the held-out text."""


@dataclass(frozen=True, slots=True)
class RunTexts:
    """Both parts of a text."""

    learned: str
    held_out: str
    held_out_tokens: np.ndarray
    """(N,) all of them, as they are measured on."""


def texts_of(loaded: LoadedModel) -> Generator[Event, None, RunTexts]:
    """What the run of `loaded` learned last. Nothing in the run is changed.

    Raises CorpusError where the text is gone or has changed.
    """
    tokenizer = loaded.tokenizer
    data = yield from prepared_text(loaded.run, loaded.config, tokenizer)
    return RunTexts(
        learned=text_of(tokenizer, data.train[:_READ]),
        held_out=text_of(tokenizer, data.validation[:_HELD_OUT]),
        held_out_tokens=data.validation,
    )


def text_of(tokenizer: Tokenizer, tokens: np.ndarray) -> str:
    """The text of `tokens` (N,). A blank line stands between two documents or two turns."""
    controls = np.flatnonzero(np.asarray(tokens) < len(SPECIAL_TOKENS))
    passages = (tokenizer.decode(part).strip() for part in np.split(np.asarray(tokens), controls))
    return "\n\n".join(passage for passage in passages if passage)


def prepared_text(run: Run, config: RunConfig, tokenizer: Tokenizer) -> Generator[Event, None, PreparedData]:
    """The tokens of the text that the run learned last, from the cache or made again. Of a mix, the beginning
    of each source in its share.

    Raises RunError for a run that learned none, CorpusError where the text is gone or has changed, UsageError
    where it cannot be read, and StorageError.
    """
    config.require_learned_text(run.path)
    data = config.data
    assert data is not None  # a run that is trained has learned a text
    if data.mix is not None:
        mix, _ = yield from with_progress_events(open_mix(data.mix, tokenizer))
        return mix.excerpt(_READ, _HELD_OUT)
    if data.prepared is not None:
        try:
            return open_prepared(data.prepared)
        except CorpusError:
            pass  # the cache was emptied; the text itself is still there, or says that it is not
    corpus = yield from with_progress_events(find_text(run, data.paths, data.content_hash))
    return (yield from with_progress_events(prepare(corpus, tokenizer)))
