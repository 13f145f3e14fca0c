"""The scores of a model on puzzles."""

import numpy as np
import pytest

from models.evaluation.puzzles import rank_correlation


def test_ranks_are_compared_with_ties() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 1, 2, 2], [1, 2, 3, 4]) == pytest.approx(0.894427)
    assert np.isnan(rank_correlation([1, 1], [1, 2]))
