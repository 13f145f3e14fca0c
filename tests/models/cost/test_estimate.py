"""What a model will cost, found out without paying for it."""

import math
import subprocess
import sys
from typing import Any

import pytest
import torch

from models.architectures import ARCHITECTURES, model_config, skeleton
from models.config import TrainingConfig
from models.cost import estimate as estimating
from models.cost.estimate import estimate, pieces_for_larger, require_memory, sequences_at_once
from models.cost.speed import MachineRates, machine_rates, step_seconds
from models.depth import Depth
from models.device import prepare_process
from models.planning.defaults import max_micro_batch
from models.presets import PRESETS
from models.settings import from_dict

CPU = torch.device("cpu")
RATES = MachineRates({"float32": 1e11, "bfloat16": 4e11}, 4e11, 8e9, 1e8)
PLANNED = {
    "looped-small": 32, "looped-base": 32, "hrm-4m": 16, "recursive-48m": 1, "router-small": 32,
    "mor-technical": 4, "mor-small": 32, "ouroboros": 1, "ouroboros-small": 32, "ouroboros-lite": 1,
    "ouroboros-pro": 1, "ouroboros-beast": 1, "trm-small": 32, "dense-small": 32, "nanogpt-cpu": 12,
}  # fmt: skip
"""Sequences at once of each preset, with the tokens its size is counted with."""


def test_a_model_is_laid_out_without_waiting_for_the_compiler() -> None:
    program = f"""
import sys
from models.architectures import model_config
from models.architectures import skeleton
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


def of_preset(name: str) -> tuple[Any, TrainingConfig]:
    preset = PRESETS[name]
    values = {"architecture": preset.architecture, "vocab_size": preset.vocab_size or 96, **preset.model}
    return model_config(values), from_dict(TrainingConfig, {"steps": 10, **preset.training}, "training")


@pytest.mark.parametrize("gigabytes", [4, 8, 64])
def test_presets_are_planned_in_the_pieces_they_were(monkeypatch: pytest.MonkeyPatch, gigabytes: int) -> None:
    monkeypatch.setattr(estimating, "free_memory_bytes", lambda device: gigabytes * 10**9)
    found = {}
    for name in PRESETS:
        config, training = of_preset(name)
        model = skeleton(config)
        require_memory(model, training, CPU)
        found[name] = min(
            sequences_at_once(model, training, CPU), max_micro_batch(config), training.batch_size
        )
    assert found == PLANNED


def test_many_tokens_make_a_narrow_model_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "machine_rates", lambda *_: RATES)
    training = TrainingConfig(steps=1, micro_batch=4)
    few, many = (
        estimate(skeleton(model_config({"d_model": 256, "n_heads": 4, "vocab_size": size})), training, CPU)
        for size in (100, 50_000)
    )
    assert many.tokens_per_second < few.tokens_per_second / 4
    held = few.training_bytes + 4 * 128 * 49_900 * 12 + 2 * 49_900 * 256 * 4 * 4
    assert many.training_bytes > held


def test_an_average_of_the_weights_takes_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "machine_rates", lambda *_: RATES)
    config = model_config({"vocab_size": 90})
    without, averaged = (
        estimate(skeleton(config), TrainingConfig(steps=1, average_decay=decay), CPU) for decay in (0.0, 0.9)
    )
    assert averaged.training_bytes - without.training_bytes == 4 * without.parameters


@pytest.mark.parametrize("name", PRESETS)
def test_less_of_anything_is_faster(name: str) -> None:
    config, training = of_preset(name)
    model, number_format = skeleton(config), "float32"
    deep = step_seconds(model, training, model.trained_depth, number_format, RATES)
    assert 0 < step_seconds(model, training, Depth(1), number_format, RATES) <= deep < math.inf
    assert step_seconds(model, training, model.trained_depth, "bfloat16", RATES) < deep
    smaller = from_dict(TrainingConfig, {**vars(training), "batch_size": 1}, "training")
    assert step_seconds(model, smaller, model.trained_depth, number_format, RATES) < deep


def test_an_estimate_leaves_the_process_as_it_was() -> None:
    tiny = 1e-40
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)
    state = torch.random.get_rng_state()
    try:
        estimate(skeleton(model_config({"vocab_size": 90})), TrainingConfig(steps=1, threads=2), CPU)
        assert torch.get_num_threads() == 1
        assert float(torch.tensor([tiny]) * 0.5) > 0, "numbers this small are still computed with"
        assert torch.equal(torch.random.get_rng_state(), state)
        prepare_process()
        estimate(skeleton(model_config({"vocab_size": 90})), TrainingConfig(steps=1), CPU)
        assert float(torch.tensor([tiny]) * 0.5) == 0
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)


def test_the_threads_come_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.cost.speed._memory_rate", lambda device: 1 / 0)
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        machine_rates(CPU, TrainingConfig(steps=1, threads=before + 1), "float32")
    assert torch.get_num_threads() == before
