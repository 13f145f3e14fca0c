"""The number format follows from the model, the device and what was measured once, and from no race."""

from pathlib import Path

import pytest
import torch

from data.cache import set_cache_dir
from models.architectures import model_config
from models.config import TrainingConfig
from models.cost import number_format
from models.cost.number_format import choose_number_format, slowness

CPU = torch.device("cpu")
LARGE = model_config({"vocab_size": 90, "d_model": 256, "n_heads": 4, "context_length": 128})
SMALL = model_config({"vocab_size": 90, "d_model": 32, "n_heads": 2, "context_length": 64})


@pytest.fixture
def cpu_has_bfloat16(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_cache_dir(tmp_path)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)


@pytest.mark.usefixtures("cpu_has_bfloat16")
def test_what_is_timed_later_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"float32": 1.0, "bfloat16": 1.1}
    monkeypatch.setattr(number_format, "_product_s", lambda device, name: seconds[name])
    training = TrainingConfig(steps=1)
    assert choose_number_format(LARGE, training, CPU).name == "bfloat16"
    seconds["bfloat16"] = 10.0
    assert choose_number_format(LARGE, training, CPU).name == "bfloat16", "it was measured before"
    assert slowness(CPU, "bfloat16") == 1.1


@pytest.mark.usefixtures("cpu_has_bfloat16")
def test_a_format_that_is_ten_times_slower_is_left_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"float32": 1.0, "bfloat16": 10.0}
    monkeypatch.setattr(number_format, "_product_s", lambda device, name: seconds[name])
    found = choose_number_format(LARGE, TrainingConfig(steps=1), CPU)
    assert found.name == "float32" and "bfloat16 is slow" in found.reason


def test_size_and_capability_decide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_cache_dir(tmp_path)
    monkeypatch.setattr(number_format, "_product_s", lambda device, name: 1.0)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    small, large = TrainingConfig(steps=1, batch_size=2), TrainingConfig(steps=1, batch_size=32)
    assert choose_number_format(SMALL, large, CPU).name == "float32"
    assert choose_number_format(LARGE, large, CPU).name == "bfloat16"
    assert choose_number_format(LARGE, TrainingConfig(steps=1, batch_size=1), CPU).name == "float32"
    asked = TrainingConfig(steps=1, number_format="bfloat16")
    assert choose_number_format(SMALL, asked, CPU).reason == "as asked for"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert "has no faster one" in choose_number_format(LARGE, small, CPU).reason
