"""The names that a mistyped one may stand for."""

import difflib
from collections.abc import Iterable

CUTOFF = 0.6
"""The least similarity of a suggestion, from 0 to 1."""


def nearest(word: str, names: Iterable[str], count: int = 1, cutoff: float = CUTOFF) -> list[str]:
    """Up to `count` of `names` that are most like `word`, the best first.

    Upper and lower case are alike, and so are a hyphen and an underscore. Swapped letters are the most
    common mistake, so a name of the same letters comes first.
    """
    by_key: dict[str, list[str]] = {}
    for name in names:
        by_key.setdefault(_key(name), []).append(name)
    swapped = [key for key in by_key if sorted(key) == sorted(_key(word))]
    close = difflib.get_close_matches(_key(word), by_key, n=count, cutoff=cutoff)
    found = [name for key in dict.fromkeys([*swapped, *close]) for name in by_key[key]]
    return sorted(found, key=lambda name: name != word)[:count]


def did_you_mean(word: str, names: Iterable[str], otherwise: str = "Choose one of") -> str:
    """A hint with the nearest of `names`, or with all of them."""
    known = list(names)
    near = nearest(word, known)
    return f"Did you mean {near[0]}?" if near else f"{otherwise}: {', '.join(known)}."


def _key(name: str) -> str:
    return name.casefold().replace("_", "-")
