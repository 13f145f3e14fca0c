"""The numbers of this repository's models on this machine: `python -m tests.golden.record` writes them into
numbers.json, beside those of other machines. Run it at a commit whose numbers are known to be right.
"""

import json
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from models.kernels.library import COMPILERS, compiled_library
from tests.golden.observe import numbers_of
from tests.golden.recipes import RECIPES

RECORDED = Path(__file__).with_name("numbers.json")
_CHOOSE_KERNELS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16")

Numbers = dict[str, dict[str, Any]]
"""By the name of the recipe."""


def this_machine() -> str:
    """What decides about the last bits of a sum: system, version of torch, processor, and C compiler.

    The libraries below torch choose their kernels by the processor's model and its instructions, in finer
    steps than torch's own capability, and another kernel adds in another order.
    """
    return ", ".join(
        (
            f"{platform.system()} {platform.machine()}",
            f"torch {torch.__version__}",
            torch.backends.cpu.get_cpu_capability(),
            _processor(),
            _compiler(),
        )
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    first = cpuinfo.read_text().split("\n\n")[0]
    fields = {name.strip(): value for name, _, value in (row.partition(":") for row in first.split("\n"))}
    model = " ".join(fields.get(name, "?").strip() for name in ("vendor_id", "cpu family", "model"))
    flags = fields.get("flags", "").split()
    return " ".join((model, *(name for name in _CHOOSE_KERNELS if name in flags)))


def _compiler() -> str:
    if compiled_library() is None:
        return "no compiled kernels"
    path = next(filter(None, map(shutil.which, COMPILERS)))
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return f"kernels by {said.splitlines()[0]}"


def recorded() -> dict[str, Numbers]:
    """What numbers.json holds, by machine."""
    return json.loads(RECORDED.read_text()) if RECORDED.exists() else {}


def write(machines: dict[str, Numbers]) -> None:
    """Write numbers.json with one line for each kind of number, so that a difference can be read."""
    lines = [
        f"{_json(machine)}: {{\n"
        + ",\n".join(
            f" {_json(recipe)}: {{\n"
            + ",\n".join(f"  {_json(name)}: {_json(value)}" for name, value in found.items())
            + "\n }"
            for recipe, found in numbers.items()
        )
        + "\n}"
        for machine, numbers in sorted(machines.items())
    ]
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def record() -> Numbers:
    """Run all recipes. Raises AssertionError where one differs from the recipe it must be the same as."""
    numbers: Numbers = {}
    for recipe in RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            found = numbers_of(recipe, Path(folder))
        if recipe.same_as is None:
            numbers[recipe.name] = found
        else:
            assert found == numbers[recipe.same_as], f"{recipe.name} differs from {recipe.same_as}"
        print(recipe.name, file=sys.stderr)
    return numbers


if __name__ == "__main__":
    write({**recorded(), this_machine(): record()})
