"""Run folders with a damaged file: every command says what is wrong, and nothing is written elsewhere."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fire.commands import Host, Outcome, content_of
from tests.fire.damage import DAMAGES, cut, link_outside, parent_is_file, parent_is_link

pytestmark = pytest.mark.slow
FOLDERS = 300
PARTS = 6
SEED = 12
PUZZLE = "1...|..3.|.4..|...2"
PATIENCE_S = 30.0
MOVING = (link_outside, parent_is_link, parent_is_file)  # only of a run, which has a folder beside it

READING = [["ls"], ["show", "RUN"], ["ls", "--json"], ["show", "RUN", "--json"]]
TEXT = [
    ["generate", "RUN", "-p", "The", "--max-tokens", "5"],
    ["chat", "RUN"],
    ["recover-tokenizer", "RUN"],
    ["resume", "RUN"],
    ["resume", "RUN", "--steps", "1"],
    ["train", "tide.txt", "--continue", "RUN", "--steps", "1"],
    ["expand", "RUN", "--core", "2", "--name", "larger"],
]
PUZZLES = [["solve", "RUN", PUZZLE], ["resume", "RUN", "--steps", "1"], ["expand", "RUN", "--ff", "96"]]
MAY_CHANGE = ("resume", "train", "recover-tokenizer", "expand")


def commands(run: str, draw: random.Random) -> list[list[str]]:
    """Two commands that look, one that uses the model, and last one that may change the run."""
    use = PUZZLES[:1] if run == "sudoku" else TEXT[:2]
    change = PUZZLES[1:] if run == "sudoku" else TEXT[2:]
    chosen = [*draw.sample(READING, 2), draw.choice(use), draw.choice(change)]
    return [[run if word == "RUN" else word for word in command] for command in chosen]


def faults_of(outcome: Outcome, command: list[str], before: dict[str, str], folder: Path) -> list[str]:
    """What was wrong with a command in `folder`, where everything was as `before`."""
    found = outcome.faults()
    after = content_of(folder, with_logs=False)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if any(name.startswith("outside") for name in changed):
        found.append(f"wrote outside the run: {changed}")
    is_failed = outcome.code in (1, 2)
    said_otherwise = "took their place" in outcome.text  # a repair that stands by itself, and is said
    in_runs = [name for name in changed if name.startswith("runs/") and "/conversations" not in name]
    if in_runs and (command[0] not in MAY_CHANGE or (is_failed and not said_otherwise)):
        found.append(f"changed {in_runs}")
    return found


def damage_one(folder: Path, cache: Path, draw: random.Random) -> tuple[str, str]:
    """Damage one file of a run, or of the cache; which run, and what was done."""
    run = draw.choice(("pair", "averaged", "sudoku"))
    where = folder / "runs" / run if draw.random() < 0.9 else cache
    files = sorted(path for path in where.rglob("*") if path.is_file() and not path.name.startswith(".lock"))
    path, damage = draw.choice(files), draw.choice(DAMAGES)
    is_parent = damage in (parent_is_link, parent_is_file)
    if (is_parent and path.parent == folder / "runs" / run) or (where == cache and damage in MOVING):
        damage = cut
    damage(path, draw)
    return run, f"{damage.__name__} {path.relative_to(where)}"


@pytest.mark.parametrize("part", range(PARTS))
def test_a_damaged_folder_is_told_of(part: int, host: Host, fresh: Callable[[], Path], cache: Path) -> None:
    draw = random.Random(SEED + part)
    faults = []
    for number in range(FOLDERS // PARTS):
        folder = fresh()
        run, what = damage_one(folder, cache, draw)
        for command in commands(run, draw):
            before = content_of(folder, with_logs=False)
            outcome = host.rlm(folder, *command, stdin="Hello\n", patience_s=PATIENCE_S)
            if found := faults_of(outcome, command, before, folder):
                faults.append((part, number, run, what, command, outcome.code, found))
                if os.environ.get("FIRE_TELL"):
                    print(*faults[-1], outcome.text[-1500:], sep="\n", flush=True)
    assert not faults
