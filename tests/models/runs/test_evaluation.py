"""evaluation.json: the mode that it says is best."""

import math

import pytest

from models.depth import best_mode
from models.runs.evaluation import Evaluation, evaluation_from_json


def test_the_best_mode_is_the_one_with_the_most_right_answers() -> None:
    """Also to problems that are harder than those in training, on which the loss says nothing."""
    evaluation = Evaluation(
        step=3,
        after_steps=3,
        validation_loss=0.1,
        validation_loss_by_mode={"fast": 0.1, "deep": 0.2, "extreme": 0.05},
        accuracy_by_mode={
            "fast": {"4": 1.0, "8": 0.2},
            "deep": {"4": 1.0, "8": 0.9},
            "extreme": {"4": 1.0, "8": 1.0},
        },
        extrapolated_modes=("extreme",),
    )
    assert evaluation.trained_mode_losses == pytest.approx({"fast": 0.4, "deep": 0.05})
    assert best_mode(evaluation.trained_mode_losses) == "deep"


@pytest.mark.parametrize("wrong", [(math.inf, -math.inf), (math.nan, 1.0), (1.7e308, 1.7e308)])
def test_a_mode_whose_right_answers_are_no_shares_is_not_the_best(wrong: tuple[float, float]) -> None:
    """Somebody else may have written the file."""
    evaluation = evaluation_from_json(
        {
            "step": 3,
            "after_steps": 3,
            "validation_loss": 0.1,
            "accuracy_by_mode": {"fast": {"1": wrong[0], "2": wrong[1]}, "deep": {"1": 0.5}, "extreme": {}},
        }
    )
    assert isinstance(evaluation, Evaluation)
    assert best_mode(evaluation.trained_mode_losses) == "deep"
