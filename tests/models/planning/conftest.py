"""A small text, one thread, and a cache of our own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from data.cache import set_cache_dir


@pytest.fixture(autouse=True)
def one_thread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    set_cache_dir(tmp_path_factory.mktemp("cache"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "meadow.txt"
    verbs, others = ("sees", "hears", "calls"), ("owl", "fox", "hen", "bee")
    lines = (f"the {others[7 * i % 4]} {verbs[5 * i % 3]} the {others[i % 4]}.\n" for i in range(120))
    path.write_text("".join(lines), encoding="utf-8")
    return path
