"""A cache of each test's own."""

from pathlib import Path

import pytest

from data.cache import set_cache_dir


@pytest.fixture(autouse=True)
def own_cache(_cache_of_the_tests: None, tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    set_cache_dir(folder)
    return folder
