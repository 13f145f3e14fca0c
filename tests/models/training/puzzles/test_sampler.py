"""Which puzzles training sees, and under which symmetries."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from data.cache import set_cache_dir
from data.progress import result_of
from data.puzzles import open_puzzles, split
from data.sudoku_checker import is_solution_of
from models.training.puzzles.sampler import PuzzleSampler


def test_sequences_are_solved_puzzles_and_a_function_of_their_position(tmp_path: Path) -> None:
    set_cache_dir(tmp_path)
    learned, held_out = split(result_of(open_puzzles("sudoku:4x4", 30)))
    sampler = PuzzleSampler(learned, 5, held_out)
    batch = sampler.batch(7, 40)  # over the end of an epoch
    assert batch.shape == (40, 2, 16)
    assert is_solution_of(batch[:, 1].astype(np.uint8), batch[:, 0].astype(np.uint8)).all()
    assert np.array_equal(batch, PuzzleSampler(learned, 5, held_out).batch(7, 40))
    assert not np.array_equal(batch, PuzzleSampler(learned, 6, held_out).batch(7, 40))
    # Where a symmetry makes a training puzzle one of those measured on, it is left as it was.
    images = sampler.batch(0, 50).astype(np.uint8)
    measured = replace(learned, puzzles=images[:, 0], solutions=images[:, 1])
    careful = PuzzleSampler(learned, 5, measured).batch(0, 50).astype(np.uint8)
    known = {puzzle.tobytes() for puzzle in learned.puzzles}
    assert {puzzle.tobytes() for puzzle in careful[:, 0]} <= known
    assert is_solution_of(careful[:, 1], careful[:, 0]).all()
