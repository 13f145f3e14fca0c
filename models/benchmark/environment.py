"""Where and with what a benchmark ran."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch

from models.benchmark.report import Value
from models.device import core_count, machine_name

_ROOT = Path(__file__).resolve().parents[2]


def environment(device: torch.device, **more: Value) -> dict[str, Value]:
    """Versions, machine and commit, and what else the benchmark wants to keep."""
    return {
        "rlm": _version(),
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": machine_name(device),
        "device": str(device),
        "cores": core_count(),
        "threads": torch.get_num_threads(),
        **more,
    }


def _version() -> str | None:
    try:
        return importlib.metadata.version("rlm")
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the working copy that runs; None for an installed package."""
    if not (_ROOT / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", os.fspath(_ROOT), "describe", "--always", "--dirty"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
