"""A decoding step gives the same on processors whose instructions compute 4, 8 or 16 numbers."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from models.architectures import build_model, model_config
from models.depth import Depth
from models.kernels import library
from models.native.native_step import NativeStep, Step

pytestmark = pytest.mark.skipif(library.compiled_library() is None, reason="there is no C compiler")
SOURCES = [str(Path(library.__file__).with_name(name)) for name in ("step.c", "linear.c", "attend.c")]


@pytest.fixture(params=[4, 8, 16], scope="module")
def step(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Step:
    """Compiled for so many numbers."""
    compiler = next(filter(None, map(shutil.which, library.COMPILERS)))
    path = tmp_path_factory.mktemp("lanes") / "step.so"
    flags = ["-O1", "-w", "-shared", "-fPIC", f"-DLANES={request.param}"]
    subprocess.run([compiler, *flags, *SOURCES, "-o", str(path), "-lm"], check=True)
    found = ctypes.CDLL(str(path)).rlm_step
    found.argtypes, found.restype = [ctypes.c_void_p, ctypes.c_int64], None
    return found


@pytest.mark.parametrize("width", [24, 72], ids=["narrow heads", "wide heads"])
@torch.inference_mode()
def test_the_logits_are_those_of_the_model(step: Step, width: int) -> None:
    sizes = {"vocab_size": 46, "context_length": 24, "d_model": width, "n_heads": 2, "d_feed_forward": 168}
    model = build_model(model_config({"architecture": "looped", **sizes})).eval()
    for rows in (1, 2, 3, 7, 12):
        tokens = torch.randint(0, 46, (rows, 21))
        cache, native = model.new_cache(rows, 24, Depth(1)), NativeStep(step, model, Depth(1), rows, {})
        for one in tokens.t().tolist():
            found = native.logits(one, cache, None)
        expected = model(tokens, Depth(1)).logits[:, -1]
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-4)
