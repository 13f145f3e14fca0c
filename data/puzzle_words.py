"""What puzzles are called, by the task of the model that solves them. Needs no numpy."""

from collections.abc import Mapping

PLURALS: Mapping[str, str] = {"sudoku": "grids", "maze": "mazes", "grid": "strings"}
KINDS_IN_WORDS: Mapping[str, str] = {"sudoku": "Sudokus", "maze": "mazes", "grid": "strings"}
