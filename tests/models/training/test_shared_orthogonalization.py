"""Muon's updates in several processes, in a number format that all of them have."""

from typing import cast

import pytest
import torch
from torch import Tensor

from models.processes.group import ProcessGroup
from models.training import muon, shared_orthogonalization
from models.training.shared_orthogonalization import SharedOrthogonalization


class Pair:
    """Process 0 of two. The other one adds as much as this one to the first sum, which is the vote, or
    nothing; and nothing to the updates."""

    count, rank = 2, 0

    def __init__(self, *, agrees: bool) -> None:
        self.votes = 2 if agrees else 1

    def add(self, tensor: Tensor) -> None:
        if tensor.numel() == 1:
            tensor.mul_(self.votes)


@pytest.mark.parametrize(("agrees", "wanted"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_exchanged_only_where_every_process_is_fast_in_it(
    monkeypatch: pytest.MonkeyPatch, agrees: bool, wanted: torch.dtype
) -> None:
    for module in (muon, shared_orthogonalization):
        monkeypatch.setattr(module, "rough_product_format", lambda device: "bfloat16")
    share = SharedOrthogonalization(cast(ProcessGroup, Pair(agrees=agrees)))
    (found,) = share([torch.eye(4)[None]])
    assert found.dtype == wanted
