"""Seconds of work on a device, of writing, and the most memory that was in use."""

import contextlib
import ctypes
import gc
import itertools
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from data.tokenizer import Tokenizer
from models.depth import Depth
from models.device import synchronize
from models.generation.generate import GenerationConfig, generate
from models.recursive_lm import RecursiveLM

_PROCESS = Path("/proc/self")
_FINE_S = 1e-4
_TRIES = 16
"""Seeds, of which one should give a text of more than its first token."""


Clock = Callable[[], float]
"""Seconds since some moment."""


def working_clock(device: torch.device) -> Clock:
    """The clock that other work on the machine disturbs least. One thread of a processor has a clock of its
    own, which stands still while another process has the processor."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    alone = alone and time.get_clock_info("process_time").resolution < _FINE_S  # that of Windows is coarse
    return time.process_time if alone else time.perf_counter


def timed(
    device: torch.device, action: Callable[[], Tensor | None], clock: Clock = time.perf_counter
) -> tuple[float, Tensor]:
    """Seconds of `action`, and what it returned, or an empty tensor."""
    synchronize(device)
    began = clock()
    found = action()
    synchronize(device)
    return clock() - began, found if isinstance(found, Tensor) else torch.empty(0)


def written(
    model: RecursiveLM, tokenizer: Tokenizer, depth: Depth, batch: int, prompt: int, new_tokens: int
) -> tuple[float, float]:
    """Seconds to the first token of all rows after a prompt of that many random tokens, and for the
    `new_tokens` - 1 tokens after it; nan where the model ends every text with its first token."""
    times: list[float] = []
    for seed in range(_TRIES):
        times = token_times(model, tokenizer, depth, batch, prompt, new_tokens, seed=seed)
        if len(times) > batch:
            break
    first_s, rest_s = sum(times[:batch]), sum(times[batch:])
    if len(times) <= batch:
        return first_s, math.nan
    return first_s, rest_s * batch * (new_tokens - 1) / (len(times) - batch)


def token_times(
    model: RecursiveLM,
    tokenizer: Tokenizer,
    depth: Depth,
    batch: int,
    prompt: int,
    new_tokens: int,
    clock: Clock = time.perf_counter,
    seed: int = 0,
) -> list[float]:
    """Seconds to each token that is written after a prompt of that many random tokens, from the one before
    it. The prompts count to the first one. A row may end early."""
    draw = torch.Generator().manual_seed(prompt)
    rows = torch.randint(16, model.config.vocab_size, (batch, prompt), generator=draw).tolist()
    config = GenerationConfig(max_tokens=new_tokens, temperature=1.0, top_p=1.0, seed=seed)
    tokens = generate(model, tokenizer, rows, depth, config)
    moments = [clock(), *(clock() for _ in tokens)]
    return [after - before for before, after in itertools.pairwise(moments)]


def forget_peak(device: torch.device) -> int | None:
    """Begin to count the peak of memory anew, without what was freed. Returns the bytes in use now; None
    where the system cannot do this."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    with contextlib.suppress(AttributeError, OSError, TypeError):  # a function of the GNU library alone
        ctypes.CDLL(None).malloc_trim(0)
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:
        return None
    return _resident("VmRSS")


def peak_since(device: torch.device) -> int | None:
    """The most bytes in use since `forget_peak`."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _resident("VmHWM")


def _resident(name: str) -> int | None:
    """Bytes of this process, from the file that Linux keeps of it."""
    try:
        lines = (_PROCESS / "status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
