"""Muon, AdamW, and which weight goes to which."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models.architectures import ARCHITECTURES, build_model, model_config
from models.config import TrainingConfig
from models.layers.block import Block
from models.recursive_lm import RecursiveLM
from models.training import muon
from models.training.muon import Muon, orthogonalized
from models.training.optimizer import Optimizers

VOCABULARY = 20


def new_model(architecture: str = "looped", **more: Any) -> RecursiveLM:
    torch.manual_seed(0)
    shape = {"d_model": 32, "n_heads": 2, "vocab_size": VOCABULARY, "context_length": 8, "ngram": 1}
    return build_model(model_config({"architecture": architecture, **shape, **more}))


def learn(model: RecursiveLM, optimizers: Optimizers, steps: int, seed: int = 0, rate: float = 1.0) -> None:
    draw = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        blocks = torch.randint(0, VOCABULARY, (4, 9), generator=draw)
        optimizers.zero_grad()
        torch.manual_seed(seed)  # what a model draws itself
        model.training_loss(blocks[:, :-1], blocks[:, 1:], model.trained_depth).total.backward()
        optimizers.step(rate)


shapes = st.tuples(st.integers(2, 40), st.integers(2, 40))


@settings(max_examples=30, deadline=None)
@given(shape=shapes, count=st.integers(1, 3), scale=st.sampled_from([1e-6, 1.0, 1e6]), seed=st.integers(0, 9))
def test_an_update_is_orthogonal_and_keeps_its_direction(
    shape: tuple[int, int], count: int, scale: float, seed: int
) -> None:
    matrices = torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed)) * scale
    updates = orthogonalized(matrices).float()
    assert updates.shape == matrices.shape
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    strong = values > 0.1 * values[:, :1]  # five iterations do not lift the faintest directions all the way
    along = (left.mT @ updates @ right.mT).diagonal(dim1=-2, dim2=-1)
    assert (along[strong] > 0.5).all() and (along[strong] < 1.4).all()
    assert torch.linalg.matrix_norm(updates, 2).max() < 1.4


@pytest.mark.parametrize("name", ["bfloat16", "float32"])
def test_updates_are_computed_in_the_faster_format(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(muon, "rough_product_format", lambda device: name)
    assert orthogonalized(torch.eye(4)[None]).dtype == getattr(torch, name)


@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 12), columns=st.integers(2, 24), parts=st.integers(2, 4),
    momentum=st.sampled_from([0.0, 0.95]), decay=st.sampled_from([0.0, 0.1]), seed=st.integers(0, 9),
)  # fmt: skip
def test_a_fused_weight_moves_as_its_parts_would(
    rows: int, columns: int, parts: int, momentum: float, decay: float, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    start = torch.randn(parts * rows, columns, generator=draw)
    fused = nn.Parameter(start.clone())
    alone = [nn.Parameter(part.clone()) for part in start.chunk(parts)]
    together = Muon([{"params": [fused], "parts": parts}], 0.02, momentum, decay)
    apart = Muon([{"params": alone}], 0.02, momentum, decay)
    for _ in range(3):
        fused.grad = torch.randn(start.shape, generator=draw)
        for part, gradient in zip(alone, fused.grad.clone().chunk(parts), strict=True):
            part.grad = gradient
        together.step()
        apart.step()
    assert torch.equal(fused, torch.cat([part.detach() for part in alone]))
    assert not torch.equal(fused, start)


def test_a_fused_weight_taken_for_one_matrix_would_move_otherwise() -> None:
    start, gradient = torch.randn(24, 8), torch.randn(24, 8)
    moved = []
    for parts in (1, 3):
        weight = nn.Parameter(start.clone())
        weight.grad = gradient.clone()
        Muon([{"params": [weight], "parts": parts}], 0.02).step()
        moved.append(weight.detach())
    assert not torch.allclose(*moved, atol=1e-3)


def test_the_size_of_a_step_is_the_rate_and_not_the_gradient() -> None:
    for scale in (1e-4, 1e4):
        weight = nn.Parameter(torch.zeros(16, 16))
        weight.grad = torch.randn(16, 16) * scale
        Muon([{"params": [weight]}], 0.02).step()
        assert 0.5 * 0.02 < torch.linalg.matrix_norm(weight.detach(), 2) < 1.4 * 0.02


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_every_weight_is_in_one_group(architecture: str, optimizer: str) -> None:
    model = new_model(architecture)
    optimizers = Optimizers(model, TrainingConfig(optimizer=optimizer))
    grouped = [id(weight) for group in optimizers.groups() for weight in group["params"]]
    assert sorted(grouped) == sorted(id(weight) for weight in model.parameters())
    muon = {
        id(weight)
        for one in optimizers.all
        if isinstance(one, Muon)
        for group in one.param_groups
        for weight in group["params"]
    }
    blocks = [part for part in model.modules() if isinstance(part, Block)]
    matrices = {id(weight) for block in blocks for weight in block.parameters() if weight.ndim == 2}
    assert muon == (matrices if optimizer == "muon" else set())


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_rates_and_decay_go_where_they_belong(optimizer: str) -> None:
    config = TrainingConfig(
        optimizer=optimizer,
        learning_rate=0.01,
        matrix_learning_rate=0.03,
        embedding_rate=0.5,
        weight_decay=0.1,
    )
    model = new_model()
    optimizers = Optimizers(model, config)
    optimizers.step(0.1)
    found = {
        optimizers.names[weight]: (group["lr"], group["weight_decay"])
        for group in optimizers.groups()
        for weight in group["params"]
    }
    assert found["embedding.weight"] == pytest.approx((0.0005, 0.1))
    assert found["ngram_embeddings.0.weight"] == pytest.approx((0.0005, 0.1))
    assert found["head.weight"] == pytest.approx((0.001, 0.1))
    assert found["keep"] == found["core.0.attention_norm.weight"] == pytest.approx((0.001, 0.0))
    block = pytest.approx((0.003 if optimizer == "muon" else 0.001, 0.1))
    assert found["core.0.attention.qkv.weight"] == block


def test_a_tied_head_is_stepped_once_as_an_embedding() -> None:
    model = new_model(tied=True)
    optimizers = Optimizers(model, TrainingConfig(learning_rate=0.01, embedding_rate=0.5))
    rates = [
        group["lr"]
        for group in optimizers.groups()
        for weight in group["params"]
        if weight is model.embedding.weight
    ]
    assert rates == [0.005]


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_moments_are_named_after_their_weights(architecture: str, optimizer: str) -> None:
    model = new_model(architecture)
    optimizers = Optimizers(model, TrainingConfig(optimizer=optimizer))
    assert optimizers.state() == {}
    learn(model, optimizers, 2)
    state = optimizers.state()
    muon = {
        f"optimizer.{n}.momentum_buffer" for n, p in model.named_parameters() if is_muons(n, p, optimizer)
    }
    adam = {
        f"optimizer.{name}.{moment}"
        for name, weight in model.named_parameters()
        if not is_muons(name, weight, optimizer)
        for moment in ("step", "exp_avg", "exp_avg_sq")
    }
    assert state.keys() == muon | adam
    shapes = {name: weight.shape for name, weight in model.named_parameters()}
    for key, value in state.items():
        name, _, moment = key.removeprefix("optimizer.").rpartition(".")
        assert value.shape == (() if moment == "step" else shapes[name])


def is_muons(name: str, weight: Tensor, optimizer: str) -> bool:
    inside = any(part in name for part in ("attention.", "feed_forward."))
    return optimizer == "muon" and inside and weight.ndim == 2


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_loaded_moments_go_on_as_the_saved_ones(architecture: str, optimizer: str) -> None:
    config = TrainingConfig(optimizer=optimizer, weight_decay=0.01)
    one = new_model(architecture)
    first = Optimizers(one, config)
    learn(one, first, 3)
    other = new_model(architecture)
    second = Optimizers(other, config)
    learn(other, second, 1, seed=5)  # moments of its own, which must go
    other.load_state_dict(one.state_dict())
    saved = {name: value.clone() for name, value in first.state().items()}
    second.load(saved)
    learn(one, first, 2, seed=9, rate=0.7)
    learn(other, second, 2, seed=9, rate=0.7)
    assert first.state().keys() == second.state().keys() == saved.keys()
    assert all(torch.equal(value, second.state()[name]) for name, value in first.state().items())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert any(not torch.equal(value, saved[name]) for name, value in first.state().items()), "not copied"


def test_loading_the_moments_of_a_new_training_forgets_the_old_ones() -> None:
    model = new_model()
    optimizers = Optimizers(model, TrainingConfig())
    fresh = optimizers.state()
    learn(model, optimizers, 2)
    optimizers.load(fresh)
    assert optimizers.state() == {}


def test_moments_of_another_shape_are_left_out() -> None:
    small, large = new_model(), new_model(vocab_size=VOCABULARY + 3)
    first, second = Optimizers(small, TrainingConfig()), Optimizers(large, TrainingConfig())
    learn(small, first, 2)
    second.load(first.state())
    kept, dropped = second.state(), ("embedding.weight", "ngram_embeddings.0.weight", "head.weight")
    assert not any(name.startswith(f"optimizer.{weight}.") for name in kept for weight in dropped)
    assert torch.equal(
        kept["optimizer.core.0.attention.qkv.weight.momentum_buffer"],
        first.state()["optimizer.core.0.attention.qkv.weight.momentum_buffer"],
    )
    learn(large, second, 1)  # and it goes on from there
