"""What is counted of a step against what torch counts and holds."""

import copy
from collections.abc import Iterable

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from models.architectures import ARCHITECTURES, build_model, model_config
from models.config import TrainingConfig
from models.cost.counts import kept_bytes, logit_bytes, newton_schulz_flops, state_bytes, step_flops
from models.cost.number_format import rough_product_format
from models.depth import Depth
from models.device import autocast
from models.layers import attention
from models.recursive_lm import RecursiveLM
from models.training.optimizer import Optimizers, WeightAverage

SIZES = ({"d_model": 64, "n_heads": 4, "vocab_size": 90}, {"d_model": 32, "n_heads": 2, "vocab_size": 2000})
TOKENS = 64


@pytest.fixture(params=SIZES, ids=("few-tokens", "many-tokens"))
def sizes(request: pytest.FixtureRequest) -> dict[str, int]:
    found: dict[str, int] = request.param
    return found


def made(architecture: str, sizes: dict[str, int]) -> RecursiveLM:
    return build_model(model_config({"architecture": architecture, "context_length": TOKENS, **sizes}))


def a_pass(model: RecursiveLM, depth: Depth) -> Tensor:
    tokens = torch.randint(0, model.config.vocab_size, (2, TOKENS))
    return model.training_loss(tokens, tokens, depth).total


def operations(model: RecursiveLM, depth: Depth) -> dict[str, int]:
    """What torch counts of a forward and a backward pass, per token, by kind of operation."""
    # Only of attention in plain steps are the products seen.
    with pytest.MonkeyPatch.context() as patch, sdpa_kernel(SDPBackend.MATH):
        patch.setattr(attention, "can_fuse_attention", lambda *_: False)
        with FlopCounterMode(display=False) as counter:
            a_pass(model, depth).backward()
    counts = counter.get_flop_counts()["Global"]
    return {str(kind): count // (2 * TOKENS) for kind, count in counts.items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_operations_are_those_torch_counts(architecture: str, sizes: dict[str, int]) -> None:
    model, more_tokens = made(architecture, sizes), made(architecture, {**sizes, "vocab_size": 4000})
    for depth in (Depth(1), model.trained_depth):
        counted, found = step_flops(model, depth), sum(operations(model, depth).values())
        assert counted.total == pytest.approx(found, rel=0.1)
        of_head = sum(operations(more_tokens, depth).values()) - found
        assert step_flops(more_tokens, depth).head - counted.head == pytest.approx(of_head, rel=0.01)


def test_attention_is_counted_by_the_length_it_looks_back() -> None:
    model = made("transformer", SIZES[0])
    found = operations(model, model.trained_depth)
    assert step_flops(model, model.trained_depth).attention == found["aten.bmm"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_operations_of_muon_are_those_torch_counts(architecture: str) -> None:
    model = made(architecture, SIZES[0])
    optimizers = Optimizers(model, TrainingConfig(steps=1))
    a_pass(model, model.trained_depth).backward()
    rough_product_format(torch.device("cpu"))  # it is measured once
    with FlopCounterMode(display=False) as counter:
        optimizers.step(0.0)
    assert newton_schulz_flops(model) == pytest.approx(counter.get_total_flops(), rel=0.01)


def size_of(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


@pytest.mark.parametrize(("optimizer", "decay"), [("muon", 0.9), ("adamw", 0.0)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_state_is_as_large_as_its_tensors(
    architecture: str, optimizer: str, decay: float, sizes: dict[str, int]
) -> None:
    model = made(architecture, sizes)
    training = TrainingConfig(steps=1, optimizer=optimizer, average_decay=decay)
    optimizers = Optimizers(model, training)
    a_pass(model, model.trained_depth).backward()
    optimizers.step(1.0)
    held = [*model.parameters(), *(p.grad for p in model.parameters() if p.grad is not None)]
    held += [moment for moment in optimizers.state().values() if moment.ndim]
    held += copy.deepcopy(model).parameters()
    held += WeightAverage(model, decay).shadow.values() if decay else []
    assert state_bytes(model, training) == size_of(held)


def kept_of(model: RecursiveLM, number_format: str) -> int:
    """Bytes that torch keeps between the forward and the backward pass, weights left out."""
    kept: dict[int, torch.UntypedStorage] = {}
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    matrices = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    cast = {matrix.shape for matrix in matrices} | {matrix.mT.shape for matrix in matrices}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and tensor.shape not in cast:
            kept[storage.data_ptr()] = storage
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, autocast(torch.device("cpu"), number_format):
        loss = a_pass(model, model.trained_depth)
    found = sum(storage.nbytes() for storage in kept.values())
    assert loss.requires_grad
    return found


@pytest.mark.parametrize("number_format", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_the_backward_pass_needs_is_about_what_is_counted(
    architecture: str, number_format: str, sizes: dict[str, int]
) -> None:
    model = made(architecture, sizes)
    kept = kept_of(model, number_format) / (2 * TOKENS)
    readouts = model.readouts(model.trained_depth)
    logits = 4 * model.config.vocab_size * readouts  # logarithms of probabilities; logits are let go
    assert logits < kept
    assert kept / 1.5 < kept_bytes(model, number_format) + logits < 1.5 * kept
    assert logit_bytes(model) == 2 * logits + 4 * model.config.vocab_size
