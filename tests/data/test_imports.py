"""The data layer is torch-free, and reading a character tokenizer needs no other library."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(f"data.{path.stem}" for path in (ROOT / "data").glob("*.py") if path.stem != "__init__")


def loaded_by(*modules: str) -> set[str]:
    code = f"import sys; {'; '.join(f'import {m}' for m in modules)}; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_no_module_imports_a_higher_layer() -> None:
    assert not loaded_by(*MODULES) & {"torch", "typer", "rich", "textual", "models", "tui", "rlm_cli"}


@pytest.mark.parametrize(
    "module", ["data.tokenizer", "data.character_tokenizer", "data.corpus", "data.loader"]
)
def test_libraries_that_are_rarely_needed_are_imported_late(module: str) -> None:
    assert not loaded_by(module) & {"tokenizers", "charset_normalizer"}
