"""The machine a model runs on: device, number format, threads, memory."""

import contextlib
import ctypes
import functools
import os
import platform
import re
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import torch
from torch import Tensor

from data.errors import UsageError

ABSENT = torch.device("meta")
"""Stands for a device that is not on this machine, in a plan: its speed is unknown, and its memory is not
counted."""
NUMBER_FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**30
_MOST_KEPT_AT_ONCE = 2**25
_MOST_OF_FILE = 2**16
_BOUNDLESS = 2**60


def choose_device(wanted: str = "auto") -> torch.device:
    """The device `wanted` names, or the best there is. Raises UsageError where it is absent."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        wanted = next(name for name in ("cuda", "mps", "cpu") if available[name])
    kind, _, index = wanted.partition(":")
    beyond = index and not (index.isdecimal() and kind == "cuda" and int(index) < torch.cuda.device_count())
    if not available.get(kind, False) or beyond:
        raise UsageError(
            f"This machine has no device '{wanted}'.",
            hint="See what it has: {doctor}   Choose one: {training.device=cpu}",
            field="training.device",
        )
    return torch.device(wanted)


def prepare_process(threads: int = 0) -> int:
    """Settings of the process that training wants; returns the CPU threads in use."""
    if threads:
        torch.set_num_threads(threads)
    _keep_freed_memory()
    # Deep recursion makes denormals, and a CPU computes with them a hundred times slower.
    torch.set_flush_denormal(True)
    return torch.get_num_threads()


@functools.cache
def _keep_freed_memory() -> None:
    """Let the process keep up to a gigabyte that it frees. Each training step asks for the same memory, and
    new pages from the system took a sixth of its time. Only the GNU C library can be told so. Old versions
    refuse more than 32 megabytes for one piece of memory."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        # The second setting alone would end the growth of the first one, and every piece would be a new one.
        if any(mallopt(_M_MMAP_THRESHOLD, size) for size in (_KEPT_BYTES, _MOST_KEPT_AT_ONCE)):
            mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether `device` has bfloat16 in hardware; where it does not, torch emulates it, which is slow."""
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported()
    if device.type == "cuda":
        with torch.cuda.device(device):  # torch answers for the current one
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return True


def autocast(device: torch.device, number_format: str) -> AbstractContextManager[object]:
    """Matrix products in `number_format`; weights, sums and losses stay float32."""
    if number_format == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=NUMBER_FORMATS[number_format])


def synchronize(device: torch.device) -> None:
    """Wait until `device` has done what it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory; on a CPU it says so in a plain RuntimeError."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in text for words in ("DefaultCPUAllocator", "can't allocate memory", "out of memory")
    )


def free_memory_bytes(device: torch.device) -> int:
    """Memory that can still be had on `device`."""
    if device == ABSENT:
        return _BOUNDLESS
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def to_device(array: Tensor, device: torch.device) -> Tensor:
    """`array` on `device`, without waiting for the copy."""
    return array.to(device, non_blocking=True)


def has_device(name: str) -> bool:
    """Whether this machine has a device of that name."""
    try:
        choose_device(name)
    except UsageError:
        return False
    return True


def this_or_best_device(wanted: str) -> torch.device:
    """The device `wanted` names, or the best there is where it is absent."""
    return choose_device(wanted if has_device(wanted) else "auto")


def machine_name(device: torch.device) -> str:
    """What the figures and the rounding of `device` depend on: "Intel Xeon, AVX512, 8 cores"."""
    host = f"{_processor()}, {torch.backends.cpu.get_cpu_capability()}, {psutil.cpu_count() or 1} cores"
    return host if device.type == "cpu" else f"{device_name(device)}, {host}"


def device_name(device: torch.device) -> str:
    """The name that the maker gave to `device`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"the {device.type}"


def core_count() -> int:
    """Processors that this process may use, as the system counts them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return psutil.cpu_count() or 1


def threads_of_each(wanted: int, processes: int) -> int:
    """The threads of each of the processes on this machine, where `wanted` of them or 0 were asked for; 0
    leaves the choice to torch."""
    return wanted or (0 if processes == 1 else max(1, core_count() // processes))


def _processor() -> str:
    """The name of the processor. Only Linux keeps it in a file."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            found = re.search(r"^model name\s*:\s*(.+)$", file.read(_MOST_OF_FILE), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
