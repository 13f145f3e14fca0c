"""The rows of folders of tables, and what a folder is refused for."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from data.errors import CorpusError, UsageError
from data.mixes.rows import has_rows, open_rows
from data.mixes.spec import MixSource


def folder_of(path: Path, **more: object) -> MixSource:
    return MixSource(name="x", weight=1, path=str(path), **more)  # type: ignore[arg-type]


def parquet(path: Path, **columns: list[str]) -> None:
    pyarrow.parquet.write_table(pa.table(columns), path)


@pytest.mark.parametrize("needed", [("text",), ()])
def test_a_file_without_the_column_is_named(tmp_path: Path, needed: tuple[str, ...]) -> None:
    parquet(tmp_path / "a.parquet", text=["one", "two"])
    parquet(tmp_path / "b.parquet", body=["three"])
    with pytest.raises(CorpusError, match=r"'b.parquet' of source 'x' has no column .*: it has 'body'"):
        open_rows(folder_of(tmp_path, columns=needed, documents=5), needed)
    parquet(tmp_path / "b.parquet", body=["three"], text=["four"])
    found = open_rows(folder_of(tmp_path, columns=needed, documents=5), needed)
    assert [dict(row)["text"] for row in found.rows if isinstance(row, dict)] == ["one", "two", "four"]


def test_an_empty_first_table_has_nothing_to_miss(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "b.csv").write_text("text,more\none,1\n")
    found = open_rows(folder_of(tmp_path, columns=("text",)), ("text",))
    assert found.columns == ("text", "more") and list(found.rows) == [{"text": "one", "more": "1"}]


@pytest.mark.parametrize("more", [{}, {"columns": ("text",)}])
def test_files_have_no_split(tmp_path: Path, more: dict[str, object]) -> None:
    (tmp_path / "train.csv").write_text("text\none\n")
    with pytest.raises(UsageError, match="Source 'x' has a 'split', and its path is no data set"):
        has_rows(folder_of(tmp_path, split="train", **more))


def test_empty_cells_of_a_csv_are_empty_texts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("q,a,more\none,,x\n,two,\n")
    found = open_rows(folder_of(tmp_path, columns=("q", "a")), ("q", "a"))
    assert list(found.rows) == [{"q": "one", "a": "", "more": "x"}, {"q": "", "a": "two"}]
