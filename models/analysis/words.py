"""Words, marks and sentences of a text in any script."""

import itertools
import re
import unicodedata
from collections.abc import Iterator

_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x9FFF),  # Chinese characters
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""Scripts that put no spaces between words. Each of their characters counts as a word here."""
_APOSTROPHES = "'’ʼ"
_TOKEN = re.compile(r"w+(?:aw+)*|c|[pa]")


def tokens_of(text: str) -> list[str]:
    """The words and marks of `text` in order, lower case. A word is a run of letters, digits and the
    marks on them, with apostrophes inside it; in scripts without spaces it is one character."""
    kinds = text.translate(_kinds_of(text))
    return [text[found.start() : found.end()].lower() for found in _TOKEN.finditer(kinds)]


def is_word(token: str) -> bool:
    """Whether a token is a word and not a mark."""
    return _kind(token[0]) in "wc"


def words_of(text: str) -> list[str]:
    """The words of `text` in order, lower case."""
    return [token for token in tokens_of(text) if is_word(token)]


def word_pieces(words: list[str]) -> Iterator[str]:
    """What word formation looks at: words, and in scripts without spaces pairs of neighbouring characters."""
    for one, following in itertools.pairwise([*words, ""]):
        if _kind(one[0]) != "c":
            yield one
        elif following and _kind(following[0]) == "c":
            yield one + following


def _kinds_of(text: str) -> dict[int, str]:
    return {ord(one): _kind(one) for one in set(text)}


def _kind(one: str) -> str:
    """w: letter, digit or a mark on one; c: letter of a script without spaces; a: apostrophe; p: other
    marks; s: white space and control characters."""
    category = unicodedata.category(one)
    if one in _APOSTROPHES:
        return "a"
    if category[0] in "LMN":
        code = ord(one)
        return "c" if any(first <= code <= last for first, last in _WITHOUT_SPACES) else "w"
    return "s" if category[0] in "ZC" else "p"
