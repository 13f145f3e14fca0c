"""Modules that must start fast import no torch, and every package is installed."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("rlm_cli", "tui", "models", "data")
SLOW = ("torch", "textual", "transformers", "datasets")

# Imports one module after another and names the first after which something slow is loaded.
PROBE = """
import importlib, sys
for name in sys.argv[2:]:
    importlib.import_module(name)
    loaded = [slow for slow in sys.argv[1].split(",") if slow in sys.modules]
    if loaded:
        sys.exit(f"importing {name} loads {loaded[0]}")
"""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def source_files() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def torch_free_modules() -> list[str]:
    """Every module the linter does not allow to import torch at the top."""
    patterns = [
        pattern
        for pattern, rules in CONFIGURATION["tool"]["ruff"]["lint"]["per-file-ignores"].items()
        if "TID253" in rules and not pattern.startswith("tests")
    ]
    allowed: set[Path] = set()
    for pattern in patterns:
        before, brace, rest = pattern.partition("{")
        names, _, after = rest.partition("}")
        for name in names.split(",") if brace else [""]:
            allowed.update(ROOT.glob(before + name + after))
    packages = {path for path in source_files() if path.name == "__init__.py"}
    return [module_name(path) for path in source_files() if path not in allowed - packages]


def test_torch_free_modules_stay_torch_free() -> None:
    modules = torch_free_modules()
    assert {"rlm_cli.app", "models.runs.run", "models.presets", "data.corpus"} <= set(modules)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, ",".join(SLOW), *modules],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_package_is_installed() -> None:
    listed = set(CONFIGURATION["tool"]["setuptools"]["packages"])
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in source_files()}
    assert listed == there
    assert all((ROOT / Path(*name.split(".")) / "__init__.py").exists() for name in listed)


def test_no_init_file_among_the_tests() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("extra", [None, "dev"])
def test_every_dependency_has_a_tested_version(extra: str | None) -> None:
    project = CONFIGURATION["project"]
    wanted = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    assert {dependency.partition(">=")[0] for dependency in wanted} <= pinned


def test_one_process_imports_nothing_for_several() -> None:
    code = (
        "import sys, models.training.trainer as _\n"
        "assert not {'torch.distributed.fsdp', 'torch.distributed.tensor'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
