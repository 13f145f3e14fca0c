"""The filter of scripts: which letters a text is written in."""

import unicodedata
from collections import Counter
from functools import lru_cache

from data.errors import UsageError
from data.filters.filter import Rule, whole_number
from data.nearest import nearest

# By the words that the Unicode names of their letters begin with.
_SCRIPTS = {
    "latin": ("LATIN", "FULLWIDTH LATIN"),
    "cyrillic": ("CYRILLIC",),
    "greek": ("GREEK",),
    "arabic": ("ARABIC",),
    "hebrew": ("HEBREW",),
    "armenian": ("ARMENIAN",),
    "georgian": ("GEORGIAN",),
    "devanagari": ("DEVANAGARI",),
    "bengali": ("BENGALI",),
    "tamil": ("TAMIL",),
    "telugu": ("TELUGU",),
    "thai": ("THAI",),
    "ethiopic": ("ETHIOPIC",),
    "chinese": ("CJK", "IDEOGRAPHIC"),
    "japanese": ("HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "KATAKANA-HIRAGANA", "CJK", "IDEOGRAPHIC"),
    "korean": ("HANGUL", "CJK"),
}
_SHARE = "80"


def script_filter(value: str | None) -> Rule:
    """`script:NAME`, or `script:NAME:PERCENT`. A text without letters is kept."""
    name, _, share = (value or "").lower().partition(":")
    if name not in _SCRIPTS:
        close = nearest(name, _SCRIPTS)
        raise UsageError(
            f"There is no script '{name}'." if name else "The filter 'script' needs the name of a script.",
            hint=f"Did you mean script:{close[0]}?" if close else f"Choose from: {', '.join(_SCRIPTS)}",
            field="filters",
        )
    percent = whole_number("script", share or _SHARE, 1, 100)
    beginnings = _SCRIPTS[name]

    def drops(text: str) -> bool:
        own = letters = 0
        for character, count in Counter(text).items():
            if named := _name_of_letter(character):
                letters += count
                own += count * named.startswith(beginnings)
        return 100 * own < percent * letters

    shown = f"script:{name}" if share in ("", _SHARE) else f"script:{name}:{percent}"
    return Rule(shown, f"with fewer than {percent} % of their letters in {name.capitalize()} script", drops)


@lru_cache(maxsize=2**16)
def _name_of_letter(character: str) -> str:
    """The Unicode name, or "" for what is no letter."""
    return unicodedata.name(character, "UNNAMED") if character.isalpha() else ""
