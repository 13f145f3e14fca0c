"""How often tokens went through the recursion, counted while a model is judged."""

from collections import Counter

from torch import Tensor


class PassTally:
    """Recursions taken, by number of tokens that took so many."""

    def __init__(self) -> None:
        self._tokens: Counter[float] = Counter()

    def add(self, passes: Tensor) -> None:
        """Count `passes` (N,), one number for each token."""
        values, counts = passes.float().cpu().unique(return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self._tokens[round(value, 4)] += count

    @property
    def mean(self) -> float:
        """Recursions per token."""
        return sum(passes * tokens for passes, tokens in self._tokens.items()) / max(1, self._tokens.total())

    def histogram(self) -> dict[str, int]:
        """Tokens by the recursions they took, fewest recursions first, ready for JSON."""
        return {f"{passes:g}": self._tokens[passes] for passes in sorted(self._tokens)}
