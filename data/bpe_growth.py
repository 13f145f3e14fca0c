"""More merges for a byte-pair tokenizer that is in use, learnt from a new corpus.

The old merges keep their ranks: a text is encoded by them first, and the new merges then join tokens of
the result (byte-pair encoding: Sennrich, Haddow and Birch, 2016, arXiv:1508.07909). No id changes.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from data.bpe_tokenizer import MAX_TOKEN_BYTES, BpeTokenizer
from data.corpus import Corpus
from data.errors import UsageError
from data.tokenizer import MAX_VOCAB_SIZE
from data.wording import counted

SAMPLE_BYTES = 8 * 10**6
_MAX_WORDS = 250_000
_MIN_COUNT = 2

_Pair = tuple[int, int]


def grow_bpe(
    tokenizer: BpeTokenizer, corpus: Corpus, new_tokens: int, sample_bytes: int = SAMPLE_BYTES
) -> tuple[BpeTokenizer, list[tuple[int, ...]]]:
    """The tokenizer with up to `new_tokens` more tokens, and the ids of the two parts of each of them; a
    part can be an earlier new token.

    They are learnt from a sample that is spread evenly over the training part; of pairs that are equally
    frequent, the one with the lower ids is first. Raises UsageError for a number out of range, and where
    the text has no pair to join.
    """
    room = MAX_VOCAB_SIZE - tokenizer.vocab_size
    if not 1 <= new_tokens <= room:
        raise UsageError(
            f"A vocabulary of {counted(tokenizer.vocab_size, 'token')} cannot grow by {new_tokens}.",
            hint=f"Choose from 1 to {room}; 256 is a good start." if room else "It is as large as it may be.",
        )
    merges = _learn_merges(tokenizer, _count_words(tokenizer, corpus.sample(sample_bytes)), new_tokens)
    if not merges:
        raise UsageError(
            f"The vocabulary cannot grow: '{corpus.name}' has no pair of tokens that occurs twice.",
            hint="Give a longer text, or leave the vocabulary as it is.",
        )
    return tokenizer.with_merges(merges), list(merges)


def _count_words(tokenizer: BpeTokenizer, texts: Iterable[str]) -> dict[str, int]:
    """How often each word occurs. Where there are too many words, the rarest are dropped, as in lossy
    counting (Manku and Motwani, 2002)."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.words(text))
        while len(counts) > _MAX_WORDS:
            rarest = min(counts.values())
            counts = Counter({word: count for word, count in counts.items() if count > rarest})
    return counts


def _learn_merges(tokenizer: BpeTokenizer, counts: dict[str, int], most: int) -> list[_Pair]:
    """The pairs to join, in order: each is the most frequent one after the pairs before it are joined."""
    words = [_Word(tokenizer.encode_word(word), counts[word]) for word in sorted(counts)]
    pairs = _PairCounts(words)
    spelled = [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)]
    known = set(spelled)
    merges: list[_Pair] = []
    while len(merges) < most and (pair := pairs.most_frequent()):
        joined = spelled[pair[0]] + spelled[pair[1]]
        if joined in known or len(joined) > MAX_TOKEN_BYTES:
            continue  # two tokens must not have the same bytes
        pairs.join(pair, len(spelled))
        merges.append(pair)
        spelled.append(joined)
        known.add(joined)
    return merges


class _Word:
    """A word that occurs `count` times, and the ids of the tokens it consists of."""

    __slots__ = ("count", "ids")

    def __init__(self, ids: list[int], count: int) -> None:
        self.ids = ids
        self.count = count

    def pairs(self) -> Iterator[_Pair]:
        return pairwise(self.ids)

    def join(self, pair: _Pair, token: int) -> None:
        """Replace each occurrence of the pair by `token`, from left to right."""
        at, parts = 0, list(pair)
        while at < len(self.ids):
            if self.ids[at : at + 2] == parts:
                self.ids[at : at + 2] = [token]
            at += 1


class _PairCounts:
    """How often each pair of neighbouring tokens occurs in the words, updated as pairs are joined.

    Joining adds new pairs to the queue, and can only lower the counts of old ones. So a count in the queue
    may be too high, but never too low; a pair whose count is too high goes back with the right one.
    """

    def __init__(self, words: list[_Word]) -> None:
        self._counts: Counter[_Pair] = Counter()
        self._words: dict[_Pair, set[_Word]] = defaultdict(set)
        for word in words:
            self._add(word)
        self._queue = [(-count, pair) for pair, count in self._counts.items()]
        heapq.heapify(self._queue)

    def most_frequent(self) -> _Pair | None:
        """The most frequent pair, removed from the queue; None where no pair occurs twice."""
        while self._queue:
            queued, pair = heapq.heappop(self._queue)
            count = self._counts[pair]
            if count == -queued:
                return pair if count >= _MIN_COUNT else None
            heapq.heappush(self._queue, (-count, pair))
        return None

    def join(self, pair: _Pair, token: int) -> None:
        """Replace the pair by `token` in every word."""
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
