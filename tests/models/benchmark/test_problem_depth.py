"""What is said of leaving early on problems."""

import pytest

from models.benchmark.problem_depth import LeavingEarly
from models.evaluation.problems import ProblemScores


def leaving(right: float, right_early: float, spent: dict[int, list[float]]) -> LeavingEarly:
    all_passes = {difficulty: [6.0] * len(each) for difficulty, each in spent.items()}
    full = ProblemScores(dict.fromkeys(spent, right), all_passes, 1.0, 4)
    return LeavingEarly(0.5, full, ProblemScores(dict.fromkeys(spent, right_early), spent, 1.0, 4))


@pytest.mark.parametrize(
    ("right", "early", "words"), [(0.9, 0.8, "costs 10.0 points"), (0.8, 0.9, "gains 10.0 points")]
)
def test_leaving_early_costs_or_gains(right: float, early: float, words: str) -> None:
    verdict = leaving(right, early, {1: [2.0, 2.0], 2: [3.0, 4.0]}).verdict()
    assert "saves 54.2% of the passes" in verdict and words in verdict
    assert "rank correlation of 0.94" in verdict


def test_no_correlation_is_told_where_nothing_changes() -> None:
    assert "correlation" not in leaving(0.9, 0.9, {1: [2.0, 3.0]}).verdict()
