"""What a run was trained to do, as its config.json tells: go on with text, or solve puzzles. Torch-free."""

from collections.abc import Mapping
from typing import Any

from models.errors import RunError

PUZZLES = "puzzles"
"""The kind of data of a run that solves puzzles."""


def solves_puzzles(config: Mapping[str, Any]) -> bool:
    """Whether that is the configuration of a run that learned from puzzles."""
    return bool(config.get("data", {}).get("kind") == PUZZLES)


def require_text(name: str, config: Mapping[str, Any]) -> None:
    """Raise RunError where run `name` knows no text."""
    if solves_puzzles(config):
        raise RunError(
            f"Run '{name}' solves puzzles and knows no text.", hint=f"Give it one: rlm solve {name} PUZZLE"
        )


def require_puzzles(name: str, config: Mapping[str, Any]) -> None:
    """Raise RunError where run `name` solves no puzzles."""
    if not solves_puzzles(config):
        raise RunError(
            f"Run '{name}' writes text and solves no puzzles.",
            hint="Train one that does: rlm train --task sudoku:4x4",
        )
