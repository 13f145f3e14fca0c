"""Runs to be damaged, made once: one with two texts, one of averaged weights, one that solves puzzles."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fire.commands import QUICK, Host

TEXTS = {
    "crow.txt": "The crow sat on the wall and looked at the sea. It was late, and nobody came by.\n",
    "tide.txt": "Tides come and go; the moon draws them on. Water rises, water falls again.\n",
}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def host(cache: Path) -> Iterator[Host]:
    host = Host(cache)
    yield host
    host.close()


@pytest.fixture(scope="session")
def template(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two texts and three runs: pair, averaged and sudoku."""
    folder = tmp_path_factory.mktemp("template")
    for name, line in TEXTS.items():
        (folder / name).write_text("".join(f"{number}. {line}" for number in range(150)))
    commands = [
        ["train", "crow.txt", "--name", "pair", "--steps", "6", *QUICK],
        ["train", "tide.txt", "--continue", "pair", "--steps", "6"],
        [
            "train",
            "crow.txt",
            "--name",
            "averaged",
            "--steps",
            "4",
            *QUICK,
            "--set",
            "training.average_decay=0.9",
        ],
        [
            "train",
            "--task",
            "sudoku:4x4",
            "--count",
            "120",
            "--name",
            "sudoku",
            "--steps",
            "4",
            "--batch-size",
            "8",
            "--number-format",
            "float32",
            "--d-model",
            "32",
            "--heads",
            "2",
            "--set",
            "training.samples=0",
        ],
    ]
    for arguments in commands:
        outcome = host.rlm(folder, *arguments)
        assert outcome.code == 0 and not outcome.faults(), outcome.text
    return folder


@pytest.fixture
def fresh(template: Path, cache: Path, tmp_path: Path) -> Callable[[], Path]:
    """A copy of the template, in the place of the last one, and the cache as it was."""
    saved = tmp_path / "cache"
    shutil.copytree(cache, saved)

    def make() -> Path:
        folder = tmp_path / "work"
        for source, target in ((template, folder), (saved, cache)):
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, symlinks=True)
        return folder

    return make
