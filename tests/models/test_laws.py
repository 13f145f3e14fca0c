"""Every architecture is causal, honest on noise, bounded, live in every weight, and deterministic."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.depth import Depth
from models.losses import next_token_loss
from tests.models.small_models import (
    CONTEXT,
    EVERYTHING,
    KINDS,
    MODEST,
    VOCABULARY,
    Kind,
    blocks_of,
    distinct_depths,
    new_model,
    noise,
    of_the_text,
    random_tokens,
    steps_of,
    stirred,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# 1. Causal


@pytest.mark.parametrize("kind", EVERYTHING)
def test_no_logit_depends_on_a_later_token(kind: Kind) -> None:
    model = stirred(new_model(kind))
    length = min(CONTEXT, model.config.context_length)
    tokens = random_tokens(2, length)
    for depth, training in itertools.product((Depth(1), model.trained_depth, Depth(4, 3)), (False, True)):
        with torch.set_grad_enabled(training):
            before = model(tokens, depth)
            for position in (1, length // 2, length - 1):
                changed = tokens.clone()
                changed[:, position:] = (changed[:, position:] + 1 + position) % VOCABULARY
                after = model(changed, depth)
                # Where tokens leave, the others are computed in batches of other shapes, and a
                # matrix product's last bit is not the same in every shape.
                same = torch.equal if training or len(before.passes.unique()) == 1 else very_close
                assert same(after.logits[:, :position], before.logits[:, :position])
                assert torch.equal(after.passes[:, :position], before.passes[:, :position])
                assert not torch.equal(after.logits[:, position], before.logits[:, position])


def very_close(found: Tensor, expected: Tensor) -> bool:
    return float((found - expected).abs().max()) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_reaches_a_later_token(kind: Kind) -> None:
    model = stirred(new_model(kind))
    seen: list[Tensor] = []
    model.embedding.register_forward_hook(lambda module, inputs, output: seen.append(output))
    logits = model(random_tokens(1, CONTEXT)).logits
    seen[0].retain_grad()
    logits[0, CONTEXT // 2].square().sum().backward()
    gradient = seen[0].grad
    assert gradient is not None
    reached = gradient[0].abs().sum(-1) > 0  # (T,)
    assert reached.tolist() == [place <= CONTEXT // 2 for place in range(CONTEXT)]


# 2. Honest on noise


# Other inputs and positions are in the long proofs.
@pytest.mark.parametrize(
    "kind",
    [
        *KINDS[2::4],
        *(
            pytest.param(*kind.values, id=kind.id, marks=pytest.mark.slow)
            for kind in MODEST
            if kind not in KINDS[2::4]
        ),
    ],
)
def test_noise_is_never_predicted(kind: Kind) -> None:
    alphabet = 8
    floor = math.log(alphabet) - 0.02
    model = new_model(kind, vocabulary=alphabet)
    losses = [loss for _, loss in steps_of(model, noise(8, alphabet), 24)]
    # Each batch is new, so its loss before the step is a held-out one; the mean takes chance out.
    assert sum(losses[-16:]) / 16 >= floor
    torch.manual_seed(99)
    held_out = random_tokens(256, CONTEXT + 1, vocabulary=alphabet)
    with torch.no_grad():
        for depth in distinct_depths(model).values():
            assert float(next_token_loss(model(held_out[:, :-1], depth).logits, held_out[:, 1:])) >= floor


@pytest.mark.parametrize("kind", KINDS[::4])
def test_a_pattern_is_learned(kind: Kind) -> None:
    """The other side of the same coin: the training above does learn where there is something."""

    def counting() -> Iterator[Tensor]:
        draw = torch.Generator().manual_seed(7)
        while True:
            start = torch.randint(0, 8, (8, 1), generator=draw)
            yield (start + torch.arange(CONTEXT + 1)) % 8

    losses = [loss for _, loss in steps_of(new_model(kind, vocabulary=8), counting(), 40)]
    assert losses[-1] < 0.7


# 3. Bounded


@pytest.mark.parametrize("kind", MODEST)
def test_states_keep_their_order_of_magnitude(kind: Kind) -> None:
    model = stirred(new_model(kind))
    list(steps_of(model, noise(4, VOCABULARY), 6))
    trained = model.trained_depth
    far = Depth(4 * trained.cycles, 4 * trained.steps)
    inside: list[float] = []

    def measure(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if of_the_text(output):
            inside.append(root_mean_square(output))

    for block in blocks_of(model):
        block.register_forward_hook(measure)
    with torch.no_grad():
        output = model(random_tokens(4, CONTEXT), far, trace=True)
    assert torch.isfinite(output.logits).all()
    norms = [root_mean_square(one.state) for one in output.trace if one.level == output.trace[-1].level]
    assert len(norms) == model.passes(far) - (kind[0] == "recursive_router")  # whose stack counts as one
    assert max(norms) < 3 * min(norms)
    # What blocks add within a pass must not grow from pass to pass either.
    calls = model.attention_calls(trained)
    assert max(inside) < 3 * max(inside[:calls])


def root_mean_square(state: Tensor) -> float:
    assert torch.isfinite(state).all()
    return float(state.square().mean().sqrt())


# 4. Alive


@pytest.mark.parametrize("kind", EVERYTHING)
def test_every_weight_learns_within_five_steps(kind: Kind) -> None:
    model = new_model(kind)
    names = {name for name, _ in model.named_parameters()}
    moved: set[str] = set()
    for _ in steps_of(model, noise(1, VOCABULARY), 5):
        for name, weight in model.named_parameters():
            if weight.grad is not None:
                assert torch.isfinite(weight.grad).all(), name
                if weight.grad.any():
                    moved.add(name)
    assert moved == names


# 5. Deterministic


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_losses(kind: Kind) -> None:
    def losses() -> list[float]:
        model = new_model(kind, seed=3, dropout=0.1)
        return [loss for _, loss in steps_of(model, noise(4, VOCABULARY), 6)]

    first = losses()
    assert first == losses()
    assert len(set(first)) == len(first)
