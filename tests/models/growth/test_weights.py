"""A grown model of every kind gives the same output, and all its weights learn."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.architectures import ARCHITECTURES, build_model
from models.architectures.puzzle_model import PuzzleModel
from models.config import ModelConfig, TrainingConfig
from models.depth import MODES
from models.growth.axes import grow_config, sizes
from models.growth.check import LARGEST_CHANGE, tokens_to_check
from models.growth.weights import grow_snapshot, grow_training, grow_weights, largest_logit_change
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import Snapshot
from models.runs.run_state import Counters, RunState
from models.training.optimizer import Optimizers, WeightAverage

Configured = Callable[..., ModelConfig]
Stirred = Callable[[ModelConfig], RecursiveLM]
MORE = {"ff": 13, "vocab": 7, "loops": 1}


def larger(config: ModelConfig, *axes: str) -> ModelConfig:
    return grow_config(
        config, {axis: size + MORE.get(axis, 2) for axis, size in sizes(config).items() if axis in axes}
    )


def model_of(config: ModelConfig, weights: dict[str, Tensor]) -> RecursiveLM:
    model = build_model(config)
    model.load_state_dict(weights)
    return model.eval()


def solves_puzzles(model: RecursiveLM) -> bool:
    return isinstance(model, PuzzleModel) and model.config.task != "text"


def loss_of(model: RecursiveLM, tokens: Tensor) -> Tensor:
    if isinstance(model, PuzzleModel) and solves_puzzles(model):
        thought = model.ponder(tokens)
        taken = torch.ones(len(tokens))
        return model.puzzle_loss(thought, tokens * (tokens > 2), tokens.clamp(min=1), taken).total
    return model.training_loss(tokens[:, :-1], tokens[:, 1:], model.trained_depth).total


def trained(model: RecursiveLM, steps: int, **dials: Any) -> Optimizers:
    """The optimizers after some steps on random tokens."""
    optimizers = Optimizers(model, TrainingConfig(**dials))
    torch.manual_seed(1)
    model.train()
    for _ in range(steps):
        length = model.config.context_length + (not solves_puzzles(model))
        optimizers.zero_grad()
        loss_of(model, torch.randint(0, model.config.vocab_size, (16, length))).backward()
        optimizers.step(1.0)
    model.eval()
    return optimizers


def axis_sets(config: ModelConfig) -> list[tuple[str, ...]]:
    """Each axis alone, and all of them at once."""
    axes = list(sizes(config))
    return [*((axis,) for axis in axes), tuple(axes)]


def test_a_grown_model_gives_the_same_output_at_every_mode(
    kind: str, configured: Configured, stirred: Stirred
) -> None:
    old = configured(kind)
    before = stirred(old)
    tokens = tokens_to_check(old)
    for axes in axis_sets(old):
        new = larger(old, *axes)
        after = model_of(new, grow_weights(old, new, before.state_dict()))
        assert largest_logit_change(before, after, tokens) <= LARGEST_CHANGE, axes
        assert after.parameter_counts()[0] > before.parameter_counts()[0] or axes == ("loops",)


def test_a_model_can_grow_repeatedly(kind: str, configured: Configured, stirred: Stirred) -> None:
    old = new = configured(kind)
    before = after = stirred(old)
    for axes in (axis_sets(old)[-1], axis_sets(old)[0], axis_sets(old)[-2]):
        small, new = new, larger(new, *axes)
        after = model_of(new, grow_weights(small, new, after.state_dict(), seed=3))
    assert largest_logit_change(before, after, tokens_to_check(old)) <= LARGEST_CHANGE


def test_every_new_weight_learns(kind: str, configured: Configured, stirred: Stirred) -> None:
    old = configured(kind)
    before = stirred(old)
    small = {name: tuple(p.shape) for name, p in before.named_parameters()}
    for axes in axis_sets(old):
        new = larger(old, *axes)
        begun = grow_weights(old, new, before.state_dict())
        model = model_of(new, begun)
        trained(model, 2)
        for name, parameter in model.named_parameters():
            if small.get(name) == tuple(parameter.shape):
                continue
            moved = parameter.detach() != begun[name]
            if name in small:  # ignore moves of the old weights
                moved[tuple(slice(size) for size in small[name])] = False
                assert moved.any(), (axes, name)
            elif parameter.ndim >= 2:
                assert moved.float().mean() > 0.5, (axes, name)
            else:
                assert moved.any(), (axes, name)


def test_every_text_architecture_grows_in_depth_and_vocabulary(configured: Configured) -> None:
    for architecture in ARCHITECTURES:
        axes = set(sizes(configured(architecture)))
        assert "vocab" in axes and axes & {"layers", "l-layers", "core", "loops"}, architecture


def test_the_check_finds_a_change_at_any_mode(configured: Configured, stirred: Stirred) -> None:
    old = configured("looped")
    before = stirred(old)
    new = larger(old, "core")
    weights = grow_weights(old, new, before.state_dict())
    weights["core.1.feed_forward.out.weight"][0, 0] = 0.1
    assert largest_logit_change(before, model_of(new, weights), tokens_to_check(old)) > LARGEST_CHANGE
    weights["core.1.feed_forward.out.weight"][0, 0] = float("nan")
    assert not largest_logit_change(before, model_of(new, weights), tokens_to_check(old)) <= LARGEST_CHANGE


def test_new_loops_do_not_change_the_deepest_modes(configured: Configured, stirred: Stirred) -> None:
    old = configured("mor")
    before = stirred(old)
    new = grow_config(old, {"loops": 4})
    after = model_of(new, grow_weights(old, new, before.state_dict()))
    assert set(before.modes()) < set(after.modes())
    tokens = tokens_to_check(old)
    with torch.no_grad():
        deep, same = before(tokens, MODES["extreme"]).logits, after(tokens, MODES["extreme"]).logits
    assert float((deep - same).abs().max()) <= LARGEST_CHANGE
    probabilities = after.layers[0].pass_probs(torch.randn(1, 5, old.d_model), 4)  # type: ignore[union-attr]
    assert bool((probabilities[..., 3:] > 0).all())  # and some tokens take the new steps


def test_new_tokens_start_as_the_average_token(configured: Configured, stirred: Stirred) -> None:
    for kind in ("looped", "looped-tied"):
        old = configured(kind)
        before = stirred(old).state_dict()
        new = grow_config(old, {"vocab": 43})
        weights = grow_weights(old, new, before)
        for name in [name for name in before if len(before[name]) == old.vocab_size]:
            assert torch.equal(weights[name][:40], before[name])
            expected = before[name][16:].mean(dim=0)
            assert torch.allclose(weights[name][40:], expected.expand(3, -1), atol=1e-6), name


def test_a_joined_token_is_the_mean_of_its_parts(configured: Configured, stirred: Stirred) -> None:
    old = configured("looped")
    before = stirred(old).state_dict()
    new = grow_config(old, {"vocab": 42})
    weights = grow_weights(old, new, before, parts=[(20, 21), (40, 22)])
    for name in ("embedding.weight", "ngram_embeddings.0.weight", "ngram_embeddings.1.weight", "head.weight"):
        joined = (before[name][20] + before[name][21]) / 2
        assert torch.allclose(weights[name][40], joined, atol=1e-6)
        assert torch.allclose(weights[name][41], (joined + before[name][22]) / 2, atol=1e-6)


def test_a_vocabulary_without_text_tokens_grows_too(configured: Configured, stirred: Stirred) -> None:
    old = configured("looped", vocab_size=10)
    weights = grow_weights(old, grow_config(old, {"vocab": 12}), stirred(old).state_dict())
    assert all(bool(value.isfinite().all()) for value in weights.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_keep_their_dtype(dtype: torch.dtype, configured: Configured, stirred: Stirred) -> None:
    old = configured("hrm")
    before = {name: value.to(dtype) for name, value in stirred(old).state_dict().items()}
    new = larger(old, *sizes(old))
    weights = grow_weights(old, new, before)
    assert {value.dtype for value in weights.values()} == {dtype}
    assert all(bool(value.isfinite().all()) for value in weights.values())
    assert torch.equal(weights["head.weight"][:40], before["head.weight"])


def test_growing_depends_on_its_seed_only_and_keeps_the_random_state(
    configured: Configured, stirred: Stirred
) -> None:
    old = configured("looped")
    before = stirred(old).state_dict()
    new = larger(old, "core", "ff")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = grow_weights(old, new, before, seed=1)
    assert torch.equal(torch.rand(3), expected)
    second, other = grow_weights(old, new, before, seed=1), grow_weights(old, new, before, seed=2)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["core.1.attention.qkv.weight"], other["core.1.attention.qkv.weight"])


def test_moments_stay_with_their_weights(kind: str, configured: Configured, stirred: Stirred) -> None:
    old = configured(kind)
    before = stirred(old)
    weights = before.state_dict()
    # Moments equal to the weights show by their values where each was copied.
    moments = {f"optimizer.{name}.exp_avg": p.detach() for name, p in before.named_parameters()}
    steps = {f"optimizer.{name}.step": torch.tensor(7.0) for name, _ in before.named_parameters()}
    new = larger(old, *sizes(old))
    moved = grow_training(old, new, {**moments, **steps}, weights)
    after = grow_weights(old, new, weights)
    assert moved.keys() == moments.keys() | steps.keys()  # none for new parameters
    for name, parameter in before.named_parameters():
        moment = moved[f"optimizer.{name}.exp_avg"]
        assert moment.shape == after[name].shape
        assert int((moment != 0).sum()) == int((parameter != 0).sum()), name  # zero in every new place
        if "router_out" not in name:  # its bias is redistributed
            assert torch.equal(moment[moment != 0], after[name][moment != 0]), name
        assert float(moved[f"optimizer.{name}.step"]) == 7.0


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_grown_moments_fit_the_optimizers(optimizer: str, configured: Configured, stirred: Stirred) -> None:
    old = configured("looped-tied")
    before = stirred(old)
    state = trained(before, 2, optimizer=optimizer).state()
    new = larger(old, *sizes(old))
    moved = grow_training(old, new, state, before.state_dict())
    optimizers = Optimizers(build_model(new), TrainingConfig(optimizer=optimizer))
    optimizers.load(moved)
    found = optimizers.state()
    assert found.keys() == state.keys()  # none was left out for its shape
    assert all(torch.equal(found[name], moved[name]) for name in found)


def test_the_average_of_the_weights_grows_as_they_do(
    kind: str, configured: Configured, stirred: Stirred
) -> None:
    old = configured(kind)
    before = stirred(old)
    average = WeightAverage(before, 0.5)
    trained(before, 1)
    average.update(before)
    tensors = {f"average.{name}": value for name, value in average.state().items()}
    averaged = build_model(old)
    averaged.load_state_dict(before.state_dict())
    with torch.no_grad():
        for name, parameter in averaged.named_parameters():
            parameter.copy_(average.shadow[name])
    new = larger(old, *sizes(old))
    moved = grow_training(old, new, tensors, before.state_dict())
    after = model_of(new, grow_weights(old, new, before.state_dict()))
    assert moved.keys() == {f"average.{name}" for name, _ in after.named_parameters()}
    with torch.no_grad():
        for name, parameter in after.named_parameters():
            parameter.copy_(moved[f"average.{name}"])
    assert largest_logit_change(averaged, after, tokens_to_check(old)) <= LARGEST_CHANGE


def test_a_snapshot_grows(configured: Configured, stirred: Stirred) -> None:
    old = configured("hrm")
    before = stirred(old)
    state = replace(RunState.initial(), counters=Counters(step=2), revision=1)
    snapshot = Snapshot(2, before.state_dict(), trained(before, 2).state(), state)
    new = larger(old, "l-layers", "ff")
    after = grow_snapshot(snapshot, old, new)
    assert (after.step, after.state) == (2, state)
    assert after.training.keys() == snapshot.training.keys()
    assert largest_logit_change(before, model_of(new, after.model), tokens_to_check(old)) <= LARGEST_CHANGE
