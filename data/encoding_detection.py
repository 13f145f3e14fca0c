"""Which encoding a text is in that is not UTF-8 and has no mark.

Each encoding gives a reading of the same bytes. A reading is as likely as its letters are in the language
they fit best, with the common words of that language, and as its encoding is common. Each different word
counts once, because a word that is repeated proves nothing more. Readings that give the
same text are one.
"""

import codecs
import math
import re
import string
from collections import Counter
from dataclasses import dataclass

from data.languages import HANGUL, KANJI, LANGUAGES, SIMPLIFIED, TRADITIONAL, Language
from data.safe_text import safe_text

CLOSE = 6.0
"""Two readings whose scores differ by less, in nats, are close."""

_COMMONNESS = {
    "cp1252": 0.0, "cp932": 0.0, "gb18030": 0.0, "cp1251": 0.0, "cp1250": -0.5, "big5": -0.5, "euc_jp": -0.5,
    "cp949": -0.5, "cp1254": -1.0, "cp1253": -1.0, "cp1257": -1.0, "iso8859_2": -1.0, "koi8_r": -1.0,
    "cp1255": -1.0, "cp1256": -1.0, "cp874": -1.0, "iso8859_7": -1.5, "koi8_u": -1.5, "iso8859_15": -2.0,
    "mac_cyrillic": -4.0,
}  # fmt: skip
"""In nats; -3 for an encoding that is not here."""
_RARE_ENCODING = -3.0
_BROKEN, _SYMBOL, _STRANGE_LETTER, _PUNCTUATION = -12.0, -9.0, -8.0, -5.0
_UPPER, _MISPLACED = -3.0, -5.0
_WORD = 8.0
"""For each letter beyond ASCII, times the share of the words that are common ones."""
_MARKS = frozenset("“”‘’–—…«»„‚°§€£½·¿¡ºª´\xa0×")
_BESIDE_LETTERS = frozenset("“”‘’–—…«»„‚¿¡·\xa0")
"""Those that may stand beside a letter."""
_NEVER_FIRST = frozenset("’”»–—")
"""Those that do not open a word in scripts other than Latin."""
_IDEOGRAPHIC_MARKS = frozenset("、。，！？：；（）「」『』“”‘’…—《》ー～　・")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_WIDE = {"gb18030": 0x4E00, "big5": 0x4E00, "cp932": 0x4E00, "euc_jp": 0x4E00, "cp949": 0xAC00}
_WORDS = re.compile(r"[^\W\d_]+")
_BETWEEN_WORDS = re.compile(r"[\s{}]+")
"""A message shows what stands in braces in other words."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The sample as one encoding gives it. A higher score is likelier; it is in nats."""

    encoding: str
    text: str
    score: float


def readings(sample: bytes) -> list[Reading]:
    """The different readings of bytes that have some beyond ASCII, the likeliest first."""
    found: dict[str, Reading] = {}
    for encoding, languages in _encodings().items():
        text = codecs.getincrementaldecoder(encoding)("replace").decode(sample, final=True)
        score = _score(text, encoding, languages) + _COMMONNESS.get(encoding, _RARE_ENCODING)
        known = found.get(text)
        if known is None or score > known.score:
            found[text] = Reading(encoding, text, score)
    return sorted(found.values(), key=lambda one: -one.score)


def telling_words(text: str, count: int = 3) -> list[str]:
    """The first different words of a text that have letters beyond ASCII."""
    words = (word for word in _WORDS.findall(text) if not word.isascii())
    return [word[:20] for word in list(dict.fromkeys(words))[:count]]


def differing_words(one: str, other: str, count: int = 3) -> tuple[list[str], list[str]]:
    """The first different words of each of two readings that are not in the other."""
    first, second = (dict.fromkeys(map(_shown, _BETWEEN_WORDS.split(text))) for text in (one, other))
    in_first = [word for word in first if word not in second]
    in_second = [word for word in second if word not in first]
    return in_first[:count], in_second[:count]


def _shown(word: str) -> str:
    return safe_text(word.strip(string.punctuation))[:20]


