"""How the processes of one training exchange objects and add up tensors.

Process 0 decides and writes, the others compute for it. Between processors the connection is gloo, between
GPUs nccl (PyTorch, "Distributed communication package"). The processes of one machine add up
tensors in memory that they share (models/processes/shared_memory.py).
"""

import contextlib
import os
import pickle
import struct
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from data.errors import UsageError
from models.device import is_out_of_memory
from models.errors import ProcessLostError
from models.processes.placement import Placement
from models.processes.shared_memory import (
    LEAST_BYTES,
    MOST_BYTES,
    MOST_PROCESSES,
    SharedMemory,
    address_of,
    memory_at,
    new_memory,
)

LONGEST_WAIT = timedelta(days=30)
"""How long a process waits for another. Process 0 may read a text or ask its user for as long as it takes; a
process that ended is noticed at once, because its connections close."""
LONGEST_SEARCH = timedelta(minutes=30)
"""How long a process looks for process 0 where torchrun or a cluster started them: it may never come."""

_LAST_WORK_S = 0.5
"""Until the threads of connections that stay open have freed what was sent last. One that needs Python for
that while the process ends would abort it."""
_FIRST = 2**17
"""Bytes of an object that are sent at once; a larger one is sent again as a whole."""
_HEADER = struct.Struct("<QQ")
"""The bytes of an object, and those of the largest one."""


class ProcessGroup:
    """The connection of this process to the others of its training."""

    def __init__(self, place: Placement) -> None:
        self.place = place
        self.outlives_leaving = False
        """Whether something else refers to the connections: torch's record of tensors in parts does."""
        self._shares_memory = place.local_count == place.count <= MOST_PROCESSES
        """Whether all processes can reach the same memory, as far as is known."""
        self._memory: SharedMemory | None = None

    @classmethod
    def join(cls, place: Placement) -> "ProcessGroup":
        """Connect to the others: once all have come. Raises UsageError where they cannot be reached."""
        if not dist.is_available() or not dist.is_gloo_available():
            raise UsageError(
                "This build of torch cannot connect processes: it has no gloo.",
                hint="Train in one process, or install torch from its own page.",
            )
        # Where there are fewer, the processes train on processors, or are refused when the device is known.
        has_gpus = torch.cuda.is_available() and torch.cuda.device_count() >= place.local_count
        if has_gpus:
            torch.cuda.set_device(place.local_rank)
        try:
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if has_gpus else "gloo",
                store=_addresses(place),
                rank=place.rank,
                world_size=place.count,
                timeout=LONGEST_WAIT,
            )
        except (RuntimeError, ValueError) as error:
            first_line = str(error).strip().partition("\n")[0]
            hint = "Another port may help: torchrun --master-port PORT."
            if place.meeting_file:
                hint = "Train in one process: leave --nproc out."
            if isinstance(error, ValueError):  # of a variable
                hint = "Start with torchrun, which sets it, or unset RANK and WORLD_SIZE."
            raise UsageError(f"The processes cannot reach each other: {first_line}", hint=hint) from error
        return cls(place)

    @property
    def rank(self) -> int:
        return self.place.rank

    @property
    def count(self) -> int:
        return self.place.count

    def send(self, objects: Sequence[Any]) -> Any:
        """From process 0, one object to each process. Its own is returned. Raises ProcessLostError."""
        return self._scatter(list(objects))

    def receive(self) -> Any:
        """The object that process 0 sends to this one, however long it takes. Raises ProcessLostError."""
        return self._scatter(None)

    def _scatter(self, objects: list[Any] | None) -> Any:
        # One exchange for all but large objects; torch's own scatter of objects takes two.
        payloads = None if objects is None else [pickle.dumps(one) for one in objects]
        largest = max(map(len, payloads)) if payloads is not None else 0
        firsts = None
        if payloads is not None:
            firsts = [_HEADER.pack(len(one), largest) + one[:_FIRST] for one in payloads]
        first = self._scatter_bytes(firsts, _HEADER.size + _FIRST)
        size, largest = _HEADER.unpack_from(first)
        if largest > _FIRST:
            first = first[: _HEADER.size] + self._scatter_bytes(payloads, largest)
        return pickle.loads(first[_HEADER.size : _HEADER.size + size])

    def _scatter_bytes(self, parts: list[bytes] | None, size: int) -> bytes:
        received = torch.empty(size, dtype=torch.uint8)
        given = None if parts is None else [_padded(part, size) for part in parts]
        with _noticing_loss():
            dist.scatter(received, given, src=0)
        return received.numpy().tobytes()

    def gather(self, value: object) -> list[Any]:
        """At process 0, the `value` of every process, in order; empty at the others."""
        found: list[Any] | None = [None] * self.count if self.rank == 0 else None
        with _noticing_loss():
            dist.gather_object(value, found, dst=0)
        return found or []

    def add(self, tensor: Tensor) -> None:
        """Replace `tensor` by its sum over all processes."""
        if (memory := self._memory_for([tensor])) is not None:
            memory.add([tensor])
            return
        with _noticing_loss():
            dist.all_reduce(tensor)

    def add_each(self, tensors: Sequence[Tensor], room: Tensor) -> None:
        """Replace each of `tensors`, which have one number format, by its sum over all processes. `room` (n,)
        has as many numbers as they have together, or more."""
        if (memory := self._memory_for(tensors)) is not None:
            memory.add(tensors)
            return
        sizes = [tensor.numel() for tensor in tensors]
        flat = room[: sum(sizes)]
        for part, tensor in zip(flat.split(sizes), tensors, strict=True):
            part.view_as(tensor).copy_(tensor)
        self.add(flat)
        for part, tensor in zip(flat.split(sizes), tensors, strict=True):
            tensor.copy_(part.view_as(tensor))

    def _memory_for(self, tensors: Sequence[Tensor]) -> SharedMemory | None:
        """Where `tensors` can be added up without sending them. All processes come to the same answer."""
        size = sum(tensor.nbytes for tensor in tensors)
        is_possible = self._shares_memory and LEAST_BYTES <= size <= MOST_BYTES
        if not is_possible or tensors[0].device.type != "cpu":
            return None
        if self._memory is None or self._memory.capacity < size:
            self._memory = None
            self._memory = self._make_memory(size)
            self._shares_memory = self._memory is not None
        return self._memory

    def _make_memory(self, size: int) -> SharedMemory | None:
        """Memory for `size` bytes of each process; None where one of them cannot have it."""
        file = new_memory(size, self.count) if self.rank == 0 else None
        address = ("", 0) if file is None else address_of(file)
        address = self.send([address] * self.count) if self.rank == 0 else self.receive()
        memory = memory_at(address)
        reached = torch.tensor(float(memory is not None))
        with _noticing_loss():
            dist.all_reduce(reached)
        if file is not None:
            os.close(file)
        if memory is None or int(reached) < self.count:
            return None
        return SharedMemory(memory, self.rank, self.count, self._meet)

    def _meet(self) -> None:
        """Wait until all processes are here."""
        with _noticing_loss():
            dist.all_reduce(torch.zeros(1))

    def copy_from_first(self, tensor: Tensor) -> None:
        """Replace `tensor` by that of process 0."""
        with _noticing_loss():
            dist.broadcast(tensor, src=0)

    def leave(self) -> None:
        """Close the connections."""
        dist.destroy_process_group()
        if self.outlives_leaving:
            time.sleep(_LAST_WORK_S)


