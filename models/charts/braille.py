"""A line as dots of braille characters, each of which has two dots across and four down."""

import itertools
from collections.abc import Iterable

DOTS_ACROSS, DOTS_DOWN = 2, 4
BRAILLE = 0x2800
"""The character without a dot; a code of dots is added to it."""
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Of the left and the right column of a character, from the top down."""


def line_codes(places: Iterable[tuple[int, int]], columns: int, rows: int) -> list[list[int]]:
    """The codes of the dots of a line, by row from the top down and by column.

    `places` are the dots that the line goes through, ascending by the first number; the second one counts
    from the bottom. In each column of dots a line covers one span, so only the spans are computed.
    """
    codes = [[0] * columns for _ in range(rows)]
    for across, (low, high) in _spans(places).items():
        bits, column = _BITS[across % DOTS_ACROSS], across // DOTS_ACROSS
        top, bottom = rows * DOTS_DOWN - 1 - high, rows * DOTS_DOWN - 1 - low
        for row in range(top // DOTS_DOWN, bottom // DOTS_DOWN + 1):
            first, last = max(0, top - row * DOTS_DOWN), min(DOTS_DOWN - 1, bottom - row * DOTS_DOWN)
            for down in range(first, last + 1):
                codes[row][column] |= bits[down]
    return codes


def _spans(places: Iterable[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """The lowest and the highest dot of a line in each column of dots."""
    spans: dict[int, tuple[int, int]] = {}

    def cover(across: int, one: int, other: int) -> None:
        low, high = spans.get(across, (one, one))
        spans[across] = min(low, one, other), max(high, one, other)

    places = list(places)
    if len(places) == 1:
        places *= 2
    for (left, start), (right, end) in itertools.pairwise(places):
        if left == right:
            cover(left, start, end)
            continue
        slope = (end - start) / (right - left)
        before = start
        for across in range(left, right + 1):
            # The line changes the column halfway between two dots.
            after = end if across == right else round(start + slope * (across + 0.5 - left))
            cover(across, before, after)
            before = after
    return spans
