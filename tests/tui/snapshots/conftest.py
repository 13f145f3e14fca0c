"""Whole screens as text, compared with stored ones. The clock, the machine and the runs are fixed."""

import asyncio
import difflib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.pilot import Pilot

import data.format
from models.runs import listing, run_report
from models.runs.event_json import to_json
from models.runs.event_log import read_events
from models.runs.events import Event, StepFinished
from models.runs.listing import RunSummary
from models.runs.run import Run
from tests.models.runs.example_config import WITH_TEXT
from tests.tui.conftest import Drive, shown, until
from tui import run_list, run_words
from tui.app import RlmApp
from tui.machine_figures import Machine
from tui.screens import dashboard
from tui.screens.home import HomeScreen

FOLDER = Path(__file__).parent
REWRITE = "RLM_REWRITE_SNAPSHOTS"
"""The variable that has the stored texts written anew."""
SIZES = ((80, 24), (140, 45))
NOW = 1_800_000_000.0
"""A Friday, 08:00 UTC."""
HOUR = 3600.0
AT_HOME = Path("/home/ada/runs")
"""The place of the runs where a screen shows it."""


@pytest.fixture(autouse=True)
def _fixed_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The time, the sizes of the runs and the figures of the machine are always the same."""
    clock = SimpleNamespace(time=lambda: NOW, localtime=time.gmtime, strftime=time.strftime)
    monkeypatch.setattr(data.format, "time", clock)
    monkeypatch.setattr(run_words, "time", clock)
    monkeypatch.setattr(listing, "size_of_tree", lambda path: 4_321_000)
    folder = str(tmp_path.resolve() / "runs")
    summarize = listing.summarize

    def told(path: Path) -> RunSummary:
        found = summarize(path)
        return replace(found, problem=found.problem and found.problem.replace(folder, str(AT_HOME)))

    monkeypatch.setattr(run_list, "summarize", told)
    monkeypatch.setattr(run_list, "sampled_losses", some_losses)
    monkeypatch.setattr(run_report, "summarize", lambda path: replace(told(path), path=AT_HOME / path.name))
    monkeypatch.setattr(dashboard, "MachineReader", FixedMachine)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    yield


def some_losses(log: Path, count: int, since: float | None) -> list[float]:
    """At most `count` losses, evenly spaced by their steps. The application takes them by places in the file,
    which follow from how long each event is."""
    losses = [one.loss for one in read_events(log) if isinstance(one, StepFinished)]
    return losses[:: -(-len(losses) // count) or 1]


class FixedMachine:
    """A training that has half of the processors."""

    def __init__(self, folder: Path) -> None:
        pass

    def read(self, device: str) -> Machine:
        return Machine(0.62, 5_100_000_000, 8_200_000_000, 0.5, 640_000_000)


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Run]:
    """`recorded("owl", events, hours=2)`: a run with this log that changed so many hours ago."""

    def make(name: str, events: Iterable[Event] = (), config=WITH_TEXT, *, hours: float = 1.0) -> Run:
        run = Run.create(name, tmp_path / "runs")
        run.save_config(config)
        run.events_path.write_text("".join(to_json(event) + "\n" for event in events), encoding="utf-8")
        set_age(run.path, hours)
        return run

    return make


@pytest.fixture
def drive(tmp_path: Path):
    """As the one of all screens, over the runs by a short path that is the same everywhere."""

    def run(do: Drive, size: tuple[int, int] = (80, 24)) -> None:
        async def go() -> None:
            async with RlmApp(Path("runs"), in_words).run_test(size=size) as pilot:
                await do(pilot)

        asyncio.run(go())

    return run


def in_words(text: str) -> str:
    """Commands in braces as one types them."""
    return re.sub(r"\{([^{}]+)\}", r"rlm \1", text)


def set_age(folder: Path, hours: float) -> None:
    """Have everything in a folder changed so many hours ago."""
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (NOW - hours * HOUR,) * 2)


async def at_home(pilot: Pilot[None], runs: int) -> HomeScreen:
    """The home screen, with so many runs."""
    home = pilot.app.screen
    assert isinstance(home, HomeScreen)
    await until(pilot, lambda: len(home.table.rows_shown) == runs)
    await pilot.pause()
    return home


async def check(pilot: Pilot[None], name: str, *keys: str) -> None:
    """Compare the screen at each size, after these keys, with the text that is stored under this name."""
    wrong = []
    for width, height in SIZES:
        await pilot.resize_terminal(width, height)
        await pilot.pause()
        await pilot.press(*keys)
        wrong += difference(FOLDER / f"{name}.{width}x{height}.txt", await settled(pilot))
    assert not wrong, "\n".join([*wrong, "", f"{REWRITE}=1 stores what is seen now."])


async def settled(pilot: Pilot[None]) -> str:
    """The screen once nothing changes any more, without blanks at the ends of its lines."""
    seen: list[str] = []
    while len(seen) < 3 or len(set(seen[-3:])) > 1:
        assert len(seen) < 100, "it goes on to change"
        await pilot.pause()
        seen.append("".join(line.rstrip() + "\n" for line in shown(pilot.app).split("\n")))
    return seen[-1]


def difference(stored: Path, seen: str) -> list[str]:
    """How a screen differs from the stored one, in lines; empty where it does not."""
    if os.environ.get(REWRITE):
        stored.write_text(seen, encoding="utf-8")
    before = stored.read_text(encoding="utf-8") if stored.exists() else ""
    lines = difflib.unified_diff(
        before.splitlines(), seen.splitlines(), f"stored in {stored.name}", "seen now", lineterm="", n=1
    )
    return list(lines)
