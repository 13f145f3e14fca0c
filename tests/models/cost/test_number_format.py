"""The number format follows from the model, the device and what was measured once, and from no race."""

from pathlib import Path

import pytest
import torch

from data.cache import set_cache_dir
from models.architectures import model_config
from models.config import TrainingConfig
from models.cost import number_format
from models.cost.number_format import choose_number_format, rough_product_format, slowness

CPU = torch.device("cpu")
LARGE = model_config({"vocab_size": 90, "d_model": 256, "n_heads": 4, "context_length": 128})
SMALL = model_config({"vocab_size": 90, "d_model": 32, "n_heads": 2, "context_length": 64})


@pytest.fixture
def cpu_has_bfloat16(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_cache_dir(tmp_path)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)


@pytest.mark.usefixtures("cpu_has_bfloat16")
def test_what_is_timed_later_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"float32": 1.0, "bfloat16": 0.1}
    monkeypatch.setattr(number_format, "_product_s", lambda device, name: seconds[name])
    training = TrainingConfig(steps=1)
    assert choose_number_format(LARGE, training, CPU).name == "bfloat16"
    seconds["bfloat16"] = 10.0
    assert choose_number_format(LARGE, training, CPU).name == "bfloat16", "it was measured before"
    assert slowness(CPU, "bfloat16") == 0.1


@pytest.mark.usefixtures("cpu_has_bfloat16")
@pytest.mark.parametrize(("slowness_here", "wanted"), [(0.1, "bfloat16"), (0.7, "float32"), (1.9, "float32")])
def test_a_processor_computes_in_bfloat16_only_where_that_is_much_faster(
    monkeypatch: pytest.MonkeyPatch, slowness_here: float, wanted: str
) -> None:
    seconds = {"float32": 1.0, "bfloat16": slowness_here}
    monkeypatch.setattr(number_format, "_product_s", lambda device, name: seconds[name])
    found = choose_number_format(LARGE, TrainingConfig(steps=1), CPU)
    assert found.name == wanted and ("bfloat16 is slow" in found.reason) == (wanted == "float32")
    rough_product_format.cache_clear()
    assert rough_product_format(CPU) == wanted
    rough_product_format.cache_clear()


def test_size_and_capability_decide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_cache_dir(tmp_path)
    monkeypatch.setattr(number_format, "_product_s", lambda device, name: 0.1 if name == "bfloat16" else 1.0)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    small, large = TrainingConfig(steps=1, batch_size=2), TrainingConfig(steps=1, batch_size=32)
    assert choose_number_format(SMALL, large, CPU).name == "float32"
    assert choose_number_format(LARGE, large, CPU).name == "bfloat16"
    assert choose_number_format(LARGE, TrainingConfig(steps=1, batch_size=1), CPU).name == "float32"
    asked = TrainingConfig(steps=1, number_format="bfloat16")
    assert choose_number_format(SMALL, asked, CPU).reason == "as asked for"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert "has no faster one" in choose_number_format(LARGE, small, CPU).reason
