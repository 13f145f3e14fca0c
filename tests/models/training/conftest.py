"""Every training here is fast."""

import pytest


@pytest.fixture(autouse=True)
def _fast_training(fast_training: None) -> None:
    """One thread, and a cache of its own."""
