"""A wrong value in one of a run's JSON files is told in a sentence, or read past; never a traceback."""

import copy
import hashlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fire.commands import Host, content_of
from tests.fire.damage import places, put_value, wrong_value
from tests.fire.test_damaged_folders import PUZZLE, faults_of

pytestmark = pytest.mark.slow
VALUES = 500
PARTS = 10
SEED = 13
PATIENCE_S = 30.0
FILES = (
    "config.json",
    "state.json",
    "datasets.json",
    "evaluation.json",
    "meta.json",
    "events.jsonl",
    "tokenizer.json",
)


def checksum(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def spoil(path: Path, draw: random.Random) -> str:
    """Put a wrong value into a file, whose checksum then fits it. Returns what was put where."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines() if path.suffix == ".jsonl" else [text]
    number = draw.randrange(len(lines))
    content = json.loads(lines[number])
    content_of_line = copy.deepcopy(content)
    place, value = draw.choice(places(content_of_line)), wrong_value(draw)
    put_value(content_of_line, place, value)
    if "checksum" in content_of_line and place[0] != "checksum":
        del content_of_line["checksum"]
        content_of_line["checksum"] = checksum(content_of_line)
    lines[number] = json.dumps(content_of_line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"{path.name}{list(place)} = {value!r:.60}"


def commands(run: str, file: str, draw: random.Random) -> list[list[str]]:
    """A command that looks, one that uses the model, and one that changes the run."""
    look = draw.choice([["ls"], ["show", run], ["show", run, "--json"]])
    if run == "sudoku":
        return [look, ["solve", run, PUZZLE], ["resume", run, "--steps", "1"]]
    use = draw.choice([["generate", run, "-p", "The", "--max-tokens", "5"], ["chat", run]])
    change = draw.choice(
        [
            ["resume", run, "--steps", "1"],
            ["train", "tide.txt", "--continue", run, "--steps", "1"],
            ["expand", run, "--core", "2", "--name", "larger"],
            ["recover-tokenizer", run],
        ]
    )
    return (
        [change] if file == "state.json" else [look, use, change] if draw.random() < 0.4 else [look, change]
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_a_wrong_value_is_told_of(part: int, host: Host, fresh: Callable[[], Path], cache: Path) -> None:
    draw = random.Random(SEED + part)
    faults = []
    for number in range(VALUES // PARTS):
        folder = fresh()
        run, name = draw.choice(("pair", "averaged", "sudoku")), draw.choice(FILES)
        where = cache if name == "meta.json" else folder / "runs" / run
        files = sorted(where.rglob(name)) or sorted((folder / "runs" / run).glob("config.json"))
        what = spoil(draw.choice(files), draw)
        for command in commands(run, name, draw):
            before = content_of(folder, with_logs=False)
            outcome = host.rlm(folder, *command, stdin="Hello\n", patience_s=PATIENCE_S)
            if found := faults_of(outcome, command, before, folder):
                faults.append((part, number, run, what, command, outcome.code, found))
                if os.environ.get("FIRE_TELL"):
                    print(*faults[-1], outcome.text[-1500:], sep="\n", flush=True)
    assert not faults
