"""A process that computes keeps the memory that it frees, so that no step waits for new pages."""

import ctypes
import subprocess
import sys

import pytest

from models import device

pytest.importorskip("resource")

NUMBERS = 20_000_000
"""More of them than the system's library keeps unless it is told to."""
PROGRAM = f"""
import resource, torch
from models.device import prepare_process

def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

prepare_process(1)
for number in range(16):
    if number == 8:
        before = pages()
    torch.empty({NUMBERS}).fill_(1.0)
assert pages() - before < 3 * {NUMBERS * 4 // 4096}, pages() - before
"""
"""Eight pieces of memory without the setting are eight times their pages. With it there can be one or two: a
small piece may take the first bytes of the freed memory, and the next large one then has to be new."""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="only the GNU C library is told to keep memory"
)
def test_the_same_memory_is_used_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("most", "kept"), [(2**31, 2**30), (2**25, 2**25), (0, None)])
def test_a_library_that_refuses_a_gigabyte_keeps_less(
    most: int, kept: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mmap_threshold, trim_threshold = -3, -1
    settings: dict[int, int] = {}

    class Library:
        def __init__(self, _: None) -> None:
            pass

        @staticmethod
        def mallopt(name: int, value: int) -> int:
            if name == mmap_threshold and value > most:
                return 0
            settings[name] = value
            return 1

    monkeypatch.setattr(ctypes, "CDLL", Library)
    device._keep_freed_memory.__wrapped__()
    assert settings == ({} if kept is None else {mmap_threshold: kept, trim_threshold: 2**30})
