"""What this machine can do for training, as data.

Each check looks at one thing and gives its verdict; a front end draws them. Torch is imported
inside the checks that are about it, so that a broken installation of it is a finding and not a
crash.
"""

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from data.cache import cache_dir
from data.errors import RlmError
from models.kernels.library import usable_cores

Verdict = Literal["good", "note", "problem"]

_MINIMUM_FREE_BYTES = 2 << 30
_MINIMUM_MEMORY_BYTES = 2 << 30
_MINIMUM_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `advice` is the next step, empty where there is nothing to do.

    good: as it should be. note: it works, and could be better. problem: training will fail.
    """

    name: str
    found: str
    verdict: Verdict
    advice: str = ""


def examine(runs: Path, environment: Mapping[str, str]) -> Iterator[Check]:
    """Every check, one after another, of a machine with the environment variables `environment`.

    `runs` is the folder runs are kept in.
    """
    checks: list[Callable[[], Check]] = [
        check_python,
        check_torch,
        check_device,
        check_number_formats,
        lambda: check_threads(environment),
        check_memory,
        lambda: check_compiler(environment),
        check_kernels,
        lambda: check_folder("runs", runs),
        check_cache,
    ]
    for check in checks:
        yield check()


def check_python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info >= _MINIMUM_PYTHON:
        return Check("python", found, "good")
    return Check("python", found, "problem", "Install Python 3.11 or later.")


def check_torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library of it is missing
        return Check("torch", f"does not load: {error}", "problem", "Install it again: pip install torch")
    built_for = torch.version.cuda or torch.version.hip
    build = (
        f"for CUDA {built_for}" if torch.version.cuda else f"for ROCm {built_for}" if built_for else "for CPU"
    )
    return Check("torch", f"{torch.__version__}, built {build}", "good")


def check_device() -> Check:
    """The accelerators, or the processor where there are none."""
    torch = _torch()
    if torch is None:
        return Check("device", "unknown without torch", "problem")
    if torch.cuda.is_available():
        names = []
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            names.append(f"cuda:{index} {properties.name} ({properties.total_memory / 2**30:.0f} GiB)")
        return Check("device", "; ".join(names), "good")
    if torch.backends.mps.is_available():
        return Check("device", "mps (Apple GPU)", "good")
    if _has_nvidia_driver():
        return Check(
            "device",
            "cpu, although this machine has an NVIDIA GPU",
            "note",
            "This torch cannot use the GPU: install a build for CUDA that fits the driver.",
        )
    return Check("device", "cpu", "good")


def check_number_formats() -> Check:
    """Which formats the device computes in hardware. Training measures before it uses one."""
    torch = _torch()
    if torch is None:
        return Check("number formats", "unknown without torch", "problem")
    if torch.cuda.is_available():
        bfloat16 = _bfloat16_of_gpus(torch.cuda.device_count())
        return Check("number formats", f"float32, float16{bfloat16}", "good")
    if torch.backends.mps.is_available():
        return Check("number formats", "float32, float16, bfloat16", "good")
    return Check("number formats", f"float32{', bfloat16' if _has_bfloat16('cpu') else ''}", "good")


def check_threads(environment: Mapping[str, str]) -> Check:
    import psutil

    torch = _torch()
    cores = psutil.cpu_count(logical=False) or 1
    usable = usable_cores()
    threads = torch.get_num_threads() if torch is not None else 0
    found = f"{threads} used by torch, {cores} cores, {usable} processors available to this process"
    limit = environment.get("OMP_NUM_THREADS")
    if torch is not None and threads < min(cores, usable):
        cause = (
            f"OMP_NUM_THREADS={limit} limits it; unset it" if limit else "Raise it with {training.threads}"
        )
        return Check("threads", found, "note", f"{cause} to use every core.")
    return Check("threads", found, "good")


def check_memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    if memory.available < _MINIMUM_MEMORY_BYTES:
        return Check("memory", found, "note", "Close other programs, or choose a smaller model.")
    return Check("memory", found, "good")


def check_compiler(environment: Mapping[str, str]) -> Check:
    """A C++ compiler lets torch compile the model where that pays; without one training is slower."""
    named = environment.get("CXX")
    for name in [named] if named else ["g++", "clang++", "c++", "cl"]:
        path = shutil.which(name)
        if path is not None:
            return Check("C++ compiler", path, "good")
    return Check(
        "C++ compiler",
        f"'{named}' (from CXX) is not there" if named else "none",
        "note",
        "Training works without; with one (such as g++) long runs are compiled and faster.",
    )


def check_kernels() -> Check:
    """Answers are written, and models trained on a CPU, by compiled code, which needs a C compiler once."""
    from models.kernels.library import missing_library

    missing = missing_library()
    if missing is None:
        return Check("kernels", "compiled", "good")
    remedies = {
        "compiler": "Install a C compiler, such as gcc.",
        "cache folder": "Choose a cache folder on another disk with RLM_CACHE_DIR.",
    }
    advice = f"All works without, and answers are written several times slower. {remedies[missing.cause]}"
    return Check("kernels", f"none, since {missing.reason}", "note", advice)


def check_cache() -> Check:
    try:
        folder = cache_dir()
    except RlmError as error:
        return Check("cache folder", error.message, "problem", error.hint or "")
    return check_folder("cache", folder)


def check_folder(name: str, folder: Path) -> Check:
    """Whether there is room to write where rlm writes. The folder itself need not exist yet."""
    existing = next((place for place in (folder, *folder.parents) if place.exists()), None)
    if existing is None or not existing.is_dir():
        return Check(f"{name} folder", f"{folder} cannot be created", "problem", "Choose another folder.")
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
        free = shutil.disk_usage(existing).free
    except OSError as error:
        return Check(
            f"{name} folder",
            f"{folder} cannot be written: {error.strerror}",
            "problem",
            f"Choose another with {'RLM_RUNS_DIR' if name == 'runs' else 'RLM_CACHE_DIR'}.",
        )
    found = f"{folder}, {free / 2**30:.1f} GiB free"
    if free < _MINIMUM_FREE_BYTES:
        return Check(f"{name} folder", found, "note", "Free some space before a long run.")
    return Check(f"{name} folder", found, "good")


def _torch() -> ModuleType | None:
    try:
        import torch
    except (ImportError, OSError):
        return None
    return torch


def _bfloat16_of_gpus(count: int) -> str:
    able = [device for device in (f"cuda:{index}" for index in range(count)) if _has_bfloat16(device)]
    if not able:
        return ""
    return ", bfloat16" if len(able) == count else f", bfloat16 (only {', '.join(able)})"


def _has_bfloat16(device: str) -> bool:
    import torch

    from models.device import computes_bfloat16

    return computes_bfloat16(torch.device(device))


def _has_nvidia_driver() -> bool:
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()
