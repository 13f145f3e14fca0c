"""What a model will cost, found out without paying for it."""

import subprocess
import sys

from models.architectures import ARCHITECTURES


def test_a_model_is_laid_out_without_waiting_for_the_compiler() -> None:
    program = f"""
import sys
from models.architectures import model_config
from models.training.estimate import skeleton
for name in {list(ARCHITECTURES)}:
    skeleton(model_config({{"architecture": name, "vocab_size": 90}}))
    assert "torch._dynamo" not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
