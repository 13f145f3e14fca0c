"""Tables at 80 columns."""

import io
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.planning.candidates import Candidate
from models.runs.listing import RunSummary
from rlm_cli.app import main
from rlm_cli.choose_run import choose_run
from rlm_cli.output import Output


@pytest.mark.parametrize("name", ["owl", "a-name-of-forty-characters-and-even-more"])
def test_numbers_and_names_are_complete_at_80_columns(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    texts = {f"a-text-with-a-long-name-{number}": 1.5 + number for number in range(6)}
    found = [_candidate(name, texts, "ab")] * 12
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    sink = Output()
    sink.stderr.width = 80
    monkeypatch.setattr(Output, "ask", lambda output, question: "n")
    choose_run(found, SimpleNamespace(name="river", content_hash="ab"), sink)  # type: ignore[arg-type]
    table = stream.getvalue().partition("\nWhich")[0].splitlines()
    assert all(len(line) <= 80 for line in table)
    assert [line[:2].strip() for line in table if line[:2].strip()] == [str(n) for n in range(1, 13)]
    head = next(number for number, line in enumerate(table) if "model " in line)  # its last line
    after = re.search(r"model +", table[head])
    assert after is not None
    assert "".join(line[after.start() : after.end()].strip() for line in table[head + 1 :]) == name * 12
    assert "and 4 more" in " ".join(stream.getvalue().split()) and "this text" in stream.getvalue()


@pytest.mark.parametrize(("command", "first"), [(["create", "--list"], "preset"), (["doctor"], "check")])
def test_first_column_of_a_table_stays_readable(
    monkeypatch: pytest.MonkeyPatch, command: list[str], first: str
) -> None:
    stream = io.StringIO()
    narrow = Output()
    monkeypatch.setattr("sys.stdout", stream)
    narrow.stdout.width = 80
    monkeypatch.setattr(Output, "of", lambda **_: narrow)
    main(command)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith(first)
    names = {line.split("  ")[0] for line in lines}
    assert names >= ({"nanogpt-cpu", "ouroboros-beast"} if first == "preset" else {"torch", "threads"})


def test_a_paused_run_is_marked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Output, "ask", lambda output, question: "n")
    finished = _candidate("hen", {}, "ab")
    paused = replace(finished, summary=replace(finished.summary, name="owl", status="paused"))
    choose_run([finished, paused], SimpleNamespace(name="river", content_hash="ab"), Output())  # type: ignore[arg-type]
    shown = capsys.readouterr().err
    assert "owl (paused)" in shown and "hen (" not in shown


def _candidate(name: str, knows: dict[str, float | None], *hashes: str) -> Candidate:
    summary = RunSummary(
        bytes=1,
        name=name,
        path=Path("runs") / name,
        architecture="mixture_of_recursions",
        parameters=1_234_567,
        vocab_size=50_257,
        status="finished",
        step=9,
        total_steps=9,
        validation_loss=1.5,
        modified=0.0,
        corpus="meadow",
    )
    return Candidate(summary, knows, frozenset(hashes))
