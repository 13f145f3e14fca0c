"""What every test may rely on."""

import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from data.cache import set_cache_dir
from models.config import TrainingConfig

if TYPE_CHECKING:
    from tests.data.mixes.four_tables import Tables

STEP_S = 0.01
"""What every step of a training takes by its calibration."""

# A busy machine is no reason to fail.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# A script that runs the tests in its background ignores these for them, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


_MANY_MODULES = 200
_modules_left_alone = 0


def _leave_alone_what_stays() -> None:
    """Modules and collected tests live to the end, so no garbage collection needs to look at them."""
    global _modules_left_alone
    _modules_left_alone = len(sys.modules)
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    _leave_alone_what_stays()


def pytest_runtest_teardown() -> None:
    """Every calibration collects garbage. Some large modules come with the first training of a process."""
    if len(sys.modules) > _modules_left_alone + _MANY_MODULES:
        _leave_alone_what_stays()


@pytest.fixture(autouse=True, scope="session")
def _no_wait_for_the_disk() -> Iterator[None]:
    """A sync only checks its descriptor: tests end processes but never the machine, and every sync takes
    milliseconds. A test that counts syncs, or lets them fail, puts its own in this place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_time_is_measured() -> Iterator[None]:
    """Every plan measures the machine for 0.3 s, and times the model, as the start of a training does. The
    tests of one process share the figures of the machine, and time no model. Samples are short."""
    from models.cost import estimate
    from models.generation import samples
    from models.planning import measured_speed
    from models.training.calibrate import Probe

    measure, known = estimate.machine_rates, {}

    def rates(device: object, training: TrainingConfig, number_format: str) -> object:
        key = (str(device), training.threads, number_format, training.optimizer)
        if key not in known:
            known[key] = measure(device, training, number_format)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "machine_rates", rates)
        patch.setattr(measured_speed, "MAX_PARAMETERS", 0)
        patch.setattr(Probe, "step_s", lambda *_: STEP_S)
        patch.setattr(samples, "SAMPLE", samples.SAMPLE.changed(max_tokens=6))
        yield


@pytest.fixture(autouse=True)
def _cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A test that chooses no cache folder uses none of the user's, and not the one of the test before."""
    set_cache_dir(os.environ.get("RLM_CACHE_DIR") or tmp_path_factory.getbasetemp() / "cache")


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Training flushes denormals in its whole process; the next test gets them back."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_flush_denormal(False)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is held is held throughout the test, so nobody waits a second for it."""
    monkeypatch.setattr("models.runs.lock._LOCK_PATIENCE_S", 0.0)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for compiled kernels, with those of this process where it has some. A cache that other
    processes use has a link to it, named `compiled`, since compiling takes five seconds."""
    from models.kernels import library

    folder = tmp_path_factory.mktemp("compiled")
    found = library.compiled_library() if library._library_or_reason.cache_info().currsize else None
    if found is not None and Path(found._name).is_file():
        shutil.copy(found._name, folder)
    return folder


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> "Tables":
    """Small data sets and a mix of them, written once for all tests of a process, which only read them."""
    from tests.data.mixes.four_tables import write_tables

    return write_tables(tmp_path_factory.mktemp("tables"))
