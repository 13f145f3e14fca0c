"""What can grow, and the messages for what cannot."""

from collections.abc import Callable
from typing import Any

import pytest

from data.errors import UsageError
from models.config import ModelConfig
from models.growth.axes import differences, grow_config, sizes

Configured = Callable[..., ModelConfig]


def refusal(config: ModelConfig, new_sizes: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        grow_config(config, new_sizes)
    return caught.value.message, caught.value.hint or ""


def test_each_axis_is_one_field(configured: Configured) -> None:
    config = configured("looped")
    larger = grow_config(config, {"core": 3, "ff": 200, "vocab": 50})
    assert (larger.core_layers, larger.d_feed_forward, larger.vocab_size) == (3, 200, 50)  # type: ignore[attr-defined]
    assert differences(config, larger) == {"core": (1, 3), "ff": (96, 200), "vocab": (40, 50)}
    assert differences(config, config) == {}


def test_an_unset_width_grows_from_its_default(configured: Configured) -> None:
    for kind, width in (("looped", 96), ("transformer", 96), ("transformer-gpt2", 128), ("ouroboros", 128),
                        ("router", 128), ("mor", 128)):  # fmt: skip
        config = configured(kind)
        assert sizes(config)["ff"] == width
        assert f"is already {width};" in refusal(config, {"ff": width})[0]


@pytest.mark.parametrize("size", [2, 1, 0, -4])
def test_a_size_must_grow(size: int, configured: Configured) -> None:
    message, hint = refusal(configured("transformer"), {"layers": size})
    assert message == "--layers is already 2; give 3 or more." and "blocks" in hint


def test_a_refusal_lists_what_can_grow(configured: Configured) -> None:
    message, hint = refusal(configured("ouroboros"), {"layers": 3})
    assert message == "A model of architecture ouroboros cannot grow by --layers."
    assert hint == "It can grow by --loops (loops, now 4), --ff (feed-forward units, now 128), " \
                   "--vocab (tokens, now 40)."  # fmt: skip
    assert "cannot grow by --loops" in refusal(configured("transformer"), {"loops": 3})[0]
    assert "cannot grow by --loops" in refusal(configured("router"), {"loops": 3})[0]
    assert "all tokens take all steps" in refusal(configured("mor-fixed"), {"loops": 3})[0]
    assert "stablemax" in refusal(configured("hrm-stablemax"), {"vocab": 50})[0]
    for kind in ("hrm-sudoku", "trm-sudoku"):
        assert "symbols" in refusal(configured(kind), {"vocab": 7})[0]
        assert "would change its answers" in refusal(configured(kind), {"loops": 7})[0]
    assert set(sizes(configured("hrm-sudoku"))) == {"l-layers", "h-layers", "ff"}
    assert set(sizes(configured("trm-sudoku"))) == {"layers", "ff"}


def test_impossible_sizes_are_refused(configured: Configured) -> None:
    config = configured("looped")
    assert "cannot grow in 'width'" in refusal(config, {"width": 9})[0]
    assert refusal(config, {})[0] == "Say what to grow, for example --prelude 2."
    assert "not a whole number" in refusal(config, {"core": 2.5})[0]
    assert "not a whole number" in refusal(config, {"core": True})[0]
    assert "must be 1 to 64" in refusal(config, {"core": 65})[0]
    assert "model.vocab_size" in refusal(config, {"vocab": 2**21})[0]


def test_grown_blocks_of_a_post_norm_model_have_gates(configured: Configured) -> None:
    config = grow_config(grow_config(configured("trm"), {"layers": 3}), {"layers": 4})
    assert (config.layers, config.gated_layers) == (4, 3)  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="gated_layers"):
        configured("trm", layers=2, gated_layers=2)
