"""The dashboard of a run that something happens to: it stays up and says it."""

import math
import os
import shutil
import signal
import subprocess
import sys

import pytest
from textual.pilot import Pilot

from models.runs.event_json import to_json
from models.runs.events import NoticeGiven
from models.runs.run import Run
from tests.models.runs.example_config import WITH_TEXT
from tests.models.runs.example_events import started, step
from tests.tui.conftest import ROOT, remarks, shown, steps, until
from tests.tui.test_dashboard import append, opened

_HOLDS_THE_LOCK = """
import sys, time
from models.runs.run import Run
from pathlib import Path
with Run(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_run_that_comes_back_is_followed_again(record, drive) -> None:
    run = record("owl", [started(), *steps(30)])
    aside = run.path.with_name("aside")

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        os.rename(run.path, aside)
        await until(pilot, lambda: screen.problem)
        await pilot.pause()
        assert "no longer there" in shown(pilot.app) and screen.view.step == 30
        assert len(remarks(pilot.app)) == 1, "it is said once"
        os.rename(aside, run.path)
        append(run, step(31, total_steps=100))
        await until(pilot, lambda: screen.view.step == 31)
        assert screen.problem is None

    drive(do)


def test_another_run_in_its_place_is_shown_from_its_start(record, drive) -> None:
    run = record("owl", [started(), *steps(30), NoticeGiven(message="the old one")])

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        shutil.rmtree(run.path)
        other = Run.create("owl", run.path.parent)
        other.save_config(WITH_TEXT)
        other.events_path.write_text("".join(to_json(one) + "\n" for one in [started(), *steps(5)]))
        await until(pilot, lambda: screen.view.step == 5)
        assert "the old one" not in [line.text for line in screen.view.log]

    drive(do)


def test_a_torn_line_waits_and_a_foreign_one_is_passed_over(record, drive) -> None:
    run = record("owl", [started(), *steps(30)])
    line = to_json(step(31, total_steps=100)).encode()

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        with run.events_path.open("ab", buffering=0) as log:
            log.write(b'\xff\x00 no event\n{"event": "other"}\n' + line[:40])
            append_and_wait = until(pilot, lambda: screen.view.step > 30, 0.4)
            with pytest.raises(AssertionError):
                await append_and_wait
            log.write(line[40:] + b"\n")
        await until(pilot, lambda: screen.view.step == 31)

    drive(do)


def test_a_log_of_another_kind_has_no_step(record, drive) -> None:
    run = record("owl")
    run.events_path.write_bytes(b"\x00\x01\x02" * 5000 + b"\na diary\nof other things\n" + b"[1, 2]\n" * 9)

    async def do(pilot: Pilot[None]) -> None:
        home = pilot.app.screen
        await until(pilot, lambda: home.table.rows_shown)
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: "No step yet." in shown(pilot.app))
        await pilot.press("6", "8", "v", "plus", "o", "escape", "escape")
        await until(pilot, lambda: pilot.app.screen is home)

    drive(do)


def test_numbers_at_their_limits_are_shown(record, drive) -> None:
    most = 10**18
    far = step(most, 1e308, total_steps=most, tokens_seen=most, elapsed_s=1e308, eta_s=1e308, time=1e300)
    run = record("owl", [started(), step(1), far, NoticeGiven(message="a riddle", time=math.nan)])

    async def do(pilot: Pilot[None]) -> None:
        with run.lock():
            screen = await opened(pilot)
            for key in (*"1lxx++v", "5", "8"):
                await pilot.press("plus" if key == "+" else key)
                await pilot.pause()
            await until(pilot, lambda: "--:--:--  a riddle" in shown(pilot.app))
            await pilot.press("escape", "p", "l", "x", "plus", "plus", "plus")
            await pilot.pause()
        assert pilot.app.is_running and screen.view.step == most

    drive(do)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_training_that_is_killed_leaves_its_last_words(record, drive) -> None:
    run = record("owl", [started(), *steps(30), NoticeGiven(message="It was about to rain.")])
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDS_THE_LOCK, str(run.path)], stdout=subprocess.PIPE, cwd=ROOT
    )

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.view.state == "training")
        process.send_signal(signal.SIGKILL)
        process.wait()
        await until(pilot, lambda: screen.view.state == "killed")
        await until(pilot, lambda: remarks(pilot.app))
        assert "has died" in remarks(pilot.app)[0] and "about to rain" in remarks(pilot.app)[0]
        assert screen.check_action("resume", ()) and not screen.check_action("stop", ())

    try:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        drive(do)
    finally:
        process.kill()
        process.wait()


def test_a_terminal_may_shrink_to_almost_nothing_and_grow_again(record, drive) -> None:
    record("owl", [started(), *steps(30)])

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        for size in ((20, 5), (1, 1), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.press("1", "v", "8", "9")
            await pilot.pause()
            assert pilot.app.screen is screen
        await pilot.press("1")
        await pilot.pause()
        assert "⠉" in shown(pilot.app) or "⠒" in shown(pilot.app)

    drive(do)
