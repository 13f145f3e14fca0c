"""How the texts that a run has learned share in what is kept, replayed and averaged: a mix counts as one
text, and each of its sources as its share of it. Torch-free."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from models.runs.datasets import Dataset

_PARTS = 10_000
"""Shares of a mix are kept to four decimals."""


def text_shares(datasets: Iterable[Dataset]) -> dict[str, Fraction]:
    """By content hash: 1 for a text, and for a source its share in its mix. The shares of the sources of one
    mix that are given add to 1, so that all shares add to the number of texts."""
    return {
        str(one.content_hash): _parts(one) / sum(map(_parts, together))
        for together in _learned_together(datasets)
        for one in together
    }


def replay_weights(datasets: Iterable[Dataset], tokens: Mapping[str, int]) -> dict[str, Fraction]:
    """By content hash, how often each of the `datasets` is to be replayed of which so many `tokens` are kept;
    without those of which none are.

    A text and a mix are replayed in proportion to their tokens, and a mix in the shares of its sources.
    """
    weights = {}
    for together in _learned_together(one for one in datasets if tokens.get(str(one.content_hash))):
        whole = sum(tokens[str(one.content_hash)] for one in together)
        for content_hash, share in text_shares(together).items():
            weights[content_hash] = whole * share
    return weights


def _learned_together(datasets: Iterable[Dataset]) -> list[list[Dataset]]:
    """The data sets by the text that they are, or by the mix that they were sources of."""
    found: dict[tuple[str, str | None], list[Dataset]] = {}
    for one in datasets:
        if one.content_hash is not None:
            key = ("text", one.content_hash) if one.asked_share is None else ("mix", one.mix)
            found.setdefault(key, []).append(one)
    return list(found.values())


def _parts(one: Dataset) -> Fraction:
    return Fraction(1) if one.asked_share is None else Fraction(max(1, round(one.asked_share * _PARTS)))
