"""What was held out of a run's training, where it is still there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.corpus import Corpus
from data.errors import CorpusError, StorageError, UsageError
from data.problems.names import open_task
from data.progress import result_of
from data.puzzles import PuzzleSet
from data.tokenizer import Tokenizer
from models.analysis.run_texts import prepared_text
from models.evaluation.problems import problem_sets
from models.evaluation.puzzles import without_first
from models.recovery.held_out_text import held_out_text
from models.runs.puzzles import load_puzzles
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.text_search import find_text
from models.training.problems.task import FINAL_SEED
from models.training.puzzles.task import EVALUATED

_DECODED_TOKENS = 100_000
_PROBLEMS = 16
"""Of each difficulty."""


@dataclass(frozen=True, slots=True)
class HeldOutPart:
    """What was held out of the text that a run learned last."""

    corpus: Corpus | None
    """The text; None where it is gone or has changed."""
    tokens: np.ndarray | None
    """(N,), the tokens; None where the text is gone, and they are not in the cache either."""
    tokenizer: Tokenizer

    def stretches(self) -> Iterator[str]:
        """Stretches of the text. Where it is gone, what its tokens in the cache decode to."""
        if self.corpus is not None:
            yield from held_out_text(self.corpus)
        elif self.tokens is not None:
            yield self.tokenizer.decode(self.tokens[:_DECODED_TOKENS])


def open_held_out(run: Run, config: RunConfig, tokenizer: Tokenizer) -> HeldOutPart:
    """What was held out of the run's text. Tokens that are not in the cache are made again."""
    assert config.data is not None
    if config.answers_problems:
        return HeldOutPart(None, _problem_tokens(config, tokenizer), tokenizer)
    try:
        corpus = result_of(find_text(run, config.data.paths, config.data.content_hash))
    except (CorpusError, UsageError):
        corpus = None
    return HeldOutPart(corpus, _held_out_tokens(run, config, tokenizer), tokenizer)


def held_out_puzzles(run: Run, config: RunConfig) -> PuzzleSet:
    """The puzzles that the last evaluation was made on. Raises CorpusError, UsageError."""
    assert config.data is not None
    _, held_out = result_of(load_puzzles(run, config))
    return without_first(held_out, EVALUATED)


def _problem_tokens(config: RunConfig, tokenizer: Tokenizer) -> np.ndarray:
    """Held-out problems and their answers, one after another, (N,)."""
    assert config.data is not None
    sets = problem_sets(open_task(config.data.paths[0]), _PROBLEMS, FINAL_SEED)
    written = [one.given + one.answer for problems in sets.values() for one in problems]
    return np.concatenate([tokenizer.encode_document(text) for text in written])


def _held_out_tokens(run: Run, config: RunConfig, tokenizer: Tokenizer) -> np.ndarray | None:
    try:
        prepared = result_of(prepared_text(run, config, tokenizer))
    except (CorpusError, UsageError, StorageError):  # the text is gone, or there is no room in the cache
        return None
    if len(prepared.validation) < 2 or int(prepared.validation.max()) >= tokenizer.vocab_size:
        return None
    return prepared.validation
