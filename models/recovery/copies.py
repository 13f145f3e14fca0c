"""Where a tokenizer that was lost may still be found, the nearest first."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data.errors import RlmError, TokenizerError
from data.tokenizer import Tokenizer, load_tokenizer_file
from models.recovery.known_text import KnownText
from models.recovery.relearn import relearned
from models.runs.run import Run, run_names
from models.runs.tokenizer import copies_inside, expected_hash, original_hash

Source = Literal["weights", "checkpoint", "file", "run", "corpus"]


@dataclass(frozen=True, slots=True)
class Copy:
    """A tokenizer that may be the lost one. `where` is words for the user."""

    source: Source
    where: str
    tokenizer: Tokenizer


def copies(run: Run, config: Mapping[str, Any], known: KnownText, vocab_size: int) -> Iterator[Copy]:
    """Every tokenizer that may have been the run's, the nearest first, none twice. Those that are not
    learned again may have another size than `vocab_size`."""
    seen: set[str] = set()
    for found in (
        own_copies(run),
        _set_aside(run, config),
        _of_relatives(run, config, vocab_size),
        _from_corpora(known, config, vocab_size),
    ):
        for copy in found:
            if copy.tokenizer.hash not in seen:
                seen.add(copy.tokenizer.hash)
                yield copy


def own_copies(run: Run) -> Iterator[Copy]:
    """Those that travel in the run's own weights: the kept ones, then the checkpoints, newest first."""
    for path, tokenizer in copies_inside(run):
        if path == run.weights_path:
            yield Copy("weights", path.name, tokenizer)
        else:
            yield Copy("checkpoint", f"checkpoint {path.parent.name}", tokenizer)


def _set_aside(run: Run, config: Mapping[str, Any]) -> Iterator[Copy]:
    """tokenizer.json itself and the old ones that are kept beside it, where a recorded hash proves one."""
    names = [run.tokenizer_path, *sorted(run.path.glob(f"{run.tokenizer_path.name}.*"))]
    for path in names:
        with contextlib.suppress(TokenizerError):
            found = load_tokenizer_file(path)
            if found.hash in (expected_hash(config), original_hash(config)):
                yield Copy("file", path.name, found)


def _of_relatives(run: Run, config: Mapping[str, Any], vocab_size: int) -> Iterator[Copy]:
    """Those of runs this one grew from or that grew from it, and of neighbours trained with the same.

    A vocabulary that grew still begins with what it was, so one that is larger stands for its beginning.
    """
    for copy in _whole_ones_of_relatives(run, config):
        yield copy
        if copy.tokenizer.vocab_size > vocab_size:
            with contextlib.suppress(TokenizerError):
                yield Copy("run", f"{copy.where}, shortened", copy.tokenizer.shorten_to(vocab_size))


def _whole_ones_of_relatives(run: Run, config: Mapping[str, Any]) -> Iterator[Copy]:
    expected = expected_hash(config)
    ancestors = {path.resolve() for path in _lineage(config)}
    neighbours = [run.path.parent / name for name in run_names(run.path.parent)]
    for path in [*ancestors, *(path for path in neighbours if path.resolve() not in ancestors)]:
        if path.resolve() == run.path:
            continue
        try:
            other = Run.open(path, path.parent)
            said = other.read_config()
        except RlmError:
            continue
        descends = run.path in {ancestor.resolve() for ancestor in _lineage(said)}
        same = expected is not None and expected_hash(said) == expected
        if not (same or descends or path.resolve() in ancestors):
            continue
        with contextlib.suppress(TokenizerError):
            yield Copy("run", f"run '{other.name}'", load_tokenizer_file(other.tokenizer_path))
        for copy in own_copies(other):
            yield Copy("run", f"{copy.where} of run '{other.name}'", copy.tokenizer)


def _lineage(config: Mapping[str, Any]) -> Iterator[Path]:
    """The folders of the runs that a run grew from."""
    entries = config.get("lineage")
    for entry in entries if isinstance(entries, list) else ():
        path = entry.get("path") if isinstance(entry, dict) else None
        if isinstance(path, str) and path:
            yield Path(path)


def _from_corpora(known: KnownText, config: Mapping[str, Any], vocab_size: int) -> Iterator[Copy]:
    for first, tokenizer in relearned(known, config, vocab_size):
        yield Copy("corpus", f"the text '{first.name}'", tokenizer)
