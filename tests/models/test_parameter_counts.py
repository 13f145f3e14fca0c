"""Every preset has exactly the stated number of parameters."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.architectures import ARCHITECTURES, build_model, model_config, skeleton
from models.presets import PRESETS
from models.recursive_lm import RecursiveLM


def preset_model(name: str, vocab_size: int) -> RecursiveLM:
    preset = PRESETS[name]
    values = {"architecture": preset.architecture, **preset.model, "vocab_size": vocab_size}
    return skeleton(model_config(values))


@pytest.mark.parametrize(
    ("vocab_size", "parameters"), [(87, 3_980_290), (100, 3_986_946), (142, 4_008_450), (203, 4_039_682)]
)
def test_hrm_4m_is_exact(vocab_size: int, parameters: int) -> None:
    total, embedding = preset_model("hrm-4m", vocab_size).parameter_counts()
    assert total == parameters
    assert embedding == 512 * vocab_size  # the table and the untied head, 256 wide each
    assert total - embedding == 6 * 655_872 + 2 * 256 + 2  # six blocks, two halting outputs with bias


def test_nanogpt_cpu_is_the_well_known_recipe() -> None:
    vocab_size, width, context = 65, 128, 64
    model = preset_model("nanogpt-cpu", vocab_size)
    total, embedding = model.parameter_counts()
    matrices = width * 3 * width + width * width + 2 * width * 4 * width
    assert embedding == (vocab_size + context) * width  # the tied head is the table
    assert total - embedding == 4 * (matrices + 2 * width) + width  # and a norm, none with a bias
    assert not any("bias" in name for name, _ in model.named_parameters())
    assert model.head.weight is model.embedding.weight
    training = PRESETS["nanogpt-cpu"].training
    recipe = {
        "steps": 2000, "batch_size": 12, "optimizer": "adamw", "learning_rate": 1e-3, "warmup_steps": 100,
        "schedule": "cosine", "final_rate": 0.1, "beta2": 0.99, "gradient_clip": 1.0,
    }  # fmt: skip
    assert recipe.items() <= training.items()
    assert model.config.dropout == 0 and model.config.context_length == context


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("vocab_size", [2, 1000])
def test_blocks_do_not_grow_with_the_vocabulary(name: str, vocab_size: int) -> None:
    small, large = preset_model(name, vocab_size), preset_model(name, vocab_size + 1)
    (total, embedding), (more, more_embedding) = small.parameter_counts(), large.parameter_counts()
    assert total - embedding == more - more_embedding
    tables = 1 + small.config.ngram + (0 if getattr(small.config, "tied", False) else 1)
    assert more - total == tables * small.config.d_model


@settings(max_examples=40, deadline=None)
@given(
    architecture=st.sampled_from(list(ARCHITECTURES)),
    positions=st.sampled_from(["rotary", "learned"]),
    ngram=st.integers(0, 4),
    tied=st.booleans(),
    vocab_size=st.integers(2, 300),
)
def test_every_number_is_counted_once(
    architecture: str, positions: str, ngram: int, tied: bool, vocab_size: int
) -> None:
    width, context = 32, 48
    values = {"d_model": width, "n_heads": 2, "context_length": context, "vocab_size": vocab_size}
    usual = model_config({**values, "architecture": architecture})
    dials = {field.name for field in dataclasses.fields(usual)}
    own = {name: value for name, value in {"d_feed_forward": 32, "tied": tied}.items() if name in dials}
    shape = {**values, **own, "architecture": architecture, "positions": positions, "ngram": ngram}
    config = model_config(shape)
    model = build_model(config)
    distinct = {tensor.data_ptr(): tensor.numel() for tensor in model.parameters()}
    total, embedding = model.parameter_counts()
    assert total == sum(distinct.values())
    tables = 1 + ngram + (0 if own.get("tied") else 1)
    learned = context * width if positions == "learned" else 0
    assert embedding == tables * vocab_size * width + learned
    assert skeleton(config).parameter_counts() == (total, embedding)
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())