def _addresses(place: Placement) -> Store:
    """Where the processes find each other. Raises RuntimeError, or ValueError for a variable of torchrun."""
    if place.meeting_file:
        store: Store = dist.FileStore(place.meeting_file, place.count)  # type: ignore[attr-defined]
        store.set_timeout(LONGEST_WAIT)
        return store
    # torchrun keeps the addresses of processes that it has started before under the same names.
    found, _, _ = next(rendezvous("env://", place.rank, place.count, timeout=LONGEST_SEARCH))
    found.set_timeout(LONGEST_WAIT)
    return PrefixStore(f"rlm-{place.restarts}-{place.count}", found)


def _padded(part: bytes, size: int) -> Tensor:
    """(size,) uint8: `part`, and zeros."""
    return torch.frombuffer(bytearray(part.ljust(size, b"\0")), dtype=torch.uint8)


@contextlib.contextmanager
def noticing_lost_processes() -> Iterator[None]:
    """Turns the errors of a broken connection in other work, as with a model that is divided among processes,
    into ProcessLostError."""
    try:
        yield
    except RuntimeError as error:
        # gloo has no type of its own; its errors name the file in its sources that they come from.
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise ProcessLostError from error


@contextlib.contextmanager
def _noticing_loss() -> Iterator[None]:
    """Turns the errors of a broken connection into ProcessLostError. Memory may run out there too."""
    try:
        yield
    except RuntimeError as error:  # torch has no narrower type for gloo's
        if is_out_of_memory(error):
            raise
        raise ProcessLostError from error
