"""How the cost of a token grows with a model's width, passes, context and vocabulary, and with the corpus.

One axis changes at a time. The smallest sizes of all axes come first, then the next ones, until the time is
used up: a size that would take longer than what is left is skipped, and those above it.
"""

import math
import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import process_time

import torch

from data.errors import UsageError
from data.wording import byte_size
from data.wording import counted as counted_words
from models.architectures import skeleton
from models.benchmark.environment import environment
from models.benchmark.report import Report
from models.benchmark.scan_axes import CORPUS, SIZES, TOKENS, at_once, counted, model_at, sequences
from models.benchmark.scan_points import MEGABYTE, CorpusTimer, Measured, ModelTimer
from models.benchmark.scan_report import scan_report
from models.benchmark.scan_schedule import Schedule
from models.benchmark.timing import working_clock
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import training_bytes
from models.cost.number_format import choose_number_format
from models.device import free_memory_bytes
from models.runs.events import Event, PreparationAdvanced

DEFAULT_MINUTES = 3.0
_DISK_PER_BYTE = 3
"""Bytes that a byte of a corpus takes on the disk: its text, its tokens, and those of smaller corpora."""


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """What is to be scanned."""

    base: ModelConfig
    """The model of which one size at a time is changed."""
    subject: str
    axes: tuple[str, ...]
    device: torch.device
    training: TrainingConfig = field(default_factory=TrainingConfig)
    minutes: float = DEFAULT_MINUTES
    sizes: Mapping[str, Sequence[int]] = field(default_factory=lambda: SIZES)

    def __post_init__(self) -> None:
        if not 0 < self.minutes < math.inf:
            raise UsageError(f"{self.minutes:g} minutes are no time to measure in.", hint="Give more than 0.")


def benchmark_scan(request: ScanRequest) -> Generator[Event, None, Report]:
    """Measure the axes of `request`, as far as its minutes go, on models of random weights.

    A KeyboardInterrupt ends the measuring, and the report has what was measured before it.
    """
    number_format = _number_format(request)
    possible = {axis: _possible_sizes(request, axis) for axis in request.axes}
    time_model = ModelTimer(request.training, request.device, number_format)
    with ExitStack() as stack:
        corpora: list[CorpusTimer] = []

        def measure(axis: str, size: int) -> Generator[Event, None, Measured]:
            if axis != CORPUS:
                return time_model(model_at(request.base, axis, size), size)
            if not corpora:
                corpora.append(stack.enter_context(CorpusTimer.in_temporary_folder()))
            return (yield from corpora[0](size))

        schedule = Schedule(
            sizes=possible,
            limit_s=60 * request.minutes,
            work=lambda axis, size: _work(request, axis, size),
            obstacle=lambda axis, size: _obstacle(request, axis, size, number_format),
        )
        if set(request.axes) != {CORPUS}:
            yield PreparationAdvanced(stage="warming up", done=0, total=1)
            time_model.warm_up(request.base)
        yield from schedule.run(measure)
    made = environment(request.device, number_format=number_format, minutes=request.minutes)
    points = {axis: schedule.points[axis] for axis in request.axes if axis in schedule.points}
    return scan_report(request.subject, made, points, [_base(request), *_left_out(request, schedule)])


def _possible_sizes(request: ScanRequest, axis: str) -> list[int]:
    """The sizes that the model can have: some architectures have a least or a greatest number of passes."""
    return [size for size in request.sizes[axis] if axis == CORPUS or _is_possible(request.base, axis, size)]


def _is_possible(base: ModelConfig, axis: str, size: int) -> bool:
    try:
        model_at(base, axis, size)
    except UsageError:
        return False
    return True


def _work(request: ScanRequest, axis: str, size: int) -> float:
    """Megabytes of a corpus, or operations of a training step."""
    if axis == CORPUS:
        return size
    config = model_at(request.base, axis, size)
    of_token = counted(skeleton(config), request.training, config.context_length, "float32")["training"]
    return sum(of_token.values()) * sequences(config) * config.context_length


def _obstacle(request: ScanRequest, axis: str, size: int, number_format: str) -> str | None:
    """Why there is no room for a size here."""
    if axis == CORPUS:
        needed = _DISK_PER_BYTE * size * MEGABYTE
        free = shutil.disk_usage(tempfile.gettempdir()).free
        return (
            None if needed < free else f"it needs {byte_size(needed)} of disk, and {byte_size(free)} are free"
        )
    config = model_at(request.base, axis, size)
    needed = training_bytes(skeleton(config), at_once(request.training, config), number_format)
    free = free_memory_bytes(request.device)
    return (
        None if needed < free else f"it needs {byte_size(needed)} of memory, and {byte_size(free)} are free"
    )


def _number_format(request: ScanRequest) -> str:
    """The one that a training of the base would choose; all sizes have it, so that they compare."""
    return choose_number_format(request.base, at_once(request.training, request.base), request.device).name


def _base(request: ScanRequest) -> str:
    """What the models are where an axis does not change them."""
    config, passes = request.base, skeleton(request.base).trained_depth.cycles
    clock = (
        " on the clock of the process, which stands still while others work"
        if working_clock(request.device) is process_time
        else ""
    )
    return (
        f"One axis changes at a time. Otherwise the model is {config.architecture} with random weights, "
        f"width {config.d_model}, {counted_words(passes, 'pass')}, context {config.context_length:,} and "
        f"vocabulary {config.vocab_size:,}. It trains on {TOKENS:,} tokens a step and writes one text, both "
        f"at the trained depth. Times are the shortest of a few{clock}."
    )


def _left_out(request: ScanRequest, schedule: Schedule) -> Iterator[str]:
    for axis, possible in schedule.sizes.items():
        if others := [size for size in request.sizes[axis] if size not in possible]:
            yield f"No such model: {axis} {', '.join(f'{size:,}' for size in others)}."
    for one in schedule.skipped:
        sizes = [size for size in schedule.sizes[one.axis] if size >= one.size]
        yield f"Not measured: {one.axis} {', '.join(f'{size:,}' for size in sizes)} ({one.reason})."
