"""The number format of a training: a rule of what the device computes and how large the products are.

It is not the faster of two that are timed. A machine with other work would time them differently from
one day to the next, and the same command and seed would end with other weights.
"""

import time
from dataclasses import dataclass
from functools import cache

import torch

from models.config import ModelConfig, TrainingConfig
from models.cost.measurements import keep, recall
from models.device import computes_bfloat16, synchronize

LEAST_WIDTH = {"cpu": 64, "cuda": 128, "mps": 128}
"""Below it a product is too small for 16 bits to pay."""
LEAST_SIZE = {"cpu": 2**16, "cuda": 2**19, "mps": 2**19}
"""Of width times tokens at once. Below it the casts cost what the products save: on a CPU with AMX, steps
of smaller models took 0.9 to 1.1 times as long in bfloat16 as in float32, those of larger ones 0.4 to 0.9."""
TENSOR_CORES = (7, 0)
"""The compute capability of the first CUDA device that multiplies float16 faster than float32."""
_MOST_SLOWNESS = {"cpu": 0.5, "cuda": 2.0, "mps": 2.0}
"""How many times as long as in float32 a product may take in a format that pays. On a CPU with AMX it takes a
tenth. One with AVX-512 alone has instructions for bfloat16 too, and took 1.5 to 2 times as long with them: a
training then took 1.3 times as long in bfloat16. A GPU answers so fast that only a format that is emulated
shows."""
_MATRIX, _TRIES = 512, 5


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A number format, and why it was chosen."""

    name: str
    reason: str


def choose_number_format(model: ModelConfig, training: TrainingConfig, device: torch.device) -> NumberFormat:
    """The number format that `training` asks for, or the one that suits the model and the device."""
    if training.number_format != "auto":
        return NumberFormat(training.number_format, "as asked for")
    half = short_format(device)
    if half is None:
        return NumberFormat("float32", f"the {device.type} has no faster one")
    at_once = min(training.micro_batch or training.batch_size, training.batch_size) * model.context_length
    if model.d_model < LEAST_WIDTH[device.type] or model.d_model * at_once < LEAST_SIZE[device.type]:
        return NumberFormat("float32", f"the model and its batch are too small for {half} to pay")
    if not _pays(device, half):
        return NumberFormat("float32", f"{half} is slow on this machine")
    return NumberFormat(half, f"the {device.type} computes it, and the model is large enough")


def short_format(device: torch.device) -> str | None:
    """The format of 16 bits that `device` has in hardware, if it has one."""
    if computes_bfloat16(device):
        return "bfloat16"
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= TENSOR_CORES:
        return "float16"
    return None


@cache
def rough_product_format(device: torch.device) -> str:
    """The fastest number format of `device` for products that need few digits."""
    return "bfloat16" if computes_bfloat16(device) and _pays(device, "bfloat16") else "float32"


def _pays(device: torch.device, name: str) -> bool:
    return slowness(device, name) <= _MOST_SLOWNESS[device.type]


def slowness(device: torch.device, name: str) -> float:
    """How many times as long as in float32 a product takes in the format `name`. Measured once for each
    machine."""
    what = {"what": "slowness of a product", "number format": name}
    found = recall(device, what)
    if found is None:
        found = _product_s(device, name) / _product_s(device, "float32")
        keep(device, what, round(found, 3))
    return found


def _product_s(device: torch.device, name: str) -> float:
    """Seconds of a product of two matrices, the shortest of a few tries."""
    matrix = torch.full((_MATRIX, _MATRIX), 0.01, device=device).to(getattr(torch, name))
    seconds = []
    for _ in range(_TRIES):
        synchronize(device)
        began = time.perf_counter()
        matrix @ matrix
        synchronize(device)
        seconds.append(time.perf_counter() - began)
    return min(seconds)
