"""`copy`, `rename` and `rm`, killed at any system call: each run is as before, or as the command makes it."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from data.storage import clear_temporaries
from tests.fire.commands import Host, content_of
from tests.fire.test_kills import SEED, assert_nothing_left, let_time_pass, listed

pytestmark = pytest.mark.slow
KILLS_PER_KIND = 40  # 200 in all
VERSION = "before-tide"
KINDS = {
    "copy": ["copy", "pair", "new"],
    "copy of a version": ["copy", f"runs/pair/versions/{VERSION}", "new"],
    "rename": ["rename", "pair", "new"],
    "removal": ["rm", "pair", "--yes"],
    "removal of a version": ["rm", f"runs/pair/versions/{VERSION}", "--yes"],
}


def state(host: Host, folder: Path) -> dict[str, dict[str, str]]:
    """The content of every listed run, and of every version that `show` lists.

    config.json is left out: it holds the name.
    """
    found = {}
    for name, run in listed(host, folder).items():
        assert run["status"] == "finished", run
        outcome = host.rlm(folder, "show", name, "--json")
        assert outcome.code == 0 and not outcome.faults(), outcome.text
        versions = [one["name"] for one in json.loads(outcome.output.splitlines()[0])["versions"]]
        content = content_of(folder / "runs" / name)
        own = {path: hash for path, hash in content.items() if not path.startswith(("versions/", ".tmp-"))}
        found[name] = {path: hash for path, hash in own.items() if path != "config.json"}
        for version in versions:
            found[f"{name}/{version}"] = content_of(folder / "runs" / name / "versions" / version)
    return found


@pytest.mark.parametrize("name", KINDS)
def test_a_killed_command_leaves_every_run_whole(
    name: str, host: Host, fresh: Callable[[], Path], cache: Path
) -> None:
    command, draw = KINDS[name], random.Random(SEED)
    folder = fresh()
    before = state(host, folder)
    whole = host.rlm(folder, *command)
    assert whole.code == 0 and not whole.faults(), whole.text
    after = state(host, folder)
    assert before != after
    every = range(1, whole.operations + 1)
    points = sorted(draw.sample(every, min(KILLS_PER_KIND, len(every))))
    kills = 0
    for point in points:
        folder = fresh()
        kills += host.rlm(folder, *command, kill_at=point).code == -9
        let_time_pass(folder, cache)
        found = state(host, folder)
        assert found in (before, after), point
        again = host.rlm(folder, *command)
        assert not again.faults() and again.code == (0 if found == before else 2), (point, again.text)
        assert state(host, folder) == after, point
        for place in (*folder.glob("runs/*"), *folder.glob("runs/*/versions")):
            clear_temporaries(place)  # as the next command that writes to the run does
        assert_nothing_left(folder, cache)
    assert kills > 0.9 * len(points)
