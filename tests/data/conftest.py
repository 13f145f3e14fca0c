"""Each test has its own cache folder."""

from pathlib import Path

import pytest

from data.cache import set_cache_dir


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    set_cache_dir(folder)
    return folder
