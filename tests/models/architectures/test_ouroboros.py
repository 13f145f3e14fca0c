"""ouroboros: exact sizes, what is cached, the reasoning prefix, and quarters of the passes."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from data.errors import UsageError
from models.architectures import build_model, model_config, skeleton
from models.architectures.ouroboros import Ouroboros
from models.depth import MODES, Depth, is_trained
from models.layers.block import Block
from models.layers.latent_cache import LatentCache
from models.presets import PRESETS

VOCABULARY = 30
OF_GPT_2 = 50_257


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def preset_model(name: str, vocab_size: int = OF_GPT_2) -> Ouroboros:
    preset = PRESETS[name]
    model = skeleton(model_config({"architecture": "ouroboros", **preset.model, "vocab_size": vocab_size}))
    assert isinstance(model, Ouroboros)
    return model


def stirred(**more: Any) -> Ouroboros:
    """A small model none of whose weights is zero."""
    torch.manual_seed(0)
    values = {"architecture": "ouroboros", "d_model": 32, "n_heads": 2, "context_length": 16, "passes": 4}
    model = build_model(model_config({**values, "vocab_size": VOCABULARY, **more})).eval()
    assert isinstance(model, Ouroboros)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    return model


@pytest.mark.parametrize(
    ("name", "parameters", "width", "heads", "passes"),
    [
        ("ouroboros-lite", 13_804_160, 256, 4, 4),
        ("ouroboros-pro", 29_475_968, 512, 8, 8),
        ("ouroboros-beast", 47_015_552, 768, 12, 12),
    ],
)
def test_presets_are_exact(name: str, parameters: int, width: int, heads: int, passes: int) -> None:
    model = preset_model(name)
    config = model.config
    assert (config.d_model, config.n_heads, config.passes) == (width, heads, passes)
    total, embedding = model.parameter_counts()
    assert total == parameters
    assert embedding == OF_GPT_2 * width
    attention = 9 * width**2 // 4 + 2 * (width // heads)
    feed_forward = 12 * width**2 + 9 * width
    assert total - embedding == attention + feed_forward + 3 * width + 5 * width


def test_most_of_lite_is_its_embedding_and_the_summary_says_so() -> None:
    total, embedding = preset_model("ouroboros-lite").parameter_counts()
    assert f"{embedding / total:.0%}" == "93%"
    assert "93 %" in PRESETS["ouroboros-lite"].summary


def test_only_the_feed_forward_has_biases_and_the_head_is_the_embedding() -> None:
    model = preset_model("ouroboros-lite")
    biases = {name for name, _ in model.named_parameters() if name.endswith("bias")}
    assert biases == {"block.feed_forward.up.bias", "block.feed_forward.out.bias"}
    assert model.head.weight is model.embedding.weight
    assert model.get_parameter("block.feed_forward.out.weight").size(1) == 4 * model.config.d_model


@pytest.mark.parametrize(
    ("name", "quarter"), [("ouroboros-lite", 1), ("ouroboros-pro", 2), ("ouroboros-beast", 3)]
)
def test_a_cycle_is_a_quarter_of_the_passes(name: str, quarter: int) -> None:
    model = preset_model(name)
    assert [model.attention_calls(depth) for depth in MODES.values()] == [
        quarter * cycles for cycles in (1, 2, 3, 4, 6)
    ]
    assert model.attention_calls(model.trained_depth) == model.config.passes
    assert [mode for mode, depth in MODES.items() if not is_trained(model, depth)] == ["extreme"]


@pytest.mark.parametrize("width", [32, 64])
def test_the_cache_takes_an_eighth_of_keys_and_values(width: int) -> None:
    model = stirred(d_model=width)
    others = {"architecture": "transformer", "d_model": width, "n_heads": 2, "context_length": 16}
    ordinary = build_model(model_config({**others, "vocab_size": VOCABULARY})).new_cache(2, 10)
    cache = model.new_cache(2, 10)
    assert cache.bytes_per_token == 4 * width // 4  # one float32 latent of a quarter of the width
    assert ordinary.bytes_per_token == 4 * 2 * width
    assert ordinary.bytes_per_token >= 4 * cache.bytes_per_token
    assert ordinary.bytes_per_token == 8 * cache.bytes_per_token
    # Nothing else grows with width and length: this is what is really allocated.
    allocated = cache.keys.nbytes + cache.values.nbytes
    assert allocated == cache.bytes_per_token * model.config.passes * 2 * cache.capacity


def test_a_token_is_cached_once_for_each_pass() -> None:
    """What was published cached nothing at all."""
    model = stirred()
    cache = model.new_cache(1, 8)
    with torch.no_grad():
        model(torch.randint(0, VOCABULARY, (1, 3)), cache=cache)
    filled = cache.keys.abs().sum((-1, 2)) > 0  # (passes, 1, 8)
    assert filled[:, 0].tolist() == [[True] * 3 + [False] * 5] * 4
    assert cache.length == 3


def calls_by_rows(model: nn.Module, forward: Any) -> dict[int, int]:
    """Applications of the block in `forward()`, by the rows of the batch it was applied to."""
    calls: dict[int, int] = {}

    def count(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        calls[len(output)] = calls.get(len(output), 0) + 1

    (block,) = (part for part in model.modules() if isinstance(part, Block))
    handle = block.register_forward_hook(count)
    with torch.no_grad():
        forward()
    handle.remove()
    return calls


def test_the_prefix_is_computed_once_for_a_batch_and_once_for_a_cache() -> None:
    model = stirred()
    tokens = torch.randint(0, VOCABULARY, (3, 5))
    # The last pass of the prefix is seen by nobody, and left out.
    assert calls_by_rows(model, lambda: model(tokens)) == {1: 3, 3: 4}
    cache = model.new_cache(3, 8)
    assert calls_by_rows(model, lambda: model(tokens, cache=cache)) == {1: 3, 3: 4}
    assert calls_by_rows(model, lambda: model(tokens[:, :1], cache=cache)) == {3: 4}
    cache.reset()
    assert calls_by_rows(model, lambda: model(tokens, cache=cache)) == {1: 3, 3: 4}


@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_every_token_sees_every_reasoning_token(positions: str) -> None:
    model = stirred(positions=positions)
    tokens = torch.randint(0, VOCABULARY, (2, 6))
    padding = torch.tensor([0, 3])
    for place in range(3, 6):  # behind the pads
        model.zero_grad()
        model(tokens, Depth(1), padding=padding).logits[1, place].square().sum().backward()
        assert model.reasoning.grad is not None
        assert (model.reasoning.grad.abs().sum(-1) > 0).all(), place


def test_the_prefix_has_the_positions_before_the_text() -> None:
    """Token t and reasoning token p are t + P - p apart, whatever the padding."""
    model = stirred(reasoning_tokens=3)
    context = model.attention_context(torch.zeros(2, 4, dtype=torch.int64), None, torch.tensor([0, 2]))
    assert context.key_cos is not None and context.key_sin is not None
    frequency = 1.0  # of the first pair of features
    places = torch.tensor([[-3.0, -2, -1, 0, 1, 2, 3], [-3, -2, -1, 0, 0, 0, 1]])
    assert torch.allclose(context.key_cos[:, :, 0, 0], (places * frequency).cos(), atol=1e-6)
    half = context.key_sin.size(-1) // 2
    assert torch.allclose(context.key_sin[:, :, 0, half], (places * frequency).sin(), atol=1e-6)


def test_the_state_has_one_size_at_any_depth() -> None:
    model = stirred()
    tokens = torch.randint(0, VOCABULARY, (2, 6))
    with torch.no_grad():
        trace = model(tokens, Depth(40), trace=True).trace
    assert len(trace) == 40
    for one in trace:
        assert torch.allclose(one.state.square().mean(-1), torch.ones(2, 6), atol=1e-3)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"passes": 6}, "model.passes"),
        ({"passes": 0}, "model.passes"),
        ({"passes": 68}, "model.passes"),
        ({"d_model": 10, "n_heads": 1}, "model.d_model"),
        ({"d_model": 36, "n_heads": 4}, "model.d_model"),
        ({"reasoning_tokens": 0}, "model.reasoning_tokens"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong: dict[str, int], field: str) -> None:
    with pytest.raises(UsageError, match=field):
        model_config({"architecture": "ouroboros", "vocab_size": 9, **wrong})


def test_its_cache_holds_latents() -> None:
    model = stirred()
    cache = model.new_cache(2, 7, Depth(2))
    assert isinstance(cache, LatentCache)
    assert cache.keys.shape == (2, 2, 1, 7, 8) and cache.values.numel() == 0
