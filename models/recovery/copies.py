"""Where a tokenizer that was lost may still be found, the nearest first."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data.bpe_growth import grown_bpe
from data.bpe_tokenizer import BpeTokenizer, train_bpe_tokenizer
from data.character_tokenizer import CharacterTokenizer, train_character_tokenizer
from data.corpus import Corpus
from data.errors import RlmError, TokenizerError
from data.tokenizer import Tokenizer, load_tokenizer, tokenizer_from_json
from models.checkpoint_folder import MODEL_FILE, complete_checkpoints
from models.datasets import Dataset, vocabulary_growths
from models.errors import CheckpointError
from models.recovery.known_text import KnownText
from models.run import Run, run_names
from models.run_tokenizer import copy_inside, expected_hash

Source = Literal["weights", "checkpoint", "run", "corpus"]


@dataclass(frozen=True, slots=True)
class Copy:
    """A tokenizer that may be the lost one. `where` is words for the user."""

    source: Source
    where: str
    tokenizer: Tokenizer


def copies(run: Run, config: Mapping[str, Any], known: KnownText, vocab_size: int) -> Iterator[Copy]:
    """Every tokenizer of `vocab_size` that may have been the run's, the nearest first, none twice."""
    seen: set[str] = set()
    for found in (
        own_copies(run),
        _of_relatives(run, config),
        _from_corpora(known, config, vocab_size),
    ):
        for copy in found:
            if copy.tokenizer.vocab_size == vocab_size and copy.tokenizer.hash not in seen:
                seen.add(copy.tokenizer.hash)
                yield copy


def own_copies(run: Run) -> Iterator[Copy]:
    """Those that travel in the run's own weights: the kept ones, then the checkpoints, newest first."""
    kept = _inside(run.weights_path)
    if kept is not None:
        yield Copy("weights", run.weights_path.name, kept)
    try:
        checkpoints = complete_checkpoints(run.checkpoints_path)
    except CheckpointError:
        checkpoints = []
    for checkpoint in checkpoints:
        held = _inside(checkpoint.path / MODEL_FILE)
        if held is not None:
            yield Copy("checkpoint", f"checkpoint {checkpoint.name}", held)


def _of_relatives(run: Run, config: Mapping[str, Any]) -> Iterator[Copy]:
    """Those of runs this one grew from or that grew from it, and of neighbours trained with the same."""
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
            yield Copy("run", f"run '{other.name}'", load_tokenizer(other.tokenizer_path))
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
    """Learned again from the texts, as it was learned then; nothing where one of them is gone."""
    texts = [_Text(*text) for text in zip(known.datasets, known.corpora, strict=True)]
    grew = sorted((text for text in texts if text.growths), key=lambda text: text.growths[0])
    firsts = [text for text in texts if not text.growths] or texts[:1]
    for first in firsts:
        if first.corpus is None or any(text.corpus is None for text in grew):
            continue
        tokenizer: Tokenizer
        try:
            if config.get("data", {}).get("tokenizer") == "bpe":
                size = grew[0].growths[0][0] if grew else vocab_size
                tokenizer = _byte_pairs(first.corpus, size, grew)
            else:
                later = [text for text in (*firsts, *grew) if text is not first]
                tokenizer = _characters(first.corpus, [text.corpus for text in later])
        except RlmError:
            continue
        yield Copy("corpus", f"the text '{first.corpus.name}'", tokenizer)


def _characters(first: Corpus, later: Sequence[Corpus | None]) -> CharacterTokenizer:
    tokenizer = train_character_tokenizer(first)
    for corpus in later:
        if corpus is not None:
            tokenizer = tokenizer.grown(corpus.character_counts)
    return tokenizer


def _byte_pairs(first: Corpus, size: int, grew: Sequence["_Text"]) -> BpeTokenizer:
    tokenizer = train_bpe_tokenizer(first, size)
    for text in grew:
        for before, after in text.growths:
            assert text.corpus is not None
            tokenizer, _ = grown_bpe(tokenizer, text.corpus, after - before)
    return tokenizer


class _Text:
    """A text the run learned: its entry in datasets.json, and the text itself where it is still there."""

    def __init__(self, entry: Dataset, corpus: Corpus | None) -> None:
        self.growths = vocabulary_growths(entry)
        self.corpus = corpus


def _inside(path: Path) -> Tokenizer | None:
    text = copy_inside(path)
    try:
        return None if text is None else tokenizer_from_json(text)
    except TokenizerError:
        return None
