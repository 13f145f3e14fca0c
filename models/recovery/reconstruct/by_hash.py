"""The last characters from their order: only a few fit into the gaps that are left.

Where exactly as many fit as there are places, they are filled in. Where more fit, every combination is tried
until one gives the recorded hash.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from itertools import combinations, product

from data.character_tokenizer import CharacterTokenizer
from models.recovery.reconstruct.reference_text import PLACEHOLDERS

_MAX_COMBINATIONS = 300_000
_LOWEST = "\t"
_REACHES = (0x7F, 0x100)  # beyond the last known character: up to the end of ASCII, or so many more


def fill_forced_gaps(characters: Sequence[str | None], bounds: Sequence[int]) -> list[str | None]:
    """Fill the unknown places (None) whose neighbours leave no choice.

    Characters are sorted by code point within each part, from one of `bounds` to the next.
    """
    filled = list(characters)
    for place, size, candidates in _gaps(characters, bounds, _REACHES[-1]):
        if len(candidates) == size:
            filled[place : place + size] = candidates
    return filled


def complete_by_hash(characters: Sequence[str | None], bounds: Sequence[int], expected: str) -> str | None:
    """All characters, where one sorted filling of the unknown places (None) gives the hash `expected`.

    `bounds` as for `fill_forced_gaps`. None where there are too many combinations, or none gives the hash.
    """
    for reach in _REACHES:
        gaps = [(size, candidates) for _, size, candidates in _gaps(characters, bounds, reach)]
        if math.prod(math.comb(len(candidates), size) for size, candidates in gaps) <= _MAX_COMBINATIONS:
            found = _try_combinations(characters, gaps, expected)
            if found is not None:
                return found
    return None


def _try_combinations(
    characters: Sequence[str | None], gaps: Sequence[tuple[int, list[str]]], expected: str
) -> str | None:
    """All characters, with the filling of `gaps` that gives the hash. A gap is its size and candidates."""
    unknown = [place for place, character in enumerate(characters) if character is None]
    marks = [chr(ord(PLACEHOLDERS[0]) + place) for place in range(len(unknown))]
    marked = list(characters)
    for place, mark in zip(unknown, marks, strict=True):
        marked[place] = mark
    if len(set(marked)) < len(marked):
        return None
    pieces = _split_at(CharacterTokenizer("".join(c or "" for c in marked)).to_json(), marks)
    prefix = hashlib.sha256(pieces[0])
    for filling in product(*(combinations(candidates, size) for size, candidates in gaps)):
        filled = [character for gap in filling for character in gap]
        digest = prefix.copy()
        for character, piece in zip(filled, pieces[1:], strict=True):
            digest.update(json.dumps(character, ensure_ascii=False)[1:-1].encode() + piece)
        if digest.hexdigest() == expected:
            for place, character in zip(unknown, filled, strict=True):
                marked[place] = character
            return "".join(c or "" for c in marked)
    return None


def _gaps(
    characters: Sequence[str | None], bounds: Sequence[int], reach: int
) -> Iterator[tuple[int, int, list[str]]]:
    """Each run of unknown places: its first, its size, and the characters that could be in it."""
    known = {character for character in characters if character is not None}
    for start, end in zip(bounds, [*bounds[1:], len(characters)], strict=True):
        below, size = ord(_LOWEST) - 1, 0
        for place, character in enumerate([*characters[start:end], ""], start=start):
            if character is None:
                size += 1
                continue
            above = ord(character) if character else _upper_end(below, reach)
            if size:
                between = [chr(point) for point in range(below + 1, above) if _is_candidate(point)]
                yield place - size, size, [c for c in between if c not in known]
            below, size = (ord(character) if character else below), 0


def _upper_end(below: int, reach: int) -> int:
    """The code point up to which characters are looked for after the last known one."""
    return reach if reach == _REACHES[0] and below < reach - 1 else below + _REACHES[-1]


def _is_candidate(point: int) -> bool:
    first, last = PLACEHOLDERS
    return not 0xD800 <= point <= 0xDFFF and not ord(first) <= point <= ord(last)


def _split_at(text: str, marks: Sequence[str]) -> list[bytes]:
    """The text between the marks, in order."""
    pieces = []
    for mark in marks:
        piece, _, text = text.partition(mark)
        pieces.append(piece.encode())
    return [*pieces, text.encode()]
