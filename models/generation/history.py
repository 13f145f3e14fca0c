"""The tokens that a repetition penalty and an n-gram rule look at. Torch-free."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable


class History:
    """The last `length` tokens of a text. Adding one costs the same however long the text is.

    With `n` above 0, also the token that followed each run of n - 1 tokens.
    """

    def __init__(self, tokens: Iterable[int], length: int, n: int = 0) -> None:
        self._tokens: deque[int] = deque()
        self._length = length
        self._n = n
        self._counts: Counter[int] = Counter()
        self._followers: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for token in tokens:
            self.add(token)

    def add(self, token: int) -> None:
        """Add the next token, and drop the oldest one if there are too many."""
        self._tokens.append(token)
        self._counts[token] += 1
        if 0 < self._n <= len(self._tokens):
            self._followers[self._end()][token] += 1
        if len(self._tokens) > self._length:
            self._drop_oldest()

    def distinct(self) -> list[int]:
        """Each token once, in no order."""
        return list(self._counts)

    def completing(self) -> list[int]:
        """The tokens that would repeat n tokens in a row."""
        if self._n < 1 or len(self._tokens) < self._n - 1:
            return []
        prefix = tuple(self._tokens[place] for place in range(1 - self._n, 0))
        return list(self._followers.get(prefix, ()))

    def _end(self) -> tuple[int, ...]:
        """The n - 1 tokens before the last one."""
        return tuple(self._tokens[place] for place in range(-self._n, -1))

    def _drop_oldest(self) -> None:
        if 0 < self._n <= len(self._tokens):
            *prefix, last = (self._tokens[place] for place in range(self._n))
            followers = self._followers[tuple(prefix)]
            followers[last] -= 1
            if not followers[last]:
                del followers[last]
            if not followers:
                del self._followers[tuple(prefix)]
        oldest = self._tokens.popleft()
        self._counts[oldest] -= 1
        if not self._counts[oldest]:
            del self._counts[oldest]
