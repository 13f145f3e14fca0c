"""Memory that the processes of one machine share. Tensors are added up in it, and no bytes are sent.

It has no name, so nothing is left of it when the processes end, however they do. Only Linux has such memory.
"""

import mmap
import os
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

MOST_BYTES = 2**25
"""What each process puts there at once. More than that is sent, so that it does not fill the main memory."""
LEAST_BYTES = 2**14
"""What is smaller is sent: it takes as long."""
MOST_PROCESSES = 8
"""Each one reads what all of them have written. With many, sending in a ring moves less."""
_HALVES = 2


class SharedMemory:
    """Room for `capacity` bytes of each process, twice: one half is written while others may still read the
    other half."""

    def __init__(self, memory: mmap.mmap, rank: int, count: int, meet: Callable[[], None]) -> None:
        """`memory` is the same in all processes. `meet` returns once all of them have called it."""
        self.capacity = len(memory) // (_HALVES * count)
        self._segments = torch.frombuffer(memory, dtype=torch.uint8).view(_HALVES, count, self.capacity)
        self._rank, self._meet, self._half = rank, meet, 0

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each of `tensors`, which have one number format and `capacity` bytes together at most, by
        its sum over all processes. All add in the order of the processes, so they get the same bits."""
        sizes, kind = [tensor.numel() for tensor in tensors], tensors[0].dtype
        numbers = self._segments[self._half].view(kind)[:, : sum(sizes)]  # (processes, n)
        self._half = (self._half + 1) % _HALVES
        for part, tensor in zip(numbers[self._rank].split(sizes), tensors, strict=True):
            part.view_as(tensor).copy_(tensor)
        self._meet()
        first, second, *others = (segment.split(sizes) for segment in numbers.unbind())
        for place, tensor in enumerate(tensors):
            torch.add(first[place].view_as(tensor), second[place].view_as(tensor), out=tensor)
            for other in others:
                tensor.add_(other[place].view_as(tensor))


def new_memory(bytes_of_each: int, count: int) -> int | None:
    """A file descriptor of memory for a SharedMemory of `count` processes; None where there is too little, or
    the system has none or does not allow it."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        file = os.memfd_create("rlm")
    except OSError:
        return None
    try:
        os.posix_fallocate(file, 0, _HALVES * count * -(-bytes_of_each // mmap.PAGESIZE) * mmap.PAGESIZE)
    except OSError:
        os.close(file)
        return None
    return file


def address_of(file: int) -> tuple[str, int]:
    """Where other processes find the memory with the descriptor `file`: its path, and its number there."""
    return f"/proc/{os.getpid()}/fd/{file}", os.fstat(file).st_ino


def memory_at(address: tuple[str, int]) -> mmap.mmap | None:
    """The memory at `address`; None where it is out of reach, or where another container has another file of
    that path."""
    path, number = address
    try:
        with open(path, "r+b") as file:
            return mmap.mmap(file.fileno(), 0) if os.fstat(file.fileno()).st_ino == number else None
    except OSError:
        return None
