"""Curves hold the steps that count, and place evaluations by tokens and time."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.runs.events import RolledBack
from models.runs.history import History
from models.runs.loss_curves import LossCurves, smoothed
from tests.models.runs.example_events import evaluation, paused, started, step


def curves_of(*events: object) -> LossCurves:
    history = History()
    for event in events:
        history.add(event)  # type: ignore[arg-type]
    return LossCurves.of(history)


def at(number: int, loss: float = 2.0) -> object:
    return step(number, loss, tokens_seen=100 * number, elapsed_s=0.5 * number)


def test_rollbacks_and_resumes_are_applied() -> None:
    curves = curves_of(
        *(at(number) for number in range(1, 9)),
        evaluation(1.9, step=8),
        RolledBack(step=8, to_step=4, learning_rate_scale=0.5),
        *(at(number, 1.0) for number in range(5, 8)),
        paused(6),
        started(start_step=6),
        *(at(number, 0.5) for number in range(7, 9)),
    )
    assert [(point.step, point.loss) for point in curves.training] == [
        *((number, 2.0) for number in range(1, 5)),
        *((number, 1.0) for number in range(5, 7)),
        *((number, 0.5) for number in range(7, 9)),
    ]
    assert curves.validation == ()


def test_evaluations_are_placed_between_the_steps_around_them() -> None:
    curves = curves_of(
        evaluation(3.0, step=0), at(10), at(20), evaluation(2.5, step=15), evaluation(2.0, step=20), at(21)
    )
    assert [(one.step, one.tokens, one.elapsed_s) for one in curves.validation] == [
        (0, 0, 0.0),
        (15, 1500, 7.5),
        (20, 2000, 10.0),
    ]
    assert all(isinstance(one.tokens, int) for one in curves.validation)
    point = curves.validation[1]
    assert [point.at(axis) for axis in ("step", "tokens", "time")] == [15.0, 1500.0, 7.5]


def test_losses_that_are_not_finite_are_left_out() -> None:
    curves = curves_of(at(1), at(2, math.inf), evaluation(math.nan, step=2))
    assert [point.step for point in curves.training] == [1] and not curves.validation


@settings(max_examples=30)
@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=50), st.floats(0, 0.99))
def test_a_smoothed_curve_stays_within_the_losses(losses: list[float], weight: float) -> None:
    means = smoothed(losses, weight)
    assert len(means) == len(losses) and means[0] == pytest.approx(losses[0])
    assert all(min(losses) - 1e-9 <= mean <= max(losses) + 1e-9 for mean in means)
    assert smoothed(losses, 0) == pytest.approx(losses)


def test_smoothing_takes_noise_out() -> None:
    noisy = [2 + (-1) ** number for number in range(200)]
    assert max(abs(mean - 2) for mean in smoothed(noisy, 0.95)[100:]) < 0.1
    assert smoothed(noisy[:20]) == noisy[:20], "a short curve is shown as it is"
