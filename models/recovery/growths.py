"""How a vocabulary grew, as datasets.json tells it."""

from collections.abc import Mapping
from typing import Any


def vocabulary_growths(entry: Mapping[str, Any]) -> list[tuple[int, int]]:
    """The sizes of the vocabulary before and after each time the text of an entry made it grow."""
    growths = entry.get("grown")
    return [
        (growth["from"], growth["to"])
        for growth in (growths if isinstance(growths, list) else ())
        if isinstance(growth, dict)
        and growth.get("what") == "vocabulary"
        and type(growth.get("from")) is int
        and type(growth.get("to")) is int
    ]
