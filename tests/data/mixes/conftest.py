"""Data sets that are written once for all tests of a process, and a cache of each test's own."""

from pathlib import Path

import pytest

from data.cache import set_cache_dir
from tests.data.mixes.four_tables import Tables, write_tables


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return write_tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(autouse=True)
def own_cache(_cache_of_the_tests: None, tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    set_cache_dir(folder)
    return folder
