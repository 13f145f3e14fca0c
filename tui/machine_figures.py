"""How busy the machine is, and how much of that is a training. Needs neither torch nor textual."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.wording import byte_size
from models.runs.lock import holder
from tui.run_words import Row

if TYPE_CHECKING:
    import psutil

_GPU_EVERY_S = 5.0
_GPU_PATIENCE_S = 3.0
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Gpu:
    """Its use from 0 to 1, and its memory in bytes."""

    share: float
    used: int
    total: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Shares of all processors from 0 to 1, and memory in bytes. What cannot be seen is None."""

    cpu: float
    memory: int
    memory_total: int
    training_cpu: float | None = None
    training_memory: int | None = None
    gpu: Gpu | None = None

    def rows(self) -> list[Row]:
        """Names and values for the screen."""
        cpu, memory = _whole(self.cpu), f"{byte_size(self.memory)} of {byte_size(self.memory_total)}"
        if self.training_cpu is not None:
            cpu = f"training {_whole(self.training_cpu)}, all {cpu}"
        if self.training_memory is not None:
            memory = f"training {byte_size(self.training_memory)}, all {memory}"
        rows = [("cpu", cpu), ("memory", memory)]
        if self.gpu is not None:
            of = f"{byte_size(self.gpu.used)} of {byte_size(self.gpu.total)}"
            rows.append(("gpu", f"{_whole(self.gpu.share)}, {of}"))
        return rows


def _whole(share: float) -> str:
    return f"{100 * share:.0f} %"


class MachineReader:
    """Reads the figures while a process has the run in `folder`. Its threads call `read` one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: psutil.Process | None = None
        self._gpu: Gpu | None = None
        self._gpu_due_at = 0.0
        self._is_first = True

    def read(self, device: str = "") -> Machine | None:
        """The figures since the last call; None the first time. `device` is where the run is trained.

        A GPU is asked for by `nvidia-smi`, where the run uses one and that command exists.
        """
        import psutil

        cpu, memory = psutil.cpu_percent() / 100, psutil.virtual_memory()
        training = self._training()
        is_first, self._is_first = self._is_first, False
        if is_first:
            return None
        self._read_gpu(device)
        return Machine(
            cpu=cpu,
            memory=memory.total - memory.available,
            memory_total=memory.total,
            training_cpu=None if training is None else training[0],
            training_memory=None if training is None else training[1],
            gpu=self._gpu,
        )

    def _training(self) -> tuple[float, int] | None:
        """The share of all processors and the memory of the process that has the run."""
        import psutil

        pid = holder(self._folder)
        try:
            if pid is None:
                raise psutil.NoSuchProcess(0)
            if self._process is None or self._process.pid != pid or not self._process.is_running():
                self._process = psutil.Process(pid)
                self._process.cpu_percent()
                return None
            share = self._process.cpu_percent() / 100 / (os.cpu_count() or 1)
            return share, self._process.memory_info().rss
        except (psutil.Error, OSError):  # it has ended, or belongs to somebody else
            self._process = None
            return None

    def _read_gpu(self, device: str) -> None:
        if not device.startswith("cuda"):
            self._gpu = None
        elif time.monotonic() >= self._gpu_due_at:
            self._gpu = gpu_of(device)
            self._gpu_due_at = time.monotonic() + _GPU_EVERY_S


def gpu_of(device: str) -> Gpu | None:
    """A GPU such as cuda:0; None where `nvidia-smi` does not tell of it."""
    number = device.partition(":")[2]
    command = [
        "nvidia-smi",
        "--query-gpu=utilization.gpu,memory.used,memory.total",
        "--format=csv,noheader,nounits",
        f"--id={number if number.isdecimal() else 0}",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_GPU_PATIENCE_S, stdin=subprocess.DEVNULL, check=True
        )
        share, used, total = (float(one) for one in done.stdout.decode().splitlines()[0].split(","))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
    return Gpu(share / 100, int(used * _MIB), int(total * _MIB))
