"""Measurements that decide something. They are kept in the cache, so a machine decides alike every time."""

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch

from data.cache import cache_dir
from data.errors import RlmError, StorageError
from data.plain_file import read_plain_file
from data.storage import replace_json
from models.device import machine_name

_LARGEST = 1 << 16


def recall(device: torch.device, what: Mapping[str, object]) -> float | None:
    """The number kept for `what` on this machine with this version of torch; None without one."""
    try:
        value = json.loads(read_plain_file(_path(device, what), _LARGEST))["value"]
    except (RlmError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return value if type(value) is float and math.isfinite(value) else None


def keep(device: torch.device, what: Mapping[str, object], value: float) -> None:
    """Keep `value` for `what`. Where nothing can be written it is measured again the next time."""
    with contextlib.suppress(StorageError):
        replace_json(_path(device, what), {**_full(device, what), "value": float(value)})


def _path(device: torch.device, what: Mapping[str, object]) -> Path:
    text = json.dumps(_full(device, what), sort_keys=True)
    return cache_dir() / f"measured-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _full(device: torch.device, what: Mapping[str, object]) -> dict[str, object]:
    return {"machine": machine_name(device), "torch": str(torch.__version__), **what}
