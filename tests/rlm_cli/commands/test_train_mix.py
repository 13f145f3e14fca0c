"""`rlm train` on a mix: the plan, the training, what `rlm show` says of it, and what is refused."""

import json
from pathlib import Path

import pytest

from data.cache import set_cache_dir
from rlm_cli.app import main

TINY = ["--d-model", "16", "--heads", "2", "--context", "16", "--batch-size", "4", "--tokenizer", "character"]

MIX = """
[[source]]
path = "meadow.txt"
weight = 2
[[source]]
path = "river.txt"
weight = 1
[[source]]
path = "rows.jsonl"
weight = 1
template = "Q: {question}\\nA: {answer}"
held_out = 4
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two texts, a table, and a mix of the three."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLM_CACHE_DIR", str(tmp_path / "cache"))
    set_cache_dir(tmp_path / "cache")
    (tmp_path / "meadow.txt").write_text("the owl sees the fox. " * 60, encoding="utf-8")
    (tmp_path / "river.txt").write_text("a boat is on its way. " * 40, encoding="utf-8")
    rows = [{"question": f"what is {n}?", "answer": f"it is {n}.", "source": None} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "three.toml").write_text(MIX, encoding="utf-8")
    return tmp_path


def test_a_mix_is_trained_and_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    length = [
        "--steps",
        "6",
        "--set",
        "training.compile=no",
        "--set",
        "training.micro_batch=4",
        "--threads",
        "1",
    ]
    assert main(["train", "--mix", "three.toml", "--name", "owl", *TINY, *length]) == 0
    err = capsys.readouterr().err
    assert "mix            three: 3 sources" in err
    assert "  50 %         meadow: " in err and "  25 %         rows: " in err
    assert "Loss on each text" in err
    assert main(["show", "owl"]) == 0
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines()]
    assert ["source", "asked", "trained", "tokens", "read", "loss"] in rows
    assert next(row for row in rows if row[:1] == ["meadow"])[1:6] == ["50", "%", "50", "%", "192"]
    assert "the mix three of 3 sources" in shown
    assert main(["show", "owl", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told["mix"]] == ["meadow", "river", "rows"]
    assert [one["trained_tokens"] for one in told["mix"]] == [192, 96, 96]
    losses = told["evaluation"]["validation_loss_by_source"]
    mean = 0.5 * losses["meadow"] + 0.25 * losses["river"] + 0.25 * losses["rows"]
    assert told["evaluation"]["validation_loss"] == pytest.approx(mean)
    of_rows = told["config"]["data"]["mix"]["sources"][2]
    assert of_rows["template"] == "Q: {question}\nA: {answer}" and of_rows["held_out"] == 4
    assert [one["name"] for one in told["datasets"]] == ["meadow", "river", "rows"]
    assert [one["asked_share"] for one in told["datasets"]] == [0.5, 0.25, 0.25]


def test_paths_with_weights_are_planned_as_a_mix(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "notes:7").write_text("a path with a colon. " * 40, encoding="utf-8")
    assert main(["train", "meadow.txt:3", "river.txt:1", "--dry-run", "--json", *TINY]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["share"]) for one in plan["mix"]] == [("meadow", 0.75), ("river", 0.25)]
    assert main(["train", "notes:7", "--dry-run", "--json", *TINY]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert "mix" not in plan and plan["corpus"]["name"] == "notes:7"
    assert not (folder / "runs").exists()


def test_a_mix_follows_a_text_and_a_text_a_mix(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ("compile=no", "micro_batch=4", "samples=0", "evaluations=1", "threads=1")
    length = ["--steps", "4", *(word for one in settings for word in ("--set", f"training.{one}"))]
    (folder / "night.txt").write_text("the moon is on its way, ohé. " * 60, encoding="utf-8")
    assert main(["train", "night.txt", "--name", "owl", *TINY, *length]) == 0
    capsys.readouterr()
    goes_on = ["--continue", "owl", "--replay", "0.25", *length]
    assert main(["train", "--mix", "three.toml", *goes_on]) == 0
    err = capsys.readouterr().err
    assert "  50 %         meadow: " in err and "replay         25 % old text (your choice)" in err
    assert main(["show", "owl"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert next(row for row in shown if row[:1] == ["meadow"])[1:6] == ["50", "%", "50", "%", "96"]
    table = shown[shown.index(["corpus", "when", "learned", "now", "change", "grown"]) + 1 :]
    assert [row[0] for row in table[:4]] == ["night", "meadow", "river", "rows"]
    assert main(["train", "night.txt:1", "rows.jsonl:1", *goes_on[:2], "--grow-vocab", "5"]) == 2
    assert "--grow-vocab is for byte pairs" in capsys.readouterr().err
    (folder / "dawn.txt").write_text("a fox is on its way to a boat. " * 60, encoding="utf-8")
    assert main(["train", "dawn.txt", *goes_on]) == 0
    capsys.readouterr()
    assert main(["show", "owl", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mix"] == [] and told["evaluation"].get("validation_loss_by_source") is None
    assert [one["name"] for one in told["datasets"]] == ["night", "meadow", "river", "rows", "dawn"]
    assert all(one["loss_now"] is not None for one in told["datasets"])
    assert [one["name"] for one in told["versions"]] == ["before-three", "before-dawn"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["meadow.txt:0.5", "river.txt"], "'river.txt' has no weight, and others have one."),
        (["meadow.txt:-1", "river.txt:1"], "The weight of source 'meadow' is -1."),
        (["none.txt:1", "river.txt:1"], "There is no file or folder"),
        (["--mix", "none.toml"], "There is no mix 'none.toml'."),
        (["--mix", "three.toml", "river.txt"], "'river.txt' and --mix exclude each other."),
        (["--mix", "three.toml", "--continue", "owl"], "There is no run 'owl'."),
        (["--mix", "three.toml", "--task", "compose:s3"], "--task has no meaning for a mix."),
        (["--mix", "three.toml", "--encoding", "utf-8"], "--encoding has no meaning for a mix."),
        (["--mix", "three.toml", "--filter", "nonsense"], "There is no filter 'nonsense'."),
    ],
)
def test_what_cannot_be_a_mix_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["train", *arguments, *TINY]) == 2
    out, err = capsys.readouterr()
    sentence, *hint = (line for line in err.splitlines() if not line.endswith("..."))  # which is progress
    assert out == "" and sentence.startswith("error: ") and words in sentence and len(hint) <= 1
    assert not (folder / "runs").exists()
