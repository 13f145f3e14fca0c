"""`rlm analyze`, `trace` and `verify`: a run, a file, standard input, a puzzle, and what they refuse."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.analysis.analyze import RunAnalysis, TextAnalysis, WrittenAnalysis, reference_of
from models.analysis.memorisation import memorisation
from models.analysis.repetition import repetition
from models.analysis.run_texts import RunTexts
from models.analysis.soundness.result import CheckResult
from models.depth import MODES, best_mode
from models.generation.run_defaults import mode_losses
from models.runs.run import Run
from rlm_cli.analysis_view import run_as_json, show_run_analysis
from rlm_cli.app import main
from rlm_cli.output import Output

FABLES = Path(__file__).parents[3] / "sample_corpora" / "fables.txt"
TINY = [
    "--d-model", "32", "--heads", "2", "--context", "32", "--batch-size", "4", "--threads", "1",
    "--steps", "2", "--number-format", "float32", "--quiet",
]  # fmt: skip
SCORES = {
    "character_coherence", "word_formation", "sentence_structure", "semantic_meaning", "token_diversity",
    "overall", "trigram_cosine",
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    before = torch.get_num_threads()
    text = FABLES.read_text(encoding="utf-8")
    (folder / "book.txt").write_text(text[:24_000], encoding="utf-8")
    (folder / "other.txt").write_text(text[24_000:30_000], encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RLM_CACHE_DIR", str(folder / "cache"))
        assert main(["train", "book.txt", *TINY]) == 0
        assert main(["create", "empty", "--preset", "looped-small", "--vocab-size", "40", "--quiet"]) == 0
        puzzles = ["train", "--task", "sudoku:4x4", "--name", "puzzles", "--steps", "1", "--quiet"]
        assert main([*puzzles, "--d-model", "16", "--heads", "2", "--count", "40"]) == 0
        yield folder
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("RLM_CACHE_DIR", str(home / "cache"))


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["analyze", *arguments, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def best_of_book() -> str:
    return best_mode(mode_losses(Run.open("book", Path("runs")))) or "none was measured"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(["analyze", *arguments]) in (1, 2)
    out, err = capsys.readouterr()
    assert not out and "Traceback" not in err
    return " ".join(err.split())


def test_a_run_is_judged_by_the_text_it_learned(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["book", "--characters", "600", "--prompts", "2", "--modes", "auto,fast,normal"]
    first = found(capsys, *arguments)
    assert set(first["modes"]) == {"fast", "normal", best_of_book()}
    assert first["scores"] == first["modes"][first["mode"]]["scores"]
    normal = first["modes"]["normal"]
    assert set(normal["scores"]) == SCORES
    assert normal["scores"]["overall"] < 40 < 95 < first["held_out"]["scores"]["overall"]
    assert normal["memorisation"]["copied_share"] == normal["memorisation"]["heldout_share"] == 0.0
    assert 500 <= len(normal["text"]) == normal["characters"]
    assert {"fast", "normal", "deep"} <= set(first["likelihood"])
    assert all(one["interval"] > 0 for one in first["likelihood"].values())
    again = found(capsys, *arguments[:-1], "fast")
    assert again["modes"]["fast"] == first["modes"]["fast"], "the same seed writes and measures the same"


def test_the_page_shows_scores_copies_and_likelihood(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "book", "--characters", "600", "--prompts", "2", "--quiet"]) == 0
    out = capsys.readouterr().out
    for expected in (
        "word formation",
        "overall",
        "copied",
        "longest repeat",
        "bits per byte",
        "beyond training",
    ):
        assert expected in out


def test_a_run_of_a_page_has_no_scores_but_all_else(capsys: pytest.CaptureFixture[str]) -> None:
    text = FABLES.read_text(encoding="utf-8")
    texts = [RunTexts(text[:size], text[size:][: size // 9], np.zeros(0)) for size in (4_500, 9_000)]
    (none, why), (reference, _) = (reference_of(one, None) for one in texts)
    assert none is None and why is not None and "too short" in why.message
    assert reference is not None and reference.quality(text[20_000:24_000]).overall > 80
    written = TextAnalysis(
        None, repetition(text[:900]), memorisation(text[:900], text[:4500], text[4500:5000])
    )
    held_out = TextAnalysis(None, repetition(text[4500:5000]))
    found = RunAnalysis({"normal": WrittenAnalysis(text[:900], written)}, {}, held_out, why)
    show_run_analysis(found, Output())
    out, err = capsys.readouterr()
    assert "There are no scores." in err and "with --reference." in err
    assert "100.0% of its spans" in out and "it memorises" in out and "cosine" not in out
    assert run_as_json(found)["modes"]["normal"]["scores"] is None


def test_a_file_is_judged_by_a_reference(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_file = found(capsys, "other.txt", "--reference", "book.txt")
    assert of_file["scores"]["overall"] > 80
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("other.txt").read_bytes())))
    piped = found(capsys, "-", "--reference", "book.txt")
    assert piped["scores"] == pytest.approx(of_file["scores"], abs=1.0)


def test_what_cannot_be_judged_is_refused_with_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    Path("short.txt").write_text("Too short. " * 9)
    Path("marks.txt").write_text("1 + 1 = 2; " * 300)
    assert "nothing to compare" in refused(capsys, "other.txt")
    assert "too short to judge" in refused(capsys, "short.txt", "--reference", "book.txt")
    assert "no words" in refused(capsys, "marks.txt", "--reference", "book.txt")
    assert "reference is too short" in refused(capsys, "other.txt", "--reference", "short.txt")
    assert "no file" in refused(capsys, "other.txt", "--reference", "nowhere.txt")
    assert "knows no text" in refused(capsys, "puzzles")
    assert "not trained yet" in refused(capsys, "empty")
    assert "nobody" in refused(capsys, "nobody")
    assert "deepest" in refused(capsys, "book", "--modes", "deepest")
    assert "exclude each other" in refused(capsys, "book", "--modes", "all", "--mode", "fast")


def test_a_trace_shows_passes_depths_and_what_each_part_is_worth(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["trace", "book", "-p", "The owl said", "--mode", "deep", "--json"]) == 0
    traced = json.loads(capsys.readouterr().out)
    assert [one["number"] for one in traced["passes"]] == [1, 2, 3]
    assert "".join(token["text"] for token in traced["tokens"]) == "The owl said"
    assert {one["mode"] for one in traced["settings"]} >= {"fast", "normal", "deep"} and traced["ablations"]
    assert traced["depth"] == "3x2"
    assert all(one["depth"] == str(MODES[one["mode"]]) for one in traced["settings"])
    assert main(["trace", "book", "-p", "The owl said", "--mode", "deep"]) == 0
    out, err = capsys.readouterr()
    assert "unknown" not in err
    for expected in ("core", "entropy", "normal", "beyond training", "core frozen", "without cycle 2 of 3"):
        assert expected in out
    assert "\x1b" not in out
    assert main(["trace", "book", "-p", "The owl said", "--mode", "auto", "--html", "t.html", "--json"]) == 0
    traced = json.loads(capsys.readouterr().out)
    assert traced["mode"] == best_of_book()
    assert f"Trace of book at mode {traced['mode']}" in Path("t.html").read_text(encoding="utf-8")
    assert main(["trace", "book", "-p", "The сова"]) == 0
    assert "'а' (U+0430) were not in the training text" in capsys.readouterr().err


def test_a_trace_of_a_puzzle_shows_the_grid_as_it_forms(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["trace", "puzzles", "-p", "1...|..3.|.4..|...2", "--html", "p.html"]) == 0
    assert "step 1:" in capsys.readouterr().out
    monkeypatch.setenv("RLM_MODE", "fast")  # for runs of text
    content = b"puzzle,solution\n1.....3..4.....2,\n1.....3..4.....2,\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert main(["trace", "puzzles"]) == 0
    assert capsys.readouterr().out.count("step 1:") == 2
    assert "olved</b> in" in Path("p.html").read_text(encoding="utf-8")


def test_what_cannot_be_traced_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, expected in (
        (["book", "-p", ""], "no text to trace"),
        (["book", "-p", "owl", "--mode", "deepest"], "no mode"),
        (["empty", "-p", "owl"], "not trained yet"),
        (["puzzles", "-p", "owl", "--mode", "deep"], "Leave out --mode"),
        (["puzzles", "-p", "owl"], "neither a file nor a puzzle"),
        (["book", "-p", "owl", "--html", "book.txt"], "'book.txt' already exists"),
    ):
        capsys.readouterr()
        assert main(["trace", *arguments]) in (1, 2)
        assert expected in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_a_model_that_learned_a_page_by_heart_is_found(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "page.txt").write_text(FABLES.read_text(encoding="utf-8")[:5000], encoding="utf-8")
    learned = ["train", "page.txt", "--steps", "700", "--d-model", "64", "--heads", "2", "--quiet", "--name"]
    assert main([*learned, "death", "--set", "training.evaluations=1"]) == 0
    (home / "page.txt").unlink()
    death = found(capsys, "death")
    assert death["modes"]["normal"]["memorisation"]["memorises"]
    assert death["modes"]["normal"]["scores"] is None and "too short" in death["unscored"]
    assert main(["train", str(FABLES), "--minutes", "0.5", "--quiet", "--name", "normal"]) == 0
    assert not found(capsys, "normal")["modes"]["normal"]["memorisation"]["memorises"]


def verified(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["verify", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_sound_run_is_verified(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = verified(capsys, "book", "--json")
    report = json.loads(out)
    assert code == 0 and report["sound"] is report["complete"] is True
    verdicts = {one["check"]: one["verdict"] for one in report["checks"]}
    assert set(verdicts.values()) == {"sound"} and {"causality", "cache", "depth", "loss"} <= set(verdicts)
    assert "is sound" in err
    code, out, err = verified(capsys, "puzzles", "--json")
    verdicts = {one["check"]: one["verdict"] for one in json.loads(out)["checks"]}
    assert code == 0 and verdicts["causality"] == "not applicable"
    assert verdicts["loss"] == verdicts["depth"] == "sound"


def test_a_fault_is_shown_with_the_next_step_and_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_fault(*arguments: object) -> Iterator[CheckResult]:
        yield CheckResult(check="loss", mode="deep", verdict="sound", found="recorded 1, measured 1")
        yield CheckResult(
            check="weights", verdict="not sound", found="\x1b[2Jbad", advice="Do: {resume book}"
        )

    monkeypatch.setattr("models.analysis.soundness.verify.verify", with_a_fault)
    code, out, err = verified(capsys, "book")
    assert code == 1 and "\x1b" not in out
    assert out.splitlines()[0].split() == ["loss,", "deep", "sound", "recorded", "1,", "measured", "1"]
    assert "weights" in out.splitlines()[1] and "weights: Do: rlm resume book" in err
    assert "not sound: weights." in err


def test_ctrl_c_keeps_the_checks_that_were_made(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> Iterator[CheckResult]:
        yield CheckResult(check="weights", verdict="sound", found="all 3 numbers are finite")
        raise KeyboardInterrupt

    monkeypatch.setattr("models.analysis.soundness.verify.verify", interrupted)
    code, out, err = verified(capsys, "book", "--json")
    report = json.loads(out)
    assert code == 130 and report["complete"] is False and report["sound"] is None
    assert [one["check"] for one in report["checks"]] == ["weights"] and "Stopped" in err


def test_what_cannot_be_verified_is_refused_with_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = verified(capsys, "empty")
    assert code == 1 and not out and "not trained yet" in err and "rlm train" in err
    code, out, err = verified(capsys, "boook")
    assert code == 2 and not out and "Did you mean book" in err
