"""Where a copy of a lost tokenizer may still be found, the nearest first."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.errors import RlmError, TokenizerError, UsageError
from data.problems.names import open_task
from data.problems.sampler import tokenizer_of
from data.tokenizer import Tokenizer, load_tokenizer_file
from models.recovery.retrain import retrained_tokenizers
from models.recovery.training_texts import TrainingTexts
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.run_names import run_names
from models.runs.tokenizer import copies_inside, expected_hash, original_hash

Source = Literal["weights", "checkpoint", "problems", "file", "run", "corpus"]


@dataclass(frozen=True, slots=True)
class TokenizerCopy:
    """A tokenizer that may be the lost one. `where` says where it is, in words."""

    source: Source
    where: str
    tokenizer: Tokenizer


def find_copies(
    run: Run, config: RunConfig, texts: TrainingTexts, vocab_size: int
) -> Iterator[TokenizerCopy]:
    """Every tokenizer that may have been the run's, the nearest first, none twice. Those that are not
    trained again may have another size than `vocab_size`."""
    seen: set[str] = set()
    for copies in (
        copies_in_weights(run),
        _of_problems(config),
        _beside_it(run, config),
        _in_related_runs(run, config, vocab_size),
        _from_texts(texts, config, vocab_size),
    ):
        for copy in copies:
            if copy.tokenizer.hash not in seen:
                seen.add(copy.tokenizer.hash)
                yield copy


def copies_in_weights(run: Run) -> Iterator[TokenizerCopy]:
    """Those inside the run's own weights: model.safetensors, then the checkpoints, newest first."""
    for path, tokenizer in copies_inside(run):
        if path == run.weights_path:
            yield TokenizerCopy("weights", path.name, tokenizer)
        else:
            yield TokenizerCopy("checkpoint", f"checkpoint {path.parent.name}", tokenizer)


def _of_problems(config: RunConfig) -> Iterator[TokenizerCopy]:
    """The one that the problems of a run have, whoever makes it."""
    if config.data is not None and config.answers_problems:
        for name in config.data.paths[:1]:
            with contextlib.suppress(UsageError):
                tokenizer = tokenizer_of(open_task(name))
                yield TokenizerCopy("problems", f"the problems of {name}", tokenizer)


def _beside_it(run: Run, config: RunConfig) -> Iterator[TokenizerCopy]:
    """tokenizer.json itself and its backups, where one has a recorded hash."""
    names = [run.tokenizer_path, *sorted(run.path.glob(f"{run.tokenizer_path.name}.*"))]
    for path in names:
        with contextlib.suppress(TokenizerError):
            found = load_tokenizer_file(path)
            if found.hash in (expected_hash(config), original_hash(config)):
                yield TokenizerCopy("file", path.name, found)


def _in_related_runs(run: Run, config: RunConfig, vocab_size: int) -> Iterator[TokenizerCopy]:
    """Those of the runs it grew from, of those that grew from it, and of neighbours with the same hash.

    A grown vocabulary still begins with the old one, so a larger tokenizer is shortened as well.
    """
    for copy in _whole_copies_in_related_runs(run, config):
        yield copy
        if copy.tokenizer.vocab_size > vocab_size:
            with contextlib.suppress(TokenizerError):
                shortened = copy.tokenizer.shorten_to(vocab_size)
                yield TokenizerCopy("run", f"{copy.where}, shortened", shortened)


def _whole_copies_in_related_runs(run: Run, config: RunConfig) -> Iterator[TokenizerCopy]:
    expected = expected_hash(config)
    ancestors = {path.resolve() for path in _lineage(run, config)}
    neighbours = [run.path.parent / name for name in run_names(run.path.parent)]
    for path in [*ancestors, *(path for path in neighbours if path.resolve() not in ancestors)]:
        if path.resolve() == run.path:
            continue
        try:
            other = Run.open(path, path.parent)
            other_config = other.config()
        except RlmError:
            continue
        descends = run.path in {ancestor.resolve() for ancestor in _lineage(other, other_config)}
        same = expected is not None and expected_hash(other_config) == expected
        if not (same or descends or path.resolve() in ancestors):
            continue
        with contextlib.suppress(TokenizerError):
            tokenizer = load_tokenizer_file(other.tokenizer_path)
            yield TokenizerCopy("run", f"run '{other.name}'", tokenizer)
        for copy in copies_in_weights(other):
            yield TokenizerCopy("run", f"{copy.where} of run '{other.name}'", copy.tokenizer)


def _lineage(run: Run, config: RunConfig) -> Iterator[Path]:
    """The folders of the runs that a run grew from, and those of their names beside it, where a project
    was moved."""
    for entry in config.lineage:
        if isinstance(path := entry.get("path"), str) and path:
            yield Path(path)
            yield run.path.parent / Path(path).name


def _from_texts(texts: TrainingTexts, config: RunConfig, vocab_size: int) -> Iterator[TokenizerCopy]:
    for first, tokenizer in retrained_tokenizers(texts, config, vocab_size):
        yield TokenizerCopy("corpus", f"the text '{first.name}'", tokenizer)
