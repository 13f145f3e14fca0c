"""Tensors are added up in memory that processes share. Here threads take the place of processes."""

import errno
import mmap
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.processes.shared_memory import SharedMemory, address_of, memory_at, new_memory

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only Linux has such memory")
ROUNDS = 50


def in_shared_memory(tensors: list[list[list[Tensor]]]) -> None:
    """Add up `tensors`, first by process, then by round."""
    count, size = len(tensors), sum(tensor.nbytes for tensor in tensors[0][0])
    file = new_memory(size, count)
    assert file is not None
    barrier = threading.Barrier(count)

    def work(rank: int) -> None:
        memory = memory_at(address_of(file))
        assert memory is not None
        shared = SharedMemory(memory, rank, count, barrier.wait)
        assert shared.capacity >= size
        for of_one_round in tensors[rank]:
            shared.add(of_one_round)

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(work, range(count)))
    os.close(file)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_every_process_gets_the_sum_of_each_round(count: int, kind: torch.dtype) -> None:
    given = [
        [[torch.randn(7, 3).to(kind), torch.randn(4, 5).to(kind).T] for _ in range(ROUNDS)]
        for _ in range(count)
    ]
    expected = []
    for of_one_round in zip(*given, strict=True):
        totals = [tensor.clone() for tensor in of_one_round[0]]
        for tensors in of_one_round[1:]:
            totals = [total + tensor for total, tensor in zip(totals, tensors, strict=True)]
        expected.append(totals)
    in_shared_memory(given)
    for of_one_process in given:
        for totals, tensors in zip(expected, of_one_process, strict=True):
            assert all(torch.equal(total, tensor) for total, tensor in zip(totals, tensors, strict=True))


def test_memory_is_of_whole_pages() -> None:
    file = new_memory(1, 2)
    assert file is not None
    memory = memory_at(address_of(file))
    os.close(file)
    assert memory is not None and len(memory) == 4 * mmap.PAGESIZE


def test_what_cannot_be_had_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    assert memory_at(("/proc/self/fd/1048576", 1)) is None and memory_at(("", 0)) is None
    with monkeypatch.context() as changed:
        changed.setattr(os, "posix_fallocate", fails)
        assert new_memory(1, 2) is None
    with monkeypatch.context() as changed:
        changed.setattr(os, "memfd_create", fails)
        assert new_memory(1, 2) is None
    monkeypatch.delattr(os, "memfd_create")
    assert new_memory(1, 2) is None


def test_another_file_of_the_same_path_is_no_memory(tmp_path: Path) -> None:
    """Processes in two containers can have the same number, so that a path leads to a file of another one."""
    file = new_memory(1, 2)
    assert file is not None
    _, number = address_of(file)
    os.close(file)
    for text in (b"", b"what somebody wrote"):
        other = tmp_path / "other"
        other.write_bytes(text)
        assert memory_at((str(other), number)) is None
