"""What to call the texts a run knows. Torch-free."""

from collections.abc import Mapping, Sequence
from typing import Any


def labels(datasets: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What to call each corpus, by content hash: its name, numbered where another has it too."""
    taken: dict[str, int] = {}
    named: dict[str, str] = {}
    for entry in datasets:
        name = str(entry.get("name", "text"))
        taken[name] = taken.get(name, 0) + 1
        named[str(entry.get("content_hash"))] = name if taken[name] == 1 else f"{name} ({taken[name]})"
    return named
