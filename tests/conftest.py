"""What every test may rely on."""

import sys
from collections.abc import Iterator

import hypothesis
import pytest

# A busy machine is no reason to fail.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Training flushes denormals in its whole process; the next test gets them back."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_flush_denormal(False)
