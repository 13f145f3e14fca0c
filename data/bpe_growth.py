"""More merges for a byte-pair tokenizer that is in use: learnt from a new corpus, after the old.

The old merges keep their ranks, so a text is cut as before and the new merges then join what
that left (byte-pair encoding: Sennrich, Haddow and Birch, 2016, arXiv:1508.07909). No id moves.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from data.bpe_tokenizer import MAX_TOKEN_BYTES, BpeTokenizer, training_sample
from data.corpus import Corpus
from data.errors import UsageError
from data.tokenizer import MAX_VOCAB_SIZE

SAMPLE_BYTES = 8 * 10**6
_WORDS_AT_MOST = 250_000
_SEEN_AT_LEAST = 2

_Pair = tuple[int, int]


def grow_bpe(
    tokenizer: BpeTokenizer, corpus: Corpus, new_tokens: int, sample_bytes: int = SAMPLE_BYTES
) -> tuple[BpeTokenizer, list[tuple[int, ...]]]:
    """The tokenizer with up to `new_tokens` more, and for each of them the ids of its two parts,
    which can be new ones before it.

    Learnt from a sample of the training part, spread evenly over it; ties go to the lower ids.
    Raises UsageError for a number that cannot be, and where the text has no pair to join.
    """
    room = MAX_VOCAB_SIZE - tokenizer.vocab_size
    if not 1 <= new_tokens <= room:
        raise UsageError(
            f"A vocabulary of {tokenizer.vocab_size} tokens cannot grow by {new_tokens}.",
            hint=f"Choose from 1 to {room}; 256 is a good start." if room else "It is as large as can be.",
        )
    merges = _learnt(tokenizer, _counted(tokenizer, training_sample(corpus, sample_bytes)), new_tokens)
    if not merges:
        raise UsageError(
            f"The vocabulary cannot grow: '{corpus.name}' has no two tokens side by side that come again.",
            hint="Give a longer text, or leave the vocabulary as it is.",
        )
    return tokenizer.with_merges(merges), list(merges)


def _counted(tokenizer: BpeTokenizer, texts: Iterable[str]) -> dict[str, int]:
    """How often each word comes. Rare ones are let go where there are too many to keep, as in
    lossy counting (Manku and Motwani, 2002)."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.words(text))
        while len(counts) > _WORDS_AT_MOST:
            rarest = min(counts.values())
            counts = Counter({word: count for word, count in counts.items() if count > rarest})
    return counts


def _learnt(tokenizer: BpeTokenizer, counts: dict[str, int], most: int) -> list[_Pair]:
    """The pairs to join, the most frequent first, each counted in the text as joined so far."""
    words = [_Word(tokenizer.encode_word(word), counts[word]) for word in sorted(counts)]
    pairs = _Pairs(words)
    spelled = [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)]
    known = set(spelled)
    merges: list[_Pair] = []
    while len(merges) < most and (pair := pairs.most_frequent()):
        joined = spelled[pair[0]] + spelled[pair[1]]
        if joined in known or len(joined) > MAX_TOKEN_BYTES:
            continue  # the same bytes cannot have two ids
        pairs.join(pair, len(spelled))
        merges.append(pair)
        spelled.append(joined)
        known.add(joined)
    return merges


class _Word:
    """A word that comes `count` times, as the tokens it is cut into now."""

    __slots__ = ("count", "ids")

    def __init__(self, ids: list[int], count: int) -> None:
        self.ids = ids
        self.count = count

    def pairs(self) -> Iterator[_Pair]:
        return pairwise(self.ids)

    def join(self, pair: _Pair, token: int) -> None:
        """Put `token` where the pair is, from the left."""
        at, parts = 0, list(pair)
        while at < len(self.ids):
            if self.ids[at : at + 2] == parts:
                self.ids[at : at + 2] = [token]
            at += 1


class _Pairs:
    """How often each pair of neighbours comes in the words, kept up while they are joined.

    Joining makes new pairs and takes from old ones, so an entry of the queue is never too low:
    one that is too high goes back with what is left of it.
    """

    def __init__(self, words: list[_Word]) -> None:
        self._counts: Counter[_Pair] = Counter()
        self._words: dict[_Pair, set[_Word]] = defaultdict(set)
        for word in words:
            self._add(word)
        self._queue = [(-count, pair) for pair, count in self._counts.items()]
        heapq.heapify(self._queue)

    def most_frequent(self) -> _Pair | None:
        """Taken out of the queue; None where no pair comes twice."""
        while self._queue:
            queued, pair = heapq.heappop(self._queue)
            count = self._counts[pair]
            if count == -queued:
                return pair if count >= _SEEN_AT_LEAST else None
            heapq.heappush(self._queue, (-count, pair))
        return None

    def join(self, pair: _Pair, token: int) -> None:
        """Make the pair one token in every word."""
        made: set[_Pair] = set()
        for word in self._words.pop(pair):
            for old in word.pairs():
                self._counts[old] -= word.count
            word.join(pair, token)
            made.update(self._add(word))
        for new in made:
            if token in new:
                heapq.heappush(self._queue, (-self._counts[new], new))

    def _add(self, word: _Word) -> set[_Pair]:
        found = set()
        for pair in word.pairs():
            self._counts[pair] += word.count
            self._words[pair].add(word)
            found.add(pair)
        return found
