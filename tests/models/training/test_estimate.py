"""What a model will cost, found out without paying for it."""

import subprocess
import sys

import pytest
import torch

from models.architectures import ARCHITECTURES, model_config, skeleton
from models.config import TrainingConfig
from models.cost import pieces_for_larger, sequences_at_once


def test_a_model_is_laid_out_without_waiting_for_the_compiler() -> None:
    program = f"""
import sys
from models.architectures import model_config, skeleton
for name in {list(ARCHITECTURES)}:
    skeleton(model_config({{"architecture": name, "vocab_size": 90}}))
    assert "torch._dynamo" not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_wider_feed_forward_network_takes_memory(name: str) -> None:
    narrow = skeleton(model_config({"architecture": name, "vocab_size": 90, "d_feed_forward": 256}))
    wide = skeleton(model_config({"architecture": name, "vocab_size": 90, "d_feed_forward": 16_384}))
    training, device = TrainingConfig(steps=1), torch.device("cpu")
    fitting, fewer = (sequences_at_once(model, training, device) for model in (narrow, wide))
    assert fewer < fitting / 8
    assert pieces_for_larger(wide, training, device, 10**9) == fewer
    assert pieces_for_larger(wide, training, device, 1) == 1
