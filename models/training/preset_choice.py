"""Which preset a name stands for on the machine at hand."""

from collections.abc import Mapping
from typing import Any

from models.device import choose_device
from models.presets import Preset, preset_named


def preset_for(name: str | None, training: Mapping[str, Any]) -> Preset | None:
    """The preset of that name for the device among `training` settings, or the best there is.

    None for no name. Raises UsageError for a preset or a device there is not.
    """
    if name is None:
        return None
    device = choose_device(str(training.get("device", "auto")))
    return preset_named(name, on_gpu=device.type != "cpu")
