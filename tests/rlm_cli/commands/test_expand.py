"""`rlm expand` with a tiny model."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from data.errors import UsageError
from models.growth.axes import parameters_in
from models.growth.expand import plan_expansion
from models.planning.extend import extend
from models.runs.events import RunFinished
from models.runs.run import Run
from rlm_cli.app import main

TINY = [
    "--d-model", "16", "--heads", "2", "--context", "16", "--batch-size", "4", "--threads", "1",
    "--device", "cpu", "--number-format", "float32", "--set", "training.evaluations=1",
    "--set", "training.samples=0", "--set", "training.compile=no",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run trained for four steps."""
    folder = tmp_path_factory.mktemp("home")
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RLM_CACHE_DIR", str(folder / "cache"))
        (folder / "book.txt").write_text("The owl hears the fox, and the fox hears the owl.\n" * 60)
        assert main(["train", "book.txt", "--fresh", "--steps", "4", "--name", "book", *TINY]) == 0
        yield folder
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("RLM_CACHE_DIR", str(home / "cache"))


def json_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["expand", *arguments])
    captured = capsys.readouterr()
    assert not captured.out
    return code, captured.err


def test_a_grown_run_is_listed_and_can_be_resumed(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    grown = json_of(capsys, "expand", "book", "--core", "2", "--ff", "64", "--name", "wide")
    assert grown["grown"] == {"core": [1, 2], "ff": [32, 64]}
    assert grown["grown_from"] == "book" and grown["largest_logit_change"] <= 1e-5
    assert grown["parameters"][0] < grown["parameters"][1]
    assert Path(grown["path"]) == home / "runs" / "wide"
    listed = {run["name"]: run for run in json_of(capsys, "ls")}
    assert listed["wide"]["status"] == listed["book"]["status"] == "finished"
    assert listed["wide"]["parameters"] == grown["parameters"][1]
    assert main(["resume", "wide", "--steps", "3", "--quiet"]) == 0
    assert json_of(capsys, "show", "wide")["step"] == 7


def test_a_dry_run_writes_nothing(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    before = sorted(path.name for path in (home / "runs").iterdir())
    plan = json_of(capsys, "expand", "book", "--target-params", "30k", "--dry-run")
    assert plan["dry_run"] and plan["name"] == "book-grown"
    assert abs(plan["parameters"][1] - 30_000) <= 300
    assert main(["expand", "book", "--layers", "3", "--dry-run"]) == 2
    assert sorted(path.name for path in (home / "runs").iterdir()) == before
    capsys.readouterr()
    assert main(["expand", "book", "--coda", "2", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "1 to 2" in shown and "blocks after the loop" in shown


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, sentence in (
        (["book", "--layers", "3"], "cannot grow by --layers"),
        (["book", "--core", "1"], "--core is already 1; give 2 or more."),
        (["book", "--core", "99"], "No model can have --core 99: model.core_layers is 99"),
        (["book", "--vocab", "200"], "new characters come with a text"),
        (["book"], "Say what to grow, for example --prelude 2."),
        (["book", "--target-params", "10"], "The model already has"),
        (["book", "--target-params", "900g"], "cannot be met"),
        (["book", "--target-params", "many"], "'many' is not a number of parameters"),
        (["book", "--target-params", "30k", "--core", "2"], "--target-params chooses what grows"),
        (["book", "--core", "2", "--name", "book"], "There is already a run 'book'"),
        (["bok", "--core", "2"], "There is no run 'bok'"),
    ):
        code, error = refused(capsys, *arguments)
        assert code == 2 and sentence in " ".join(error.split()), (arguments, error)


def test_the_next_command_works(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    def grown(name: str) -> str:
        capsys.readouterr()
        assert main(["expand", name, "--core", "2", "--name", f"{name}-next"]) == 0
        return capsys.readouterr().err.splitlines()[-1]

    assert main(["create", "plain", "--arch", "looped", "--d-model", "16", "--heads", "2"]) == 0
    assert grown("plain") == "Continue training:  rlm train FILE --name plain-next"
    assert grown("book") == "Continue training:  rlm resume book-next --minutes 5"
    shutil.copytree(home / "runs/book", home / "runs/half")
    extend(Run.open("half", home / "runs"), steps=9)
    assert grown("half") == "Continue training:  rlm resume half-next"
    assert main(["resume", "half-next", "--quiet"]) == 0
    assert main(["train", "book.txt", "--name", "plain-next", "--steps", "2", "--quiet"]) == 0


def test_existing_default_name_gets_a_number(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    runs = home / "runs"
    shutil.copytree(runs / "book", runs / "hen")
    plans = [
        plan_expansion(Run.open("hen", runs), {"core": 2}, runs_dir=runs, name=name)
        for name in (None, None, "hen-grown")
    ]
    assert [plan.start().name for plan in plans[:2]] == ["hen-grown", "hen-grown-2"]
    second = Run.open("hen-grown-2", runs)
    assert second.config().name == "hen-grown-2"
    assert [event.run for event in second.events() if isinstance(event, RunFinished)] == ["hen-grown-2"]
    with pytest.raises(UsageError, match="already a run 'hen-grown'"):
        plans[2].start()
    assert json_of(capsys, "expand", "hen", "--core", "2")["name"] == "hen-grown-3"


@pytest.mark.parametrize(
    ("text", "number"),
    [("4M", 4_000_000), ("500k", 500_000), ("1.5m", 1_500_000), ("2G", 2 * 10**9), ("4_000_000", 4_000_000),
     ("1,234,567", 1_234_567), (" 70K ", 70_000)],
)  # fmt: skip
def test_numbers_of_parameters(text: str, number: int) -> None:
    assert parameters_in(text) == number


@pytest.mark.parametrize("text", ["", "M", "4MM", "-4M", "0", "1e6", "four", "9" * 40, "999999999999999999g"])
def test_invalid_numbers_of_parameters(text: str) -> None:
    with pytest.raises(UsageError, match="not a number of parameters"):
        parameters_in(text)
