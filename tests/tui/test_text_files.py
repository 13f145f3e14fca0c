"""The paths that are offered while a path is typed, and the texts nearby."""

from pathlib import Path

from tui.text_files import matching_paths, nearby_texts


def test_paths_are_folders_and_texts_and_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for name in ("a.txt", "B.MD", "c.py", ".hidden.txt", "e\x1b.txt"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    typed = f"{tmp_path}/"
    found = [one.path for one in matching_paths(typed)]
    assert found == [str(tmp_path), f"{typed}notes/", f"{typed}B.MD", f"{typed}a.txt", f"{tmp_path.parent}/"]
    assert [one.path for one in matching_paths(f"{typed}b")] == [f"{typed}B.MD"]
    assert [one.path for one in matching_paths(f"{typed}.h")] == [f"{typed}.hidden.txt"]
    assert [one.label for one in matching_paths(f"{typed}notes/")] == ["../"]
    assert matching_paths(f"{tmp_path}/none/") == [] == matching_paths("zero\0byte/")
    assert matching_paths("x" * 5000) == []


def test_texts_nearby_are_the_large_ones_in_this_folder_and_in_those_in_it(tmp_path: Path) -> None:
    for name, size in (("b.txt", 3000), ("in/c.jsonl", 9000), ("in/deep/d.txt", 9000), ("s.txt", 10),
                       ("R.md", 99_000), (".git/e.txt", 9000), ("f.py", 9000)):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x" * size, encoding="utf-8")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [one.path for one in nearby_texts(str(tmp_path))] == ["in/c.jsonl", "b.txt", "R.md"]
    assert nearby_texts(str(tmp_path / "none")) == []
