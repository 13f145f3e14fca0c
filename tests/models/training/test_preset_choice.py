"""A preset that is one thing on a CPU and another on a GPU."""

import pytest
import torch

from data.errors import UsageError
from models.presets import PRESETS, preset_named
from models.training import preset_choice
from models.training.creation import plan_creation
from models.training.preset_choice import preset_for
from models.training.request import CreateRequest


def test_names_stand_for_presets_that_exist() -> None:
    for preset in PRESETS.values():
        if preset.on_gpu is not None:
            other = PRESETS[preset.on_gpu]
            assert other.architecture == preset.architecture and other.on_gpu is None


@pytest.mark.parametrize(
    ("device", "name", "batch_size"), [("cpu", "ouroboros-lite", 4), ("cuda", "ouroboros-pro", 16)]
)
def test_ouroboros_is_chosen_by_the_device(
    monkeypatch: pytest.MonkeyPatch, device: str, name: str, batch_size: int
) -> None:
    asked: list[str] = []

    def choose(wanted: str) -> torch.device:
        asked.append(wanted)
        return torch.device(device)

    monkeypatch.setattr(preset_choice, "choose_device", choose)
    found = preset_for("ouroboros", {})
    assert found is not None
    assert (found.model, found.training) == (PRESETS[name].model, PRESETS[name].training)
    assert found.training["batch_size"] == batch_size
    assert found.training["weight_decay"] == 0.1 and found.training["target_loss"] == 2.1
    assert found.training.get("number_format", "auto") == "auto"  # mixed where that is measured faster
    assert preset_for("ouroboros-lite", {"device": "cuda:1"}) is PRESETS["ouroboros-lite"]
    assert asked == ["auto", "cuda:1"]


def test_a_device_that_was_asked_for_decides() -> None:
    request = CreateRequest(
        name="owl", preset="ouroboros", vocab_size=90, settings={"training.device": "cpu"}
    )
    planned = plan_creation(request)
    assert (planned.model.d_model, planned.training["batch_size"]) == (256, 4)


def test_what_there_is_not_is_refused() -> None:
    assert preset_for(None, {"device": "abacus"}) is None
    with pytest.raises(UsageError, match="no device 'abacus'"):
        preset_for("ouroboros", {"device": "abacus"})
    with pytest.raises(UsageError, match="no preset") as caught:
        preset_named("ouroborus", on_gpu=True)
    assert "ouroboros" in str(caught.value.hint)


def test_only_the_published_presets_stop_at_a_loss() -> None:
    stopping = {name for name, preset in PRESETS.items() if preset.training.get("target_loss") is not None}
    assert stopping == {"ouroboros", "ouroboros-lite", "ouroboros-pro", "ouroboros-beast"}
