"""A text is found where its project has moved to."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data.corpus import open_corpus
from data.errors import CorpusError
from data.progress import result_of
from models.runs.run import Run
from models.runs.text_search import find_text, places

TEXT = "the owl sees the fox, and the fox sees the hen.\n" * 40


def project(folder: Path) -> tuple[Run, list[str], str]:
    """A run in `folder`, the paths of its text, and the hash of it."""
    run = folder / "runs" / "owl"
    run.mkdir(parents=True)
    (folder / "texts" / "deep").mkdir(parents=True)
    files = [folder / "texts" / "a.txt", folder / "texts" / "deep" / "b.txt"]
    for number, file in enumerate(files):
        file.write_text(TEXT + str(number), encoding="utf-8")
    paths = [str(file) for file in files]
    return Run(run), paths, open_corpus(paths).content_hash


def copied(old: Path, new: Path) -> None:
    shutil.copytree(old, new)
    for file in (old / "texts").rglob("*.txt"):
        file.write_text("another text, of which nothing is known\n" * 40, encoding="utf-8")


@pytest.mark.parametrize("move", [shutil.move, copied])
def test_a_text_is_found_beside_the_run_that_moved_with_it(
    tmp_path: Path, move: Callable[[Path, Path], object]
) -> None:
    _, paths, content_hash = project(tmp_path / "old")
    move(tmp_path / "old", tmp_path / "another place")
    run = Run(tmp_path / "another place" / "runs" / "owl")
    found = result_of(find_text(run, paths, content_hash))
    assert [source.path for source in found.sources] == [
        tmp_path / "another place" / "texts" / name for name in ("a.txt", "deep/b.txt")
    ]


def test_a_path_of_another_system_is_read(tmp_path: Path) -> None:
    run, paths, _ = project(tmp_path)
    old = [r"C:\Users\me\owls\texts\a.txt", r"C:\Users\me\owls\texts\deep\b.txt"]
    assert tuple(paths) in set(places(run.path, old))


def test_another_text_of_the_same_name_is_not_taken(tmp_path: Path) -> None:
    run, paths, content_hash = project(tmp_path)
    for path in paths:
        Path(path).write_text("another text, of which nothing is known\n" * 40, encoding="utf-8")
    with pytest.raises(CorpusError, match="no longer the one") as caught:
        result_of(find_text(run, paths, content_hash))
    assert f"{{resume {run.in_command} text=FILE}}" in (caught.value.hint or "")
    shutil.rmtree(tmp_path / "texts")
    with pytest.raises(CorpusError, match="is gone"):
        result_of(find_text(run, paths, content_hash))
