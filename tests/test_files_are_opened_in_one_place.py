"""Files are opened through `data.plain_file` and written through `data.storage`, and nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OPENS = {"open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "safe_open", "load_file"}
OPENS |= {"save_file", "memmap", "fromfile", "tofile", "copyfile", "copy2", "copytree", "touch"}
OTHER_OPENS = {"Run.open"}  # opens a run, not a file
REASONS = {
    "data/plain_file.py": "opens every file that is read, and the logs",
    "data/storage.py": "writes every file",
    "data/source_files.py": "a user names a pipe or a device, and it is copied into the cache",
    "data/prepare.py": "maps an open token file; writes tokens into its own temporary folder",
    "data/mixes/shard.py": "writes documents into its own folder in the cache",
    "models/runs/tensor_file.py": "the library opens by name, after the file was checked",
    "models/device.py": "reads what the system says of its processor",
    "models/benchmark/timing.py": "asks the system for the peak of memory",
    "models/kernels/library.py": "reads its own C files, and what the system says of its processor",
    "models/processes/shared_memory.py": "maps memory of another process, which has no file",
    "models/training/worker.py": "reads the code that runs, to compare it with that of other processes",
    "rlm_cli/__main__.py": "opens the null device",
    "rlm_cli/streams.py": "opens the null device",
}


def opens(source: str) -> Iterator[tuple[int, str]]:
    """The line and the name of each call that opens a file by its name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.rpartition(".")[2] in OPENS and called not in OTHER_OPENS:
                yield node.lineno, called


@pytest.mark.parametrize("package", ["data", "models", "rlm_cli", "tui"])
def test_no_other_module_opens_files(package: str) -> None:
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name not in REASONS and (calls := list(opens(path.read_text(encoding="utf-8")))):
            found[name] = calls
    assert not found, "read through data.plain_file and write through data.storage, or give a reason here"


def test_every_exception_is_needed() -> None:
    assert all(any(opens((ROOT / name).read_text(encoding="utf-8"))) for name in REASONS)
