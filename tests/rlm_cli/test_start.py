"""What a command imports, since that is most of the time that it takes to start."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

import models.torch_import
from tests.models.export.conftest import make_run

ROOT = Path(__file__).resolve().parents[2]
NEVER = (
    "torch._dynamo", "torch._inductor", "torch.distributed.fsdp", "torch.distributed.tensor", "sympy",
    "numpy.testing", "pyarrow", "datasets", "transformers", "matplotlib", "textual", "starlette", "uvicorn",
)  # fmt: skip
"""Large packages that a command needs only for a task of their own."""
TRAINING = ("models.training", "models.planning", "models.growth", "models.recovery")
ANALYSIS = ("models.analysis.analyze", "models.benchmark", "models.export")
WRITING = ("torch", "numpy", "tokenizers", "prompt_toolkit")

# Runs a command, and names the unwanted modules that it imported. A plan measures the speed for a short time.
PROBE = """
import sys
unwanted = sys.argv.pop(1).split(",")
from rlm_cli.app import main
if sys.argv[1] == "train":
    from models.torch_import import import_torch
    import_torch()
    import models.planning.measured_speed
    models.planning.measured_speed.TIMED_S = 0.01
status = main(sys.argv[1:])
sys.stderr.write("\\nunwanted: " + ",".join(name for name in unwanted if name in sys.modules))
sys.exit(status)
"""


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (("ls",), (*WRITING, *TRAINING, *ANALYSIS)),
        (("show", "owl"), ("torch", "tokenizers", "prompt_toolkit", *TRAINING, *ANALYSIS)),
        (("generate", "owl", "-p", "a", "--max-tokens", "2"), ("prompt_toolkit", *TRAINING, *ANALYSIS)),
        (("chat", "owl", "--max-tokens", "2"), (*TRAINING, *ANALYSIS)),
        (("train", "book.txt", "--name", "new", "--steps", "1", "--dry-run"), ("prompt_toolkit", *ANALYSIS)),
        (("analyze", "book.txt", "--reference", "book.txt"), ("prompt_toolkit", *TRAINING)),
    ],
)
def test_a_command_imports_only_what_it_needs(
    tmp_path: Path, arguments: tuple[str, ...], unwanted: tuple[str, ...]
) -> None:
    make_run(tmp_path / "runs", "looped")
    (tmp_path / "book.txt").write_text("A fox met an owl near the old mill. " * 300)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RLM_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, ",".join((*NEVER, *unwanted)), *arguments],
        cwd=tmp_path, env=environment, input="a\n", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("unwanted: "), done.stderr


def test_importing_torch_makes_no_collection_and_leaves_collections_on(monkeypatch) -> None:
    collections: list[str] = []

    class Torch:
        """Stands for torch: its import makes objects that refer to each other."""

        def find_spec(self, name, path=None, target=None):
            if name == "torch":
                collections.append("on" if gc.isenabled() else "off")
                raise ImportError("no torch")

    monkeypatch.setattr(sys, "meta_path", [Torch(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "torch")
    with pytest.raises(ImportError, match="no torch"):
        models.torch_import.import_torch()
    assert collections == ["off"]
    assert gc.isenabled()
