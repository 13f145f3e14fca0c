"""What was held out of a run's training, where it is still there."""

from collections.abc import Iterator
from dataclasses import dataclass

from data.corpus import Corpus
from data.errors import CorpusError, StorageError, UsageError
from data.loss_marks import as_asked, unmarked
from data.mixes.spec import PARTS
from data.progress import result_of
from data.puzzles import PuzzleSet
from data.tokenizer import Tokenizer
from models.analysis.run_texts import prepared_text
from models.evaluation.parts import HeldOutPart
from models.evaluation.problems import problem_sets
from models.evaluation.puzzles import without_first
from models.recovery.held_out_text import held_out_text
from models.runs.compatibility import model_config_of
from models.runs.mix_search import open_mix
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
class HeldOut:
    """What was held out of the text or the mix that a run learned last."""

    corpus: Corpus | None
    """The text; None where it is gone or has changed."""
    parts: tuple[HeldOutPart, ...]
    """The tokens of the text or of each source, as its training asked for them; empty where the text is gone,
    and they are not in the cache either."""
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
        for part in () if self.corpus is not None else self.parts:
            yield self.tokenizer.decode(unmarked(part.tokens[:_DECODED_TOKENS]))


def open_held_out(run: Run, config: RunConfig, tokenizer: Tokenizer) -> HeldOut:
    """What was held out of the run's text or mix. Tokens that are not in the cache are made again."""
    assert config.data is not None
    if config.answers_problems:
        return HeldOut(None, (), tokenizer, _problems(run, config))
    try:
        corpus = result_of(find_text(run, config.data.paths, config.data.content_hash))
    except (CorpusError, UsageError):
        corpus = None
    return HeldOut(corpus, _held_out_parts(run, config, tokenizer), tokenizer)


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


def _held_out_parts(run: Run, config: RunConfig, tokenizer: Tokenizer) -> tuple[HeldOutPart, ...]:
    data, training = config.data, config.training_config()
    assert data is not None
    try:
        if data.mix is None:
            found = [(data.content_hash, result_of(prepared_text(run, config, tokenizer)), 1.0)]
        else:
            mix, sections = result_of(open_mix(data.mix, tokenizer))
            found = [
                (section.content_hash, source, section.parts / PARTS)
                for section, source in zip(sections.sources, mix.sources, strict=True)
            ]
    except (CorpusError, UsageError, StorageError):  # the text is gone, or there is no room in the cache
        return ()
    tokens = [one.validation for _, one, _ in found]
    if any(len(one) < 2 or int(one.max()) >= tokenizer.vocab_size for one in tokens):
        return ()
    return tuple(
        HeldOutPart(key, as_asked(one.validation, training.loss_on), share, training.within_documents)
        for key, one, share in found
    )
