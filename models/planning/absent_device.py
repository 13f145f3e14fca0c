"""Plans for a device that is not on this machine: which one is meant, and what planning takes it for."""

from dataclasses import replace

import torch

from data.errors import UsageError
from models.cost.machines import MACHINES, Machine
from models.device import ABSENT, choose_device, has_device
from models.planning.request import Overrides, TrainRequest

_DEVICE, _FORMAT = "training.device", "training.number_format"


def absent_machine(request: TrainRequest) -> Machine | None:
    """The machine that `request` names and this one is not, with the figures it sets; None where its device
    is here. Raises UsageError for a device that is neither here nor known."""
    overrides = request.overrides
    name = str(overrides.values.get(_DEVICE, "auto"))
    if has_device(name):
        return None
    machine = MACHINES.get(name.lower())
    if machine is None:
        *first, last = MACHINES
        raise UsageError(
            f"This machine has no device '{name}', and there are no figures of one to plan with.",
            hint=f"A plan can be for {', '.join(first)} or {last}, or for cpu.",
            field=_DEVICE,
        )
    if request.continue_run is not None:
        raise UsageError(
            f"A run can go on only with a device of this machine, and {name} is none.",
            hint="Leave {training.device} out, or plan a new run.",
            field=_DEVICE,
        )
    if overrides.values.get(_FORMAT) == "float32" and "flops" not in overrides.machine:
        raise UsageError(
            f"The speed of {machine.name} is known for bfloat16, not for float32.",
            hint="Add the speed in float32, as in {machine.flops=60TFLOPS}.",
            field=_FORMAT,
        )
    return machine.with_figures(overrides.machine)


def planned_for(request: TrainRequest, machine: Machine) -> TrainRequest:
    """`request` as planning takes it for an absent machine, in the number format that its figures are for."""
    values = {_FORMAT: "bfloat16", **request.overrides.values, _DEVICE: machine.name}
    if values[_FORMAT] == "auto":
        values[_FORMAT] = "bfloat16"
    return replace(request, overrides=Overrides(values), for_absent_device=True)


def device_of(request: TrainRequest, name: str) -> torch.device:
    """The device `name`, or what stands for it where it is not here. Raises UsageError."""
    return ABSENT if request.for_absent_device else choose_device(name)
