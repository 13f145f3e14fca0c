"""The device and the threads that a training goes on with, which may be on another machine than before."""

from dataclasses import dataclass

import torch

from data.wording import counted
from models.config import TrainingConfig
from models.device import (
    choose_device,
    core_count,
    device_name,
    has_device,
    machine_name,
    this_or_best_device,
    threads_of_each,
)
from models.runs.run_config import Calibration


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a training goes on."""

    device: torch.device
    threads: int
    """CPU threads; 0 leaves the choice to torch."""
    calibration: Calibration | None
    """What was measured before, where it holds here."""
    notice: str | None = None
    """What is not as it was, for the user."""


def choose_machine(
    training: TrainingConfig, calibration: Calibration | None, processes: int = 1, on_this_machine: int = 1
) -> Machine:
    """Where a run of `training` goes on that was last measured as `calibration` says, in so many processes.

    Where it was measured, nothing changes, so that it goes on bit for bit. Anywhere else the device that was
    asked for may be missing, and the threads may be more than there are cores; another number of processes
    has other threads. Raises UsageError for a device that was asked for and never was there.
    """
    if calibration is None:
        device = choose_device(training.device)
        return Machine(device, threads_of_each(training.threads, on_this_machine), None)
    is_same_machine = is_of_this_machine(calibration)
    if is_same_machine and calibration.processes == processes:
        return Machine(choose_device(calibration.device), calibration.threads, calibration)
    device = this_or_best_device(training.device)
    if is_same_machine:
        before = counted(calibration.processes, "process")
        notice = f"The run was trained by {before}. It goes on with {processes}, and is measured again."
        return Machine(device, threads_of_each(training.threads, on_this_machine), None, notice)
    missing = f"device '{training.device}'" if not has_device(training.device) else None
    most = core_count()
    too_many = f"{training.threads} cores" if training.threads > most else None
    lacks = " and no ".join(what for what in (missing, too_many) if what)
    reason = f"This machine has no {lacks}." if lacks else "The run was trained on another machine."
    notice = f"{reason} It goes on with {device_name(device)}, and is measured again."
    return Machine(device, min(threads_of_each(training.threads, on_this_machine), most), None, notice)


def is_of_this_machine(calibration: Calibration) -> bool:
    """Whether `calibration` was measured here. One of an earlier version does not say where it was."""
    if not has_device(calibration.device):
        return False
    if calibration.machine is None:
        return calibration.threads <= core_count()
    return calibration.machine == machine_name(torch.device(calibration.device))
