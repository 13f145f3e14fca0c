"""The filters that look at one text alone: its length, words, symbols, addresses, and noise."""

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from data.errors import UsageError
from data.filters.filter import Rule, take_no_value, whole_number

_LENGTH, _WORDS, _SYMBOLS, _PUNCTUATION, _NOISE = "50-400", "8", "10", "30", "1"
_MOST = 10**9 - 1
_RANGE = re.compile(r"(\d{1,9})?-(\d{1,9})?", re.ASCII)
_ADDRESS = re.compile(r"\b(?:https?|ftp)://\S|\bwww\.\w", re.IGNORECASE)
# Control characters but tab, line ends and form feed; U+FFFD; private use; what UTF-8 looks like when it is
# read as Latin-1 or Windows-1252.
_NOISY = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff\ufff0-\ufffb\U000f0000-\U0010ffff]"
    "|[ÂÃÐÑ][\xa0-\xbf]|â€."
)


def length_filter(value: str | None) -> Rule:
    """`length:SHORTEST-LONGEST`, in characters without the white space around the text."""
    found = _RANGE.fullmatch(value or _LENGTH)
    if found is None or not any(found.groups()):
        raise _not_a_range(str(value))
    shortest, longest = int(found[1] or 0), int(found[2] or _MOST)
    if shortest > longest:
        raise _not_a_range(str(value))
    limits = []
    if found[1]:
        limits.append(f"fewer than {shortest:,}")
    if found[2]:
        limits.append(f"more than {longest:,}")
    return Rule(
        _named("length", value, _LENGTH),
        f"of {' or '.join(limits)} characters",
        lambda text: not shortest <= len(text.strip()) <= longest,
    )


def words_filter(value: str | None) -> Rule:
    """`words:FEWEST`; words are what white space separates."""
    fewest = whole_number("words", value or _WORDS, 1, _MOST)
    return Rule(
        _named("words", value, _WORDS),
        f"of fewer than {fewest:,} words",
        lambda text: len(text.split(maxsplit=fewest)) < fewest,
    )


def symbols_filter(value: str | None) -> Rule:
    """`symbols:LONGEST`: runs of characters that are no letters, digits or white space."""
    longest = whole_number("symbols", value or _SYMBOLS, 1, 10_000)
    run = re.compile(rf"(?:[^\w\s]|_){{{longest + 1}}}")
    return Rule(
        _named("symbols", value, _SYMBOLS),
        f"with more than {longest:,} symbols in a row",
        lambda text: run.search(text) is not None,
    )


def url_filter(value: str | None) -> Rule:
    take_no_value("url", value)
    return Rule("url", "with a web address", lambda text: _ADDRESS.search(text) is not None)


def punctuation_filter(value: str | None) -> Rule:
    """`punctuation:PERCENT`, of the characters that are no white space."""
    percent = whole_number("punctuation", value or _PUNCTUATION, 0, 100)

    def drops(text: str) -> bool:
        counts = Counter("".join(text.split()))
        marks = sum(count for character, count in counts.items() if _is_punctuation(character))
        return 100 * marks > percent * counts.total()

    sentence = f"more than {percent} % of whose characters are punctuation or symbols"
    return Rule(_named("punctuation", value, _PUNCTUATION), sentence, drops)


def noise_filter(value: str | None) -> Rule:
    """`noise:PERCENT`: control characters, U+FFFD, private use, and letters read in a wrong encoding."""
    percent = whole_number("noise", value or _NOISE, 0, 100)

    def drops(text: str) -> bool:
        return 100 * sum(1 for _ in _NOISY.finditer(text)) > percent * len(text)

    sentence = f"more than {percent} % of which are control characters or broken letters"
    return Rule(_named("noise", value, _NOISE), sentence, drops)


def _named(name: str, value: str | None, usual: str) -> str:
    return name if value in (None, usual) else f"{name}:{value}"


def _not_a_range(value: str) -> UsageError:
    return UsageError(
        f"'{value}' is no range of lengths.",
        hint="For example: length:50-400, or length:50-",
        field="filters",
    )


@lru_cache(maxsize=2**16)
def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
