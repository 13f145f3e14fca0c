"""A vocabulary learned again from the texts of a run: from the first, then grown by each as it was then."""

from collections.abc import Iterator, Mapping
from typing import Any

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer, train_bpe_tokenizer
from data.character_tokenizer import CharacterTokenizer, train_character_tokenizer
from data.corpus import Corpus
from data.errors import RlmError
from data.tokenizer import Tokenizer
from models.recovery.known_text import KnownText
from models.runs.datasets import vocabulary_growths

_Step = tuple[int, int, Corpus | None]
"""The size of the vocabulary before and after it grew, and the text that it grew from."""


def relearned(
    known: KnownText, config: Mapping[str, Any], vocab_size: int
) -> Iterator[tuple[Corpus, Tokenizer]]:
    """The tokenizer of `vocab_size` that each text gives which may have been the first, and that text.

    Which was the first is not recorded: one that made the vocabulary grow may be, for `rlm expand`
    learns more tokens from the text of the run. Nothing where a text that it grew from is gone.
    """
    steps = _steps(known)
    grown_from = [corpus for *_, corpus in steps if corpus is not None]
    if len(grown_from) < len(steps):
        return
    size = steps[0][0] if steps else vocab_size
    kind = config.get("data", {}).get("tokenizer")
    for first in known.corpora:
        if first is None:
            continue
        tokenizer: Tokenizer | None
        try:
            tokenizer = (
                train_bpe_tokenizer(first, size) if kind == "bpe" else train_character_tokenizer(first)
            )
            for (before, after, _), corpus in zip(steps, grown_from, strict=True):
                tokenizer = _grown(tokenizer, corpus, before, after)
        except RlmError:
            continue
        if tokenizer is not None and tokenizer.vocab_size == vocab_size:
            yield first, tokenizer


def _steps(known: KnownText) -> list[_Step]:
    """Every growth of the vocabulary, over all texts: no size comes twice, so sizes tell the order."""
    steps = [
        (before, after, corpus)
        for entry, corpus in zip(known.datasets, known.corpora, strict=True)
        for before, after in vocabulary_growths(entry)
    ]
    return sorted(steps, key=lambda step: step[:2])


def _grown(tokenizer: Tokenizer | None, corpus: Corpus, before: int, after: int) -> Tokenizer | None:
    """None where the vocabulary is not of the size it had then."""
    if tokenizer is None or tokenizer.vocab_size != before:
        return None
    if isinstance(tokenizer, BpeTokenizer):
        return grow_bpe(tokenizer, corpus, after - before)[0]
    assert isinstance(tokenizer, CharacterTokenizer)
    counts = corpus.character_counts
    return tokenizer.with_characters(sorted(counts, key=lambda character: -counts[character]))
