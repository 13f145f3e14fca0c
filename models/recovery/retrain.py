"""A tokenizer trained again from the texts of a run: on the first, then grown by each as it was then."""

from collections.abc import Iterator

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer, train_bpe_tokenizer
from data.character_tokenizer import CharacterTokenizer, train_character_tokenizer
from data.corpus import Corpus
from data.errors import RlmError
from data.tokenizer import Tokenizer
from data.word_rules import WORD_RULES
from models.recovery.training_texts import TrainingTexts
from models.runs.datasets import vocabulary_growths
from models.runs.run_config import RunConfig

_Growth = tuple[int, int, Corpus | None]
"""The size of the vocabulary before and after it grew, and the text that it grew from."""


def retrained_tokenizers(
    texts: TrainingTexts, config: RunConfig, vocab_size: int
) -> Iterator[tuple[Corpus, Tokenizer]]:
    """For each text that may have been the first: that text, and the tokenizer of `vocab_size` it gives.

    Which text was the first is not recorded. It may be one that the vocabulary grew from, since `rlm expand`
    learns more tokens from the text of the run. Gives nothing where a text that it grew from is missing.
    """
    growths = _growths(texts)
    grown_from = [corpus for *_, corpus in growths if corpus is not None]
    if len(grown_from) < len(growths):
        return
    size = growths[0][0] if growths else vocab_size
    kind = None if config.data is None else config.data.tokenizer
    for first in texts.corpora:
        if first is None:
            continue
        tokenizer: Tokenizer | None
        try:
            tokenizer = (
                train_bpe_tokenizer(first, size, kind=kind)
                if kind is not None and kind in WORD_RULES
                else train_character_tokenizer(first)
            )
            for (before, after, _), corpus in zip(growths, grown_from, strict=True):
                tokenizer = _grow(tokenizer, corpus, before, after)
        except RlmError:
            continue
        if tokenizer is not None and tokenizer.vocab_size == vocab_size:
            yield first, tokenizer


def _growths(texts: TrainingTexts) -> list[_Growth]:
    """Every growth of the vocabulary, over all texts. No size occurs twice, so sizes give the order."""
    growths = [
        (before, after, corpus)
        for entry, corpus in zip(texts.datasets, texts.corpora, strict=True)
        for before, after in vocabulary_growths(entry)
    ]
    return sorted(growths, key=lambda growth: growth[:2])


def _grow(tokenizer: Tokenizer | None, corpus: Corpus, before: int, after: int) -> Tokenizer | None:
    """The grown tokenizer; None where the vocabulary does not have the size `before`."""
    if tokenizer is None or tokenizer.vocab_size != before:
        return None
    if isinstance(tokenizer, BpeTokenizer):
        return grow_bpe(tokenizer, corpus, after - before)[0]
    assert isinstance(tokenizer, CharacterTokenizer)
    counts = corpus.character_counts
    return tokenizer.with_characters(sorted(counts, key=lambda character: -counts[character]))
