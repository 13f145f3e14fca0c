"""What is recorded gives, on other numbers, what torch gives."""

import ctypes
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from models.native import recording
from models.native.native_step import native_step
from models.native.operations import Operation, State
from models.native.recorder import Recorder
from models.native.recording import Packed, Recording

STEP = native_step()
pytestmark = pytest.mark.skipif(STEP is None, reason="there is no C compiler")
EIGHTH = torch.full((7,), 0.125)
WIDE = torch.randn(3, 1, 5, generator=torch.Generator().manual_seed(1))

COMPUTED: dict[str, Callable[[Tensor], Tensor]] = {
    "sums": lambda x: x + x.transpose(0, 1).transpose(0, 1) * 0.5 - (1.0 - x) / 3,
    "broadcasts": lambda x: x[:, :1] * WIDE.reshape(15)[:7] + x.mT[:, :3].mT * x[:, :1],
    "views": lambda x: x.mT.reshape(-1).view(7, 3).chunk(7)[3] + x.unflatten(1, (7, 1)).squeeze(-1)[0, 2],
    "cut and joined": lambda x: torch.cat((x[:, 4:], x[:, 1:3], F.pad(x[1:2], (1, 0, 1, 1))[:, 2:]), dim=1),
    "rolled": lambda x: x.roll(-2, dims=-1) + x.roll(3, dims=0),
    "curves": lambda x: F.silu(x) + F.gelu(x.mT).mT + x.sigmoid() * x.tanh(),
    "norms": lambda x: (
        F.rms_norm(x, (7,), eps=1e-6) + F.layer_norm(x, (7,), torch.arange(7.0), torch.ones(7))
    ),
    "a norm of parts": lambda x: F.rms_norm(x[:, :6].view(3, 2, 3), (3,), torch.arange(3.0), 1e-6),
    "products": lambda x: F.linear(x, torch.arange(140.0).view(20, 7) / 99, torch.ones(20))[:, 3:18],
    "a fused sum": lambda x: torch.addcmul(x, x.flip(0) if not x.numel() else x, x[:1], value=0.25),
}


def repeat(operations: list[Operation]) -> None:
    assert STEP is not None
    listed = (Operation * len(operations))(*operations)
    state = State(operations=ctypes.addressof(listed), operation_count=len(operations))
    STEP(ctypes.byref(state), 1)


@pytest.mark.parametrize("name", COMPUTED)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.01, 1.0, 30.0]))
def test_it_repeats_what_torch_computes(name: str, seed: int, scale: float) -> None:
    computed, x = COMPUTED[name], torch.zeros(3, 7)
    with Recorder((x,), {}) as recorder:
        found = computed(x)
    x.copy_(torch.randn(3, 7, generator=torch.Generator().manual_seed(seed)) * scale)
    repeat(recorder.recording.operations)
    torch.testing.assert_close(found, computed(x), rtol=2e-5, atol=2e-5)


def test_ids_are_looked_up_and_copied() -> None:
    ids, table = torch.zeros(2, 3, dtype=torch.int64), torch.arange(20.0).view(10, 2)

    def looked_up(ids: Tensor) -> Tensor:
        longer = F.pad(torch.cat((ids[:, 1:], ids), dim=1), (1, 0))
        return F.embedding(longer[:, 0:1], table) + table[longer[:, 3:4]]

    with Recorder((ids,), {}) as recorder:
        found = looked_up(ids)
    ids.copy_(torch.tensor([[1, 2, 3], [7, 8, 9]]))
    repeat(recorder.recording.operations)
    torch.testing.assert_close(found, looked_up(ids))


def test_a_weight_that_two_threads_pack_at_once_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    packed, weight, of_the_other = Packed(), torch.randn(20, 7), []

    def in_panels(weight: Tensor) -> Tensor:
        monkeypatch.undo()
        of_the_other.append(Recording((), packed).packed(weight))
        return recording.in_panels(weight)

    monkeypatch.setattr(recording, "in_panels", in_panels)
    assert Recording((), packed).packed(weight) is of_the_other[0]
    assert next(iter(packed.values())) is of_the_other[0]
