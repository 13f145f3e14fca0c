"""What every test may rely on."""

import gc
import os
import signal
import sys
from collections.abc import Iterator

import hypothesis
import pytest

from data.cache import set_cache_dir
from models.config import TrainingConfig

# A busy machine is no reason to fail.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# A script that runs the tests in its background ignores these for them, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """The thousands of collected tests live to the end, so no garbage collection needs to look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _rates_measured_once() -> Iterator[None]:
    """Every plan measures the machine for 0.3 s, and times the model. The tests of one process share the
    figures, and time no model."""
    from models.cost import estimate
    from models.planning import measured_speed

    measure, known = estimate.machine_rates, {}

    def rates(device: object, training: TrainingConfig, number_format: str) -> object:
        key = (str(device), training.threads, number_format, training.optimizer)
        if key not in known:
            known[key] = measure(device, training, number_format)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "machine_rates", rates)
        patch.setattr(measured_speed, "MAX_PARAMETERS", 0)
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
