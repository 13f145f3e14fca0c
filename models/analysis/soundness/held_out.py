"""What was held out of a run's training, where it is still there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.corpus import Corpus
from data.errors import CorpusError, StorageError, UsageError
from data.progress import result_of
from data.puzzles import PuzzleSet
from data.tokenizer import Tokenizer
from models.analysis.run_texts import prepared_text
from models.evaluation.problems import problem_sets
from models.evaluation.puzzles import without_first
from models.recovery.held_out_text import held_out_text
from models.runs.compatibility import model_config_of
from models.runs.problems import load_problems
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
    problems: tuple[str, ...] = ()
    """Of a run of problems: some that are held out, with their answers."""

    @property
    def source(self) -> str:
        """What to say of where it comes from; nothing for the usual place."""
        return "" if self.corpus is not None or self.problems else ", from the cache"

    def stretches(self) -> Iterator[str]:
        """Stretches of the text. Where it is gone, what its tokens in the cache decode to."""
        yield from self.problems
        if self.corpus is not None:
            yield from held_out_text(self.corpus)
        elif self.tokens is not None:
            yield self.tokenizer.decode(self.tokens[:_DECODED_TOKENS])


def open_held_out(run: Run, config: RunConfig, tokenizer: Tokenizer) -> HeldOutPart:
    """What was held out of the run's text. Tokens that are not in the cache are made again."""
    assert config.data is not None
    if config.answers_problems:
        return HeldOutPart(None, None, tokenizer, _problems(run, config))
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


def _problems(run: Run, config: RunConfig) -> tuple[str, ...]:
    """Held-out problems and their answers; nothing where they are not known."""
    try:
        task = load_problems(run, config, model_config_of(run, config).context_length)
    except CorpusError:
        return ()
    sets = problem_sets(task, _PROBLEMS, FINAL_SEED)
    return tuple(one.given + one.answer for problems in sets.values() for one in problems)


def _held_out_tokens(run: Run, config: RunConfig, tokenizer: Tokenizer) -> np.ndarray | None:
    try:
        prepared = result_of(prepared_text(run, config, tokenizer))
    except (CorpusError, UsageError, StorageError):  # the text is gone, or there is no room in the cache
        return None
    if len(prepared.validation) < 2 or int(prepared.validation.max()) >= tokenizer.vocab_size:
        return None
    return prepared.validation
