"""Optimizers work without the compiler of torch, and as torch's own."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.training.uncompiled_optimizer import AdamW

ROOT = Path(__file__).resolve().parents[3]
EVERY_METHOD = """
import sys, torch
from models.training.muon import Muon
from models.training.uncompiled_optimizer import AdamW
for kind, settings in ((AdamW, {"fused": True}), (Muon, {})):
    weight = torch.ones(4, 4, requires_grad=True)
    optimizer = kind([{"params": [weight]}], lr=0.1, **settings)
    optimizer.add_param_group({"params": [torch.ones(4, 4)]})
    weight.sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.zero_grad()
sys.exit("torch._dynamo" in sys.modules)
"""


def test_no_method_imports_the_compiler() -> None:
    subprocess.run([sys.executable, "-c", EVERY_METHOD], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize("fused", [False, True])
def test_steps_are_those_of_torch(fused: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    start, gradients = torch.randn(5, 3, generator=generator), torch.randn(4, 5, 3, generator=generator)
    weights = []
    for kind in (AdamW, torch.optim.AdamW):
        weight = start.clone().requires_grad_()
        optimizer = kind([weight], lr=0.1, weight_decay=0.2, fused=fused)
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
        weights.append(weight)
    assert torch.equal(*weights)
    assert not torch.equal(weights[0], start)
