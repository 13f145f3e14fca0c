"""Accelerators by name, for plans of a training on machines that are not here. Torch-free.

Memory, speed and bandwidth are from the makers' public papers; products in bfloat16 are dense ones, without
the doubling by sparsity. Bandwidths of links count one direction: half of what a paper gives for both.

- a100: "NVIDIA A100 Tensor Core GPU" (80GB SXM): 312 TFLOPS, 80 GB, 2,039 GB/s, NVLink 600 GB/s. "NVIDIA DGX
  A100": 8 GPUs, and a port of 200 Gb/s for each.
- h100: "NVIDIA H100 Tensor Core GPU" (SXM): 1,979 TFLOPS with sparsity, 80 GB, 3.35 TB/s, NVLink 900 GB/s.
  "NVIDIA DGX H100": 8 GPUs, and a port of 400 Gb/s for each.
- h200: "NVIDIA H200 Tensor Core GPU" (SXM): 141 GB and 4.8 TB/s; the rest as h100.
- l40s: "NVIDIA L40S": 733 TFLOPS with sparsity, 48 GB, 864 GB/s, PCIe Gen4 x16 64 GB/s.
- rtx4090: "NVIDIA Ada GPU Architecture", appendix A: 165.2 TFLOPS with sums in float32, 24 GB, 1,008 GB/s;
  PCIe Gen4 x16.

Four things are assumptions. No paper gives latencies: those of a hop are what NCCL's own model takes for its
ring (`src/graph/tuning.cc`, protocol Simple: NVLink 3.4 µs, PCIe 5.7 µs, network 14 µs). Machines of l40s and
rtx4090 are taken to have 8 and 4 devices and one port of 100 Gb/s. A training computes at 0.4 of the rate on
paper. And all ports of a machine serve its rings together, so that a ring has their whole bandwidth.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from data.errors import UsageError
from data.nearest import nearest

UTILISATION = 0.4
"""The share of the rate on paper that a training reaches."""
_NVLINK_S, _PCIE_S, _NETWORK_S = 3.4e-6, 5.7e-6, 14e-6


@dataclass(frozen=True, slots=True)
class Link:
    """What a process sends to the next one: bytes per second, and the seconds before the first one comes."""

    bandwidth: float
    latency_s: float


@dataclass(frozen=True, slots=True)
class Machine:
    """A device of a kind, and how it is connected to others of its kind."""

    name: str
    memory: float
    """Bytes."""
    flops: float
    """Operations per second of dense products in bfloat16, as the maker gives them."""
    memory_bandwidth: float
    """Bytes per second."""
    inside: Link
    """To another device of the same machine."""
    between: Link
    """From a machine to the next one, through all its ports."""
    devices: int = 8
    """Of one machine."""
    utilisation: float = UTILISATION

    def link(self, processes: int) -> Link:
        """A ring of so many processes, one for each device: the bandwidth of its slowest link, and the mean
        latency of its hops, all of which a number passes."""
        machines = math.ceil(processes / self.devices)
        if machines == 1:
            return self.inside
        hops = machines * self.between.latency_s + (processes - machines) * self.inside.latency_s
        return Link(min(self.inside.bandwidth, self.between.bandwidth), hops / processes)

    def with_figures(self, figures: Mapping[str, float]) -> "Machine":
        """The same with `figures`, by the name of their setting."""
        changed: dict[str, Any] = {
            name: int(value) if name == "devices" else value
            for name, value in figures.items()
            if not name.startswith("link_")
        }
        return replace(
            self,
            inside=with_link_figures(self.inside, figures),
            between=with_link_figures(self.between, figures),
            **changed,
        )


MACHINES = {
    machine.name: machine
    for machine in (
        Machine("a100", 80e9, 312e12, 2039e9, Link(300e9, _NVLINK_S), Link(200e9, _NETWORK_S)),
        Machine("h100", 80e9, 989.4e12, 3350e9, Link(450e9, _NVLINK_S), Link(400e9, _NETWORK_S)),
        Machine("h200", 141e9, 989.4e12, 4800e9, Link(450e9, _NVLINK_S), Link(400e9, _NETWORK_S)),
        Machine("l40s", 48e9, 366.5e12, 864e9, Link(32e9, _PCIE_S), Link(12.5e9, _NETWORK_S)),
        Machine("rtx4090", 24e9, 165.2e12, 1008e9, Link(32e9, _PCIE_S), Link(12.5e9, _NETWORK_S), devices=4),
    )
}


def link_between_gpus(name: str) -> Link:
    """The link of two GPUs of one machine, by the name that their maker gives them; a PCIe Gen4 slot for one
    that is not among `MACHINES`."""
    words = "".join(name.lower().split())
    found = (machine.inside for machine in MACHINES.values() if machine.name in words)
    return next(found, Link(32e9, _PCIE_S))


_SIZES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_RATES = {
    **{f"{unit}/s": scale for unit, scale in _SIZES.items()},
    **{f"{unit}bit/s": scale / 8 for unit, scale in (("M", 1e6), ("G", 1e9), ("T", 1e12))},
}
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_SPEEDS = {"GFLOPS": 1e9, "TFLOPS": 1e12, "PFLOPS": 1e15}
SETTINGS: Mapping[str, tuple[Mapping[str, float], str]] = {
    "link_bandwidth": (_RATES, "50GB/s"),
    "link_latency": (_SECONDS, "10us"),
    "memory": (_SIZES, "80GB"),
    "memory_bandwidth": (_RATES, "2TB/s"),
    "flops": (_SPEEDS, "300TFLOPS"),
    "utilisation": ({}, "0.4"),
    "devices": ({}, "8"),
}
"""The figures that can be set, as `machine.NAME`: their units, and an example."""
_NUMBER = re.compile(r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*([^\s\d]*)\s*")


def parse_figure(name: str, value: object) -> float:
    """The figure of the setting `machine.NAME` from a number or from text such as 50GB/s, in bytes, seconds
    or operations. Raises UsageError."""
    path = f"machine.{name}"
    if name not in SETTINGS:
        near = nearest(name, SETTINGS)
        hint = f"Did you mean machine.{near[0]}?" if near else f"Known: {', '.join(sorted(SETTINGS))}."
        raise UsageError(f"There is no setting {path}.", hint=hint, field=path)
    units, example = SETTINGS[name]
    found = _NUMBER.fullmatch(str(value)) if not isinstance(value, bool) else None
    scale = {"": 1.0, **units}.get(found[2]) if found else None
    if found is None or scale is None:
        raise UsageError(
            f"{path} is {str(value)[:60]!r}, which is not a number with a unit.",
            hint=f"Write it like {example}." + (f" Units: {', '.join(units)}." if units else ""),
            field=path,
        )
    number = float(found[1]) * scale
    least, most = (1, 1e6) if name == "devices" else (0.0, 1.0 if name == "utilisation" else math.inf)
    if not (least <= number <= most) or math.isinf(number) or (number == 0 and name != "link_latency"):
        bounds = {"devices": "1 to 1000000", "utilisation": "above 0, 1 at most"}.get(name, "above 0")
        raise UsageError(f"{path} is {str(value)[:60]}; it must be {bounds}.", field=path)
    return number


def with_link_figures(link: Link, figures: Mapping[str, float]) -> Link:
    """`link` with what `figures` set of it."""
    return Link(figures.get("link_bandwidth", link.bandwidth), figures.get("link_latency", link.latency_s))
