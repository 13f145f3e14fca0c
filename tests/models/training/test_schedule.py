"""The learning rate over a run, and what stays as it was when the run gets another end."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import TrainingConfig
from models.runs.run_state import Schedule
from models.training.schedule import learning_rate_factor

SHAPES = ("wsd", "cosine")
stretches = st.tuples(st.integers(0, 500), st.integers(1, 500)).map(lambda pair: (pair[0], sum(pair)))


def rates(schedule: Schedule, config: TrainingConfig) -> list[float]:
    return [
        learning_rate_factor(schedule, step, config)
        for step in range(schedule.first_step, schedule.last_step + 1)
    ]


@given(stretches)
def test_progress_goes_from_nothing_to_all(stretch: tuple[int, int]) -> None:
    schedule = Schedule.over(*stretch)
    progress = [schedule.progress(step) for step in range(stretch[0], stretch[1] + 1)]
    assert progress[0] == 0.0 and progress[-1] == 1.0
    assert all(earlier < later for earlier, later in itertools.pairwise(progress))
    assert schedule.progress(stretch[1] + 7) == 1.0


@given(
    stretch=stretches,
    shape=st.sampled_from(SHAPES),
    warmup=st.integers(0, 80),
    final=st.floats(0, 1),
    cooldown=st.floats(0, 1),
)
def test_the_rate_rises_once_and_falls_once(
    stretch: tuple[int, int], shape: str, warmup: int, final: float, cooldown: float
) -> None:
    warmup = min(warmup, (stretch[1] - stretch[0]) // 2)  # a warm-up as long as the run is no warm-up
    config = TrainingConfig(schedule=shape, warmup_steps=warmup, final_rate=final, cooldown=cooldown)
    found = rates(Schedule.over(*stretch), config)
    peak = found.index(max(found))
    assert all(0 <= rate <= 1 for rate in found)
    rising, falling = found[: peak + 1], found[peak:]
    assert all(earlier <= later + 1e-12 for earlier, later in itertools.pairwise(rising))
    assert all(earlier >= later - 1e-12 for earlier, later in itertools.pairwise(falling))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_corners_of_the_rate(shape: str) -> None:
    config = TrainingConfig(schedule=shape, warmup_steps=10, final_rate=0.1, cooldown=0.5)
    schedule = Schedule.over(100, 300)
    assert learning_rate_factor(schedule, 100, config) == pytest.approx(
        0.1
    )  # the first step is one tenth of the way up
    assert learning_rate_factor(schedule, 104, config) == pytest.approx(0.5, rel=0.01)
    assert learning_rate_factor(schedule, 300, config) == pytest.approx(0.1)
    if shape == "wsd":
        assert all(learning_rate_factor(schedule, step, config) == 1.0 for step in range(109, 201))
        assert learning_rate_factor(schedule, 250, config) == pytest.approx(0.55)
    else:
        assert learning_rate_factor(schedule, 200, config) == pytest.approx(0.55)


def test_without_a_cool_down_the_rate_stays() -> None:
    config = TrainingConfig(cooldown=0.0, warmup_steps=0)
    assert set(rates(Schedule.over(0, 50), config)) == {1.0}


@given(stretches, st.floats(0, 1), st.integers(1, 500))
def test_another_end_keeps_what_is_done(stretch: tuple[int, int], share: float, more: int) -> None:
    config = TrainingConfig(warmup_steps=5)
    schedule = Schedule.over(*stretch)
    step = int(stretch[0] + share * (stretch[1] - stretch[0]))
    moved = schedule.ending_at(step + more, step)
    assert moved.progress(step) == schedule.progress(step)
    assert learning_rate_factor(moved, step, config) == pytest.approx(
        learning_rate_factor(schedule, step, config), abs=1e-12
    )
    assert moved.progress(step + more) == pytest.approx(1.0, abs=1e-12)
    assert moved.first_step == schedule.first_step  # so warm-up is not done twice
    assert moved.progress(step + more // 2) <= 1.0


@given(stretches, st.integers(0, 10_000))
def test_a_warm_up_takes_a_tenth_at_most_and_reaches_the_peak(stretch: tuple[int, int], warmup: int) -> None:
    config = TrainingConfig(warmup_steps=warmup, cooldown=0.5)
    schedule = Schedule.over(*stretch, warmup_steps=warmup)
    found = rates(schedule, config)
    assert found.index(1.0) <= 0.1 * (stretch[1] - stretch[0])
    assert rates(schedule.ending_at(stretch[1] + 1000, stretch[0]), config)[: len(found)].index(
        1.0
    ) == found.index(1.0)


def test_a_training_of_an_earlier_version_keeps_its_warm_up() -> None:
    assert rates(Schedule.over(0, 20), TrainingConfig(warmup_steps=40))[:3] == [1 / 40, 2 / 40, 3 / 40]


def test_a_training_that_goes_on_warms_up_to_its_share_of_the_rate() -> None:
    config = TrainingConfig(warmup_steps=10, cooldown=0.5)
    found = rates(Schedule.over(1000, 1100, 0.5), config)
    assert found[0] == pytest.approx(0.05)
    assert max(found) == pytest.approx(0.5)
