"""What puzzles are called, by the task of the model that solves them. Needs no numpy."""

from collections.abc import Mapping

PUZZLES_IN_WORDS: Mapping[str, str] = {"sudoku": "Sudokus", "maze": "mazes", "grid": "strings"}
PLURALS: Mapping[str, str] = {**PUZZLES_IN_WORDS, "sudoku": "grids"}
"""What many of one size are called."""
