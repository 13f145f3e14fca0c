"""`rlm serve`: what it says, what it refuses, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import torch

from data.wording import counted
from rlm_cli.app import main
from tests.rlm_cli.conftest import ROOT

TINY = [
    "--d-model", "16", "--heads", "2", "--context", "16", "--batch-size", "2", "--threads", "1", "--device",
    "cpu", "--number-format", "float32", "--steps", "1", "--set", "training.evaluations=1", "--set",
    "training.samples=0",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one run, trained for a step."""
    folder = tmp_path_factory.mktemp("home")
    before = torch.get_num_threads()
    (folder / "book.txt").write_text("The owl counted mice by the old mill. " * 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RLM_CACHE_DIR", str(folder / "cache"))
        assert main(["train", "book.txt", "--name", "owl", *TINY]) == 0
        yield folder
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def test_without_the_extra_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in ("starlette", "starlette.applications"):
        monkeypatch.setitem(sys.modules, name, type(sys)(name))
    assert main(["serve", "owl"]) == 1
    assert capsys.readouterr().err == (
        "error: rlm serve needs uvicorn, which is not installed.\n"
        "Install it: pip install 'rlm[serve]', or pip install starlette uvicorn.\n"
    )


@pytest.fixture
def with_the_extra() -> None:
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")


@pytest.mark.usefixtures("with_the_extra")
def test_a_taken_port(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "owl", "--port", str(port)]) == 1
    assert capsys.readouterr().err == (
        f"error: Port {port} of 127.0.0.1 is taken.\nGive another with --port; --port 0 finds a free one.\n"
    )


@pytest.mark.usefixtures("with_the_extra")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["olw"], "olw"),
        (["owl", "--port", "70000"], "--port is 70000"),
        (["owl", "--key", " "], "The key must have"),
        (["owl", "--mode", "depe"], "There is no mode 'depe'."),
        (["owl", "--host", "no.such.host.invalid"], "There is no address 'no.such.host.invalid'."),
    ],
)
def test_mistakes(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.usefixtures("with_the_extra")
def test_a_run_that_solves_puzzles_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.runs.run_config import RunConfig

    monkeypatch.setattr(RunConfig, "solves_puzzles", property(lambda self: True))
    assert main(["serve", "owl"]) == 1
    assert "Run 'owl' solves puzzles and knows no text." in capsys.readouterr().err


@pytest.mark.usefixtures("with_the_extra")
def test_it_serves_until_ctrl_c(home: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RLM_KEY": "sesame", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "rlm_cli", "serve", "--port", "0"],
        cwd=home, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        body = json.dumps({"prompt": "The owl", "max_tokens": 3, "mode": "fast"}).encode()
        headers = {"Authorization": "Bearer sesame", "Content-Type": "application/json"}
        with urlopen(Request(f"{address}/completions", body, headers), timeout=60) as response:
            written = json.load(response)["usage"]["completion_tokens"]
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert log.startswith("owl: looped, ")
    assert f"curl {address}/completions" in log
    assert "sesame" not in log
    assert 1 <= written <= 3, "it may end its text before"
    assert f"POST /v1/completions 200  fast  7 + {counted(written, 'token')}  " in log
    assert "Traceback" not in log
