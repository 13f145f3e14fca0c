"""The last characters from their order: few could stand in the places that are left open.

Where there are no more than places, they are found; else the recorded hash proves which it was.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from itertools import combinations, product

from data.character_tokenizer import CharacterTokenizer
from models.recovery.reference import PLACEHOLDERS

_MOST_TRIED = 300_000
_LOWEST = "\t"
_REACHES = (0x7F, 0x100)  # beyond the last known character: to the end of ASCII, or so many more


def fill_in_order(characters: Sequence[str | None], bounds: Sequence[int]) -> list[str | None]:
    """With the open places (None) filled where their neighbours leave no choice.

    Within each part that begins at one of `bounds` characters are in the order of their code points.
    """
    filled = list(characters)
    for place, size, could in _gaps(characters, bounds, _REACHES[-1]):
        if len(could) == size:
            filled[place : place + size] = could
    return filled


def complete(characters: Sequence[str | None], bounds: Sequence[int], expected: str) -> str | None:
    """All characters, where exactly filling the open places (None) in order gives the hash `expected`.

    `bounds` as for `fill_in_order`. None where too many would have to be tried, or none fits.
    """
    for reach in _REACHES:
        gaps = [(size, could) for _, size, could in _gaps(characters, bounds, reach)]
        if math.prod(math.comb(len(could), size) for size, could in gaps) <= _MOST_TRIED:
            found = _tried(characters, gaps, expected)
            if found is not None:
                return found
    return None


def _tried(
    characters: Sequence[str | None], gaps: Sequence[tuple[int, list[str]]], expected: str
) -> str | None:
    """The filling of `gaps`, each so many of those that could stand in it, that gives the hash."""
    open_places = [place for place, character in enumerate(characters) if character is None]
    marks = [chr(ord(PLACEHOLDERS[0]) + place) for place in range(len(open_places))]
    marked = list(characters)
    for place, mark in zip(open_places, marks, strict=True):
        marked[place] = mark
    if len(set(marked)) < len(marked):
        return None
    pieces = _pieces(CharacterTokenizer("".join(c or "" for c in marked)).to_json(), marks)
    begun = hashlib.sha256(pieces[0])
    for filling in product(*(combinations(could, size) for size, could in gaps)):
        filled = [character for gap in filling for character in gap]
        digest = begun.copy()
        for character, piece in zip(filled, pieces[1:], strict=True):
            digest.update(json.dumps(character, ensure_ascii=False)[1:-1].encode() + piece)
        if digest.hexdigest() == expected:
            for place, character in zip(open_places, filled, strict=True):
                marked[place] = character
            return "".join(c or "" for c in marked)
    return None


def _gaps(
    characters: Sequence[str | None], bounds: Sequence[int], reach: int
) -> Iterator[tuple[int, int, list[str]]]:
    """Each run of open places: its first, its length, and the characters that could stand in it."""
    known = {character for character in characters if character is not None}
    for start, end in zip(bounds, [*bounds[1:], len(characters)], strict=True):
        below, size = ord(_LOWEST) - 1, 0
        for place, character in enumerate([*characters[start:end], ""], start=start):
            if character is None:
                size += 1
                continue
            above = ord(character) if character else _end(below, reach)
            if size:
                could = [chr(point) for point in range(below + 1, above) if _is_plain(point)]
                yield place - size, size, [c for c in could if c not in known]
            below, size = (ord(character) if character else below), 0


def _end(below: int, reach: int) -> int:
    """Up to where characters are looked for after the last known one."""
    return reach if reach == _REACHES[0] and below < reach - 1 else below + _REACHES[-1]


def _is_plain(point: int) -> bool:
    first, last = PLACEHOLDERS
    return not 0xD800 <= point <= 0xDFFF and not ord(first) <= point <= ord(last)


def _pieces(text: str, marks: Sequence[str]) -> list[bytes]:
    pieces = []
    for mark in marks:
        piece, _, text = text.partition(mark)
        pieces.append(piece.encode())
    return [*pieces, text.encode()]