def _encodings() -> dict[str, list[Language]]:
    found: dict[str, list[Language]] = {name: [] for name in _WIDE}
    for language in LANGUAGES:
        for encoding in language.encodings:
            found.setdefault(encoding, []).append(language)
    return found


def _score(text: str, encoding: str, languages: list[Language]) -> float:
    if text.isupper():
        return _UPPER + _score(text.lower(), encoding, languages)
    occurrences = _occurrences(" ".join(dict.fromkeys(text.split())))
    if encoding in _WIDE:
        return _wide_score(occurrences, encoding)
    words = [word.lower() for word in _WORDS.findall(text)]
    return max(_narrow_score(occurrences, language, words) for language in languages)


def _occurrences(text: str) -> list[tuple[str, str, float]]:
    """Each character beyond ASCII with the kinds of its two neighbours, and the weight of its occurrences.

    The weight is the square root of their number, because more of the same proves less. Broken characters
    count in full.
    """
    kinds = "".join(map(_kind, f" {text} "))
    found = Counter((one, kinds[at] + kinds[at + 2]) for at, one in enumerate(text) if one > "\x7f")
    return [
        (character, around, float(count) if character == _REPLACEMENT else math.sqrt(count))
        for (character, around), count in found.items()
    ]


def _kind(character: str) -> str:
    """a and A for ASCII letters, l and U for others, space for the rest."""
    if character.isascii():
        return ("a" if character.islower() else "A") if character.isalpha() else " "
    return ("U" if character.isupper() else "l") if character.isalpha() else " "


def _narrow_score(occurrences: list[tuple[str, str, float]], language: Language, words: list[str]) -> float:
    ranks = {letter: rank for rank, letter in enumerate(language.letters)}
    total = sum(1 / (rank + 2) for rank in range(len(ranks)))
    score = 0.0
    for character, around, weight in occurrences:
        rank = ranks.get(character)
        if rank is None and character.isupper():
            rank = ranks.get(character.lower())
        if rank is None:
            value = _foreign(character, around, is_latin=language.is_latin)
        else:
            value = math.log(1 / (rank + 2) / total)
        if character.isupper():
            value += _UPPER + (_MISPLACED if around[0] in "al" else 0)
        if not language.is_latin and character.isalpha() and set(around) & set("aA"):
            value += _MISPLACED
        score += weight * value
    if language.words and words:
        common = sum(word in language.words for word in words) / len(words)
        score += _WORD * common * sum(weight for _, _, weight in occurrences)
    return score


def _foreign(character: str, around: str, *, is_latin: bool) -> float:
    """What a character costs that is no letter of the language."""
    if character == _REPLACEMENT:
        return _BROKEN
    if character.isalpha() and character not in "ºª":
        return _STRANGE_LETTER
    inside = " " not in around and character not in "’·"
    beside_letter = around != "  " and character not in _BESIDE_LETTERS
    opens_word = around[0] == " " != around[1] and character in ("’" if is_latin else _NEVER_FIRST)
    misplaced = inside or beside_letter or opens_word
    return (_PUNCTUATION if character in _MARKS else _SYMBOL) + (_MISPLACED if misplaced else 0)


def _wide_score(occurrences: list[tuple[str, str, float]], encoding: str) -> float:
    common = {"gb18030": SIMPLIFIED, "big5": TRADITIONAL, "cp949": HANGUL}.get(encoding, KANJI)
    japanese = common is KANJI
    first = _WIDE[encoding]
    size = 0x5200 if first == 0x4E00 else 0x2BA4
    score = 0.0
    for character, around, weight in occurrences:
        code = ord(character)
        if character in common:
            value = -4.5
        elif (japanese and 0x3041 <= code <= 0x30FF) or character in _IDEOGRAPHIC_MARKS:
            value = -4.0
        elif first <= code < first + size:
            value = -8.0
        else:
            value = 2 * (_BROKEN if character == _REPLACEMENT else _SYMBOL)
        if set(around) & set("aA"):
            value += _MISPLACED
        score += weight * value
    return score
