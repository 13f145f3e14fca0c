"""A curve in one row of characters."""

import itertools
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """The means of `values` in at most `width` characters, the highest one full. Empty without values."""
    if not values or width < 1:
        return ""
    columns = min(width, len(values))
    edges = [len(values) * number // columns for number in range(columns + 1)]
    means = [sum(values[low:high]) / (high - low) for low, high in itertools.pairwise(edges)]
    low, high = min(means), max(means)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((mean - low) * scale)] for mean in means)
