"""The combination of sizes nearest to a target."""

from collections.abc import Callable

import pytest

from data.errors import UsageError
from models.architectures import ARCHITECTURES, model_config
from models.config import ModelConfig
from models.growth import planner
from models.growth.axes import differences
from models.growth.planner import NEAR, nearest, parameter_count
from models.presets import PRESETS

Configured = Callable[..., ModelConfig]


def hrm_4m() -> ModelConfig:
    return model_config({"architecture": "hrm", **PRESETS["hrm-4m"].model, "vocab_size": 87})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_plan_is_near_its_target(architecture: str) -> None:
    config = model_config({"architecture": architecture, "vocab_size": 87})
    now = parameter_count(config)
    for factor in (1.07, 1.4, 2.0):
        target = int(now * factor)
        assert abs(parameter_count(nearest(config, target)) - target) <= NEAR * target
        assert now < parameter_count(nearest(config, target, at_most=True)) <= target


def test_predicted_counts_equal_those_of_the_models(configured: Configured, kind: str) -> None:
    config = configured(kind)
    now = parameter_count(config)
    few = [shape for shape in planner._shapes(config, now, 3 * now) if shape.blocks in (0, 1, 5)]
    assert few
    for shape in few:
        assert parameter_count(config.larger(shape.larger)) == shape.parameters


def test_a_two_level_model_gets_two_low_blocks_for_each_high_one() -> None:
    config = hrm_4m()
    now = parameter_count(config)
    assert now == 3_980_290
    two_million = nearest(config, now + 2_000_000, at_most=True)
    assert {"l-layers": (3, 5), "h-layers": (3, 4)}.items() <= differences(config, two_million).items()
    assert parameter_count(two_million) <= now + 2_000_000
    one_million = differences(config, nearest(config, now + 1_000_000))
    assert (
        one_million["l-layers"] == (3, 4) and "h-layers" not in one_million
    )  # the width makes up for the rest
    assert one_million["ff"][1] > 512


def test_a_looped_model_grows_in_its_loop_first() -> None:
    config = model_config({"architecture": "looped", "vocab_size": 87})
    grown = differences(config, nearest(config, 3 * parameter_count(config)))
    added = {way: after - before for way, (before, after) in grown.items() if way != "ff"}
    assert added["core"] >= added["prelude"] >= added["coda"] >= added["core"] - 1


def test_targets_that_cannot_be_met_are_refused(configured: Configured) -> None:
    config = configured("transformer")
    now = parameter_count(config)
    for target in (now, now - 1, 1, -5):
        with pytest.raises(UsageError, match="The model already has"):
            nearest(config, target)
    with pytest.raises(UsageError, match="the smallest growth"):
        nearest(config, now + 1)
    with pytest.raises(UsageError, match="the smallest growth"):
        nearest(config, now + 1, at_most=True)
    with pytest.raises(UsageError, match="cannot be met: the model can grow to"):
        nearest(config, 10**12)
    largest = nearest(config, 10**12, at_most=True)
    assert differences(config, largest)["layers"] == (2, 256)


def test_a_model_without_room_for_blocks_grows_in_width(configured: Configured) -> None:
    config = configured("ouroboros")
    grown = config
    for _ in range(3):
        grown = nearest(grown, 10**9, at_most=True)
    assert set(differences(config, grown)) == {"ff"}
