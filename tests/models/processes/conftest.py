"""Two processes for all tests of a file, and the cache that they share with the test."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.cache import set_cache_dir
from tests.models.processes.hosts import Hosts


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    (folder / "compiled").symlink_to(compiled, target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def hosts(cache: Path) -> Iterator[Hosts]:
    with contextlib.closing(Hosts(cache)) as both:
        yield both


@pytest.fixture
def same_cache(cache: Path, fast_training: None) -> None:
    """The cache of the two processes."""
    set_cache_dir(cache)
