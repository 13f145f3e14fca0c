"""`rlm benchmark` on a run of text and on one of puzzles."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from data.errors import StorageError
from models.benchmark import speed
from models.benchmark.report import Column, Plot, Report, Table
from rlm_cli.app import main
from rlm_cli.output import Output
from rlm_cli.report_view import holds_results, markdown_page, show

TINY = [
    "--d-model", "16", "--heads", "2", "--threads", "1", "--steps", "1", "--quiet",
    "--number-format", "float32",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    before = torch.get_num_threads()
    (folder / "book.txt").write_text("The owl counted mice by the old mill. " * 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RLM_CACHE_DIR", str(folder / "cache"))
        assert main(["train", "book.txt", "--context", "16", "--batch-size", "2", *TINY]) == 0
        assert main(["train", "--task", "sudoku:4x4", "--count", "40", "--name", "puzzles", *TINY]) == 0
        yield folder
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("RLM_CACHE_DIR", str(home / "cache"))


def test_depth_reads_the_same_text_at_every_depth(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["benchmark", "depth", "book", "--json", "--html", "d.html", "--markdown", "d.md"]) == 0
    found = json.loads(capsys.readouterr().out)
    (table,) = found["tables"]
    assert [row[0] for row in table["rows"]] == ["1", "2", "3", "4", "6"]
    assert all(row[3] > 0 and row[6] > 0 for row in table["rows"])
    assert found["verdicts"] and found["environment"]["torch"] == torch.__version__
    assert Path("d.html").read_text().startswith("<!doctype html>")
    assert "Loss in nats" in Path("d.md").read_text()


def test_depth_of_puzzles_has_steps_and_clues(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["benchmark", "depth", "puzzles", "--json"]) == 0
    steps, clues = json.loads(capsys.readouterr().out)["tables"]
    assert [row[0] for row in steps["rows"]] == sorted({row[0] for row in steps["rows"]})
    assert all(0 <= row[1] <= 1 for row in steps["rows"]) and sum(row[1] for row in clues["rows"]) > 0


def test_speed_times_training_and_writing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "_NEW_TOKENS", 4)
    monkeypatch.setattr(speed, "_STEPS", 3)
    before = Path("runs/book/model.safetensors").read_bytes()
    capsys.readouterr()
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert main(["benchmark", "speed", "book", "--peers", "--json"]) == 0
    found = capsys.readouterr().out
    parts, beside, writing, peers = json.loads(found)["tables"]
    assert [row[0] for row in peers["rows"]] == ["this run", "nanoGPT's shape", "a Llama's shape"]
    assert len({row[1] for row in peers["rows"]}) == 1 and peers["rows"][0][-1] == 1.0
    assert all(0 < row[3] < row[4] and row[6] > 0 for row in peers["rows"])
    assert any("pip install transformers" in note for note in json.loads(found)["notes"])
    times = {row[0]: row[1] for row in parts["rows"]}
    assert set(times) == {"forward", "backward", "optimizer", "step"} and min(times.values()) > 0
    assert all(row[1] > 0 for row in beside["rows"])
    assert {(row[1], row[2]) for row in writing["rows"]} == {
        (mode, batch) for mode in ("fast", "normal", "deep", "thorough", "extreme") for batch in (1, 8)
    }
    assert all(row[4] > 0 and row[6] > 0 for row in writing["rows"])
    assert Path("runs/book/model.safetensors").read_bytes() == before, "the run is as it was"
    Path("a.json").write_text(found)
    assert main(["benchmark", "compare", "a.json", "a.json"]) == 0
    assert "1.000" in capsys.readouterr().out


def test_a_scan_draws_what_it_has_time_for_around_the_shape_of_a_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = torch.get_num_threads()
    arguments = ["benchmark", "speed", "book", "--scan", "--axes", "context", "--minutes", "0.0001"]
    capsys.readouterr()
    assert main([*arguments, "--json", "--html", "scan.html"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "scan" and found["subject"] == "the shape of book"
    assert [row[0] for row in found["tables"][0]["rows"]] == [128]
    assert any("context 256, 512, 1,024, 2,048, 4,096 (the time is used up)" in one for one in found["notes"])
    assert any("width 16" in one for one in found["notes"])
    assert "Training by context" in Path("scan.html").read_text()
    torch.set_num_threads(before)


def test_a_picture_is_drawn_below_a_table_that_has_lines_beside(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (Column("width", "d"), Column("cost", ".1f"), Column("ideal", ".1f"))
    rows = ((64, 1.0, 1.0), (128, 3.0, 4.0))
    for plot, is_drawn in ((Plot("width", "cost"), False), (Plot("width", "cost", beside=("ideal",)), True)):
        table = Table("t", "A table", columns, rows, plot)
        show(Report("scan", "x", {}, (table,)), Output())
        assert ("─ ideal" in capsys.readouterr().out) == is_drawn


@pytest.mark.parametrize("width", [40, 60])
def test_the_title_and_the_verdict_are_wrapped_between_words_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("rlm_cli.output.stdout_is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    title, verdict = "Right answers by difficulty, " * 4, "Returns stop at depth three or below it. " * 4
    table = Table("t", title, (Column("depth"),), (("1",),))
    show(Report("depth", "x", {}, (table,), (verdict,)), Output())
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert all(len(line) <= width for line in lines)
    words = " ".join(lines).split()
    assert words == [*title.split(), "depth", "1", *verdict.split()]


def test_what_cannot_be_measured_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("b.json").write_text("[1, 2")
    Path("c.json").write_text("[1, 2]")
    for arguments, expected in (
        (["speed", "puzzles"], "knows no text"),
        (["depth", "nobody"], "nobody"),
        (["speed", "--scan", "--peers"], "--scan times no run"),
        (["speed", "--axes", "width"], "Add --scan"),
        (["speed", "book", "--minutes", "2"], "Add --scan"),
        (["speed", "--scan", "--axes", "width,contxt"], "no axis 'contxt'"),
        (["speed", "--scan", "--axes", ""], "no axis ''"),
        (["speed", "--scan", "--minutes", "0"], "no time to measure"),
        (["speed", "--scan", "--minutes", "nan"], "no time to measure"),
        (["speed", "puzzles", "--scan"], "knows no text"),
        (["learn", "-", "--steps", "1"], "Write it to a file"),
        (["learn", "book.txt", "--steps", "1", "--archs", "recursive-router, none"], "architecture 'none'"),
        (["learn", "book.txt", "--steps", "1", "--filter", "urls"], "no filter 'urls'"),
        (["compare", "nowhere.json", "b.json"], "no file"),
        (["compare", "b.json", "b.json"], "no JSON"),
        (["compare", "c.json", "b.json"], "'c.json' is no result"),
        (["compare", "book.txt", "b.json"], "no JSON"),
    ):
        capsys.readouterr()
        assert main(["benchmark", *arguments]) in (1, 2)
        out, err = capsys.readouterr()
        assert not out and expected in " ".join(err.split())


def test_a_page_is_written_beside_what_stands_there(capsys: pytest.CaptureFixture[str]) -> None:
    first, again, other = (
        Report("learn", subject, {"commit": commit}, ())
        for subject, commit in (("tide.txt, 9 steps", "a"), ("tide.txt, 9 steps", "b"), ("crow.txt", "c"))
    )
    page = "# What we saw\n\n" + markdown_page(first)
    page = markdown_page(again, markdown_page(other, page)) + "The end.\n"
    assert page.startswith("# What we saw") and page.endswith("The end.\n")
    assert (
        page.count("tide.txt") == 3 and "commit b" in page and "commit a" not in page and "commit c" in page
    )
    assert holds_results(page) and not holds_results("# A page of a person\n")


@pytest.mark.parametrize(
    "arguments", [["depth", "book"], ["learn", "crow.txt", "--steps", "1"], ["compare", "a.json", "b.json"]]
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.md").write_text("# A page of a person\n")
    Path("folder").mkdir(exist_ok=True)
    for path, said in (
        ("mine.md", "--force"),
        ("folder", "already exists"),
        ("none/x.md", "no folder 'none'"),
    ):
        assert main(["benchmark", *arguments, "--markdown", path]) == 2
        assert said in capsys.readouterr().err
    assert Path("mine.md").read_text() == "# A page of a person\n"
    assert main(["benchmark", *arguments, "--markdown", "both", "--html", "./both"]) == 2
    assert "cannot both be" in capsys.readouterr().err
    monkeypatch.setattr(os, "access", lambda path, mode: os.path.realpath(path) != os.path.realpath("folder"))
    assert main(["benchmark", *arguments, "--markdown", "folder/x.md"]) == 2
    assert "You may not write into the folder 'folder'" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_costs_no_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("one.json").write_text(json.dumps(Report("learn", "crow.txt", {"commit": "c"}, ()).to_json()))
    monkeypatch.setattr("data.storage.replace_file", _disk_full)
    arguments = ["benchmark", "compare", "one.json", "one.json", "--html", "x.html"]
    assert main([*arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["kind"]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out and "The disk is full" in err


def _disk_full(*_: object) -> None:
    raise StorageError("The disk is full.")
