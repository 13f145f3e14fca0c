"""Puzzles to batches: which puzzles come next, and under which symmetry, is a function of how many were
drawn before."""

import functools

import numpy as np

from data.puzzles import PuzzleSet


class PuzzleSampler:
    """An endless shuffled sequence of puzzles, each under a random symmetry where its kind has some. An epoch
    visits every puzzle once, in an order of its own.

    A puzzle that its symmetry would turn into one of `held_out` stays as it is, so that none of those is
    trained on. On Sudokus as small as 4×4 that happens.
    """

    def __init__(self, puzzles: PuzzleSet, seed: int, held_out: PuzzleSet) -> None:
        self.puzzles = puzzles
        self.seed = seed
        self._held_out = {puzzle.tobytes() for puzzle in held_out.puzzles}
        self.context_length = puzzles.cells
        self.blocks_per_epoch = len(puzzles)
        self._order = functools.lru_cache(maxsize=2)(self._shuffled)

    def batch(self, position: int, batch_size: int) -> np.ndarray:
        """(B, 2, T) int64: puzzles and solutions number position to position + B - 1 of all drawn."""
        places = np.arange(position, position + batch_size)
        rows = np.array(
            [self._order(place // len(self.puzzles))[place % len(self.puzzles)] for place in places]
        )
        known = np.stack((self.puzzles.puzzles[rows], self.puzzles.solutions[rows]), axis=1)
        kind, random = self.puzzles.kind, self.random(position)
        symmetry = kind.random_symmetry(random, self.puzzles.cells, batch_size)
        if symmetry is None:
            return known.astype(np.int64)
        turned = np.stack((symmetry.apply(known[:, 0]), symmetry.apply(known[:, 1])), axis=1)
        unseen = [puzzle.tobytes() in self._held_out for puzzle in turned[:, 0]]
        turned[unseen] = known[unseen]
        return turned.astype(np.int64)

    def random(self, position: int, purpose: int = 0) -> np.random.Generator:
        """A random generator for the batch at `position`; each `purpose` has another one."""
        return np.random.default_rng((self.seed, position, purpose))

    def _shuffled(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.puzzles))
