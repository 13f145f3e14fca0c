"""What was estimated against what is measured, for every preset: `pytest -m slow -s` prints the ratios.

Machines are shared and clocks uneven, so only an estimate that is wrong by far fails.
"""

import json
import subprocess
import sys

import pytest

from models.presets import PRESETS

FACTOR = 3.0
PROGRAM = """
import copy, dataclasses, json, resource, sys
import torch
from models.architectures import build_model, model_config
from models.config import TrainingConfig
from models.settings import from_dict
from models.device import prepare_process
from models.presets import PRESETS
from models.depth import Depth
from models.training.optimizer import WeightAverage
from models.architectures import skeleton
from models.cost.estimate import estimate
from models.training.calibrate import Probe

name, number_format, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
preset = PRESETS[name]
size = preset.vocab_size or 96
config = model_config({"architecture": preset.architecture, "vocab_size": size, **preset.model})
batch = min(preset.training.get("batch_size", 32), 1 if size > 1000 else 8)
fixed = {"batch_size": batch, "number_format": number_format, "threads": threads, "steps": 10}
training = from_dict(TrainingConfig, {**preset.training, **fixed}, "training")
prepare_process(threads)


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def probe_of(config):
    torch.manual_seed(0)
    model = build_model(config)
    return model, Probe(copy.deepcopy(model), training, torch.device("cpu"))


# What the libraries take for themselves comes with the first step of any model.
tiny = dataclasses.replace(config, vocab_size=90, d_model=32, n_heads=2, context_length=8)
probe_of(tiny)[1].step_s(torch.zeros(1, 9, dtype=torch.long), 1, Depth(1), number_format)
empty = peak_bytes()
model, probe = probe_of(config)
blocks = torch.randint(0, size, (batch, config.context_length + 1))
average = WeightAverage(model, training.average_decay) if training.average_decay else None
depths = (Depth(1), probe.model.trained_depth)
for depth in depths:
    probe.step_s(blocks, batch, depth, number_format)
peak = peak_bytes() - empty
speeds, step_s = [], 0.0
for depth in depths:
    speeds.append(estimate(skeleton(config), training, torch.device("cpu")).tokens_per_second)
    step_s += min(probe.step_s(blocks, batch, depth, number_format) for _ in range(2)) / len(depths)
found = estimate(skeleton(config), training, torch.device("cpu"))
speeds.append(found.tokens_per_second)
tokens = batch * config.context_length
print(json.dumps({
    "speed": sorted(speeds)[1] * step_s / tokens,
    "memory": found.training_bytes / peak,
    "tokens_per_second": tokens / step_s,
    "peak_mb": peak / 1e6,
}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("number_format", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", PRESETS)
def test_the_estimate_is_near_what_is_measured(name: str, number_format: str, threads: int) -> None:
    command = [sys.executable, "-c", PROGRAM, name, number_format, str(threads)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found = json.loads(ended.stdout)
    print(
        f"\n{name:16} {number_format:8} {threads} threads: estimated / measured "
        f"speed {found['speed']:.2f} (of {found['tokens_per_second']:,.0f} tokens/s), "
        f"memory {found['memory']:.2f} (of {found['peak_mb']:,.0f} MB)"
    )
    if threads == 1:  # several wait for each other where other processes have the cores
        assert 1 / FACTOR < found["speed"] < FACTOR
    assert 1 / FACTOR < found["memory"] < FACTOR
