"""What a plan says of a training in several processes, or on machines that are not here: nothing is run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from data.errors import UsageError
from data.wording import byte_size, counted, percent
from models.architectures import skeleton
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import Estimate, sequences_in
from models.cost.link_speed import measure_link
from models.cost.machines import Link, Machine, link_between_gpus, with_link_figures
from models.cost.number_format import NumberFormat, rough_product_format
from models.cost.scaling import (
    MOST_PROCESSES,
    Scaling,
    crossover,
    process_bytes,
    scaling,
    shape_of,
    work_measured,
    work_on,
)
from models.cost.speed import machine_rates
from models.device import choose_device, core_count, device_name, threads_of_each
from models.planning.measured_speed import measured_estimate
from models.runs.typed_json import JsonObject

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


@dataclass(frozen=True, kw_only=True)
class ScalingPlan:
    """A step of a planned training in so many processes."""

    device: str
    threads: int
    """Of each process, where it is a processor; 0 else."""
    link: Link
    machine: Machine | None
    """Where the device is not here; None where it was measured."""
    memory: int
    """Bytes that each process takes."""
    number_format: str
    training: TrainingConfig
    step: Scaling
    crossover: int | None
    """The least number of processes in which exchanging takes longer than computing."""

    def rows(self) -> list[tuple[str, str]]:
        """What stands below the plan."""
        step = self.step
        return [
            ("processes", f"{step.processes:,}, {self._device()}"),
            ("link", self._link()),
            ("memory of each", f"about {byte_size(self.memory)}{self._of_memory()}"),
            ("a step", f"{counted(step.tokens, 'token')}, {self._exchanged()}"),
            ("its time", f"{_time(step.computing_s)} computing, {_time(step.exchanging_s)} exchanging"),
            (
                "speed",
                f"about {_figure(step.tokens_per_second).replace(' ', '')} tokens/s, {self._efficiency()}",
            ),
            ("limit", self._limit()),
        ]

    def to_dict(self) -> JsonObject:
        """The same as JSON has it: bytes, seconds, and bytes and operations per second."""
        return {
            "device": self.device,
            "is_measured": self.machine is None,
            "threads": self.threads,
            "number_format": self.number_format,
            "link": asdict(self.link),
            "machine": None if self.machine is None else asdict(self.machine),
            "memory_bytes": self.memory,
            **asdict(self.step),
            "crossover": self.crossover,
        }

    def _device(self) -> str:
        if self.machine is None:
            threads = f"{counted(self.threads, 'thread')} of " if self.threads else ""
            return f"each on {threads}a device like this {self.device}, whose speed was measured"
        speed, used = _figure(self.machine.flops), percent(self.machine.utilisation)
        return f"each on {self.device}: {speed}FLOP/s, of which {used} are reached"

    def _link(self) -> str:
        if self.step.processes == 1:
            return "none"
        return f"{byte_size(self.link.bandwidth)}/s, {_time(self.link.latency_s)}"

    def _of_memory(self) -> str:
        return "" if self.machine is None else f" of {byte_size(self.machine.memory)}"

    def _exchanged(self) -> str:
        if self.step.processes == 1:
            return "nothing exchanged"
        return f"{byte_size(self.step.bytes_exchanged)} exchanged by each process"

    def _efficiency(self) -> str:
        share = percent(self.step.efficiency)
        return f"{share} of {self.step.processes:,} times the speed of one process"

    def _limit(self) -> str:
        if self.crossover is not None:
            return f"from {self.crossover:,} processes on, exchanging takes longer than computing"
        looked = min(self.training.batch_size, MOST_PROCESSES)
        return f"computing takes longer than exchanging in up to {counted(looked, 'process')}"


def plan_scaling(
    model: ModelConfig,
    training: TrainingConfig,
    processes: int,
    *,
    machine: Machine | None,
    figures: Mapping[str, float],
    is_chosen: bool = False,
) -> ScalingPlan:
    """A step of `training` in so many processes, on the absent `machine`, or on the device of `training`,
    which is measured for one to two seconds. `figures` are those that were set; `is_chosen` tells whether the
    sequences at once were. Raises UsageError where a process does not fit into the machine's memory."""
    if machine is None:
        return _measured(model, training, processes, figures)
    layout = skeleton(model)
    number_format, update_bytes = training.number_format, 2
    rows = -(-training.batch_size // processes)
    at_once = min(training.micro_batch or rows, rows)
    if not is_chosen:
        at_once = min(at_once, sequences_in(layout, training, machine.memory))
    training = replace(training, micro_batch=at_once)
    memory = process_bytes(layout, training, number_format, processes, update_bytes)
    if memory > machine.memory:
        raise UsageError(
            f"Training this model needs about {byte_size(memory)} of memory in each process, and "
            f"{machine.name} has {byte_size(machine.memory)}.",
            hint="Choose a smaller width, context or batch: {model.d_model}, {model.context_length}, "
            "{training.batch_size}.",
        )
    work, shape = work_on(machine, layout, training), shape_of(layout, training, update_bytes)
    return ScalingPlan(
        device=machine.name,
        threads=0,
        link=machine.link(processes),
        machine=machine,
        memory=memory,
        number_format=number_format,
        training=training,
        step=scaling(work, shape, machine.link(processes), processes),
        crossover=crossover(work, shape, machine.link),
    )


def _measured(
    model: ModelConfig, training: TrainingConfig, processes: int, figures: Mapping[str, float]
) -> ScalingPlan:
    unknown = [name for name in figures if not name.startswith("link_")]
    if unknown:
        raise UsageError(
            f"{{machine.{unknown[0]}}} is for a device that is not here; what this one does is measured.",
            hint="Leave it out, or name another device, as in {training.device=h100}.",
            field=f"machine.{unknown[0]}",
        )
    device, layout = choose_device(training.device), skeleton(model)
    threads = threads_of_each(training.threads, processes) or core_count()
    of_process = replace(training, threads=threads if device.type == "cpu" else training.threads)
    found = measured_estimate(layout, of_process, device)
    number_format = found.number_format.name
    rates = machine_rates(device, of_process, number_format)
    update_bytes = 2 if rough_product_format(device) == "bfloat16" else 4
    work = work_measured(layout, of_process, rates, found.tokens_per_second)
    measured = measure_link() if device.type != "cuda" else link_between_gpus(device_name(device))
    shape, link = shape_of(layout, training, update_bytes), with_link_figures(measured, figures)
    return ScalingPlan(
        device=device.type,
        threads=of_process.threads if device.type == "cpu" else 0,
        link=link,
        machine=None,
        memory=process_bytes(layout, of_process, number_format, processes, update_bytes),
        number_format=number_format,
        training=training,
        step=scaling(work, shape, link, processes),
        crossover=crossover(work, shape, lambda count: link),
    )


def with_scaling(plan: Any, found: ScalingPlan) -> Any:
    """`plan`, a dataclass with `training` and `estimate`, with the memory and the number format of `found`,
    and with its speed where the plan could not measure one."""
    before: Estimate = plan.estimate
    number_format, speed = before.number_format, before.tokens_per_second
    if found.machine is not None:
        speed = found.step.tokens_per_second
        number_format = NumberFormat(found.number_format, f"what the figures of {found.device} are for")
    return replace(
        plan,
        training=found.training,
        estimate=replace(
            before,
            training_bytes=found.memory,
            tokens_per_second=speed,
            number_format=number_format,
        ),
    )


def _time(seconds: float) -> str:
    """Seconds as 1.2 s, 34 ms or 5.6 µs."""
    scale, unit = next((one for one in _UNITS if seconds >= 0.9995 * one[0]), _UNITS[-1])
    number = seconds / scale
    return f"{number:.0f} {unit}" if number >= 99.95 else f"{number:.2g} {unit}"


def _figure(number: float) -> str:
    """A number as 989 T, 12.3 M or 123,000, to three digits."""
    for scale, unit in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{float(f'{number:.3g}'):,.0f}"
