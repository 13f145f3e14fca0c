"""The device and the threads that a training goes on with, which may be on another machine than before."""

import platform
import re
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from data.errors import UsageError
from models.config import TrainingConfig
from models.device import choose_device
from models.runs.run_config import Calibration

_MOST_OF_FILE = 2**16


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


def choose_machine(training: TrainingConfig, calibration: Calibration | None) -> Machine:
    """Where a run of `training` goes on that was last measured as `calibration` says.

    On the machine where it was measured nothing changes, so that it goes on bit for bit. Anywhere else
    the device that was asked for may be missing, and the threads may be more than there are cores. Raises
    UsageError for a device that was asked for and never was there.
    """
    if calibration is None:
        return Machine(choose_device(training.device), training.threads, None)
    if is_of_this_machine(calibration):
        return Machine(choose_device(calibration.device), calibration.threads, calibration)
    missing = f"device '{training.device}'" if not has_device(training.device) else None
    device = choose_device("auto" if missing else training.device)
    most = core_count()
    too_many = f"{training.threads} cores" if training.threads > most else None
    lacks = " and no ".join(what for what in (missing, too_many) if what)
    reason = f"This machine has no {lacks}." if lacks else "The run was trained on another machine."
    notice = f"{reason} It goes on with {device_name(device)}, and is measured again."
    return Machine(device, min(training.threads, most), None, notice)


def is_of_this_machine(calibration: Calibration) -> bool:
    """Whether `calibration` was measured here. One of an earlier version does not say where it was."""
    if not has_device(calibration.device):
        return False
    if calibration.machine is None:
        return calibration.threads <= core_count()
    return calibration.machine == machine_name(torch.device(calibration.device))


def has_device(name: str) -> bool:
    """Whether this machine has a device of that name."""
    try:
        choose_device(name)
    except UsageError:
        return False
    return True


def machine_name(device: torch.device) -> str:
    """What the figures and the rounding of `device` depend on: "Intel Xeon, AVX512, 8 cores"."""
    host = f"{_processor()}, {torch.backends.cpu.get_cpu_capability()}, {core_count()} cores"
    return host if device.type == "cpu" else f"{device_name(device)}, {host}"


def device_name(device: torch.device) -> str:
    """What `device` is called by who made it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"the {device.type}"


def core_count() -> int:
    """Processors of this machine, as the system counts them."""
    return psutil.cpu_count() or 1


def _processor() -> str:
    """The name of the processor. Only Linux keeps it in a file."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            found = re.search(r"^model name\s*:\s*(.+)$", file.read(_MOST_OF_FILE), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
