"""Pictures of the full-screen application for the README and for docs/tui.md, from real trainings.

    make screenshots        # or: python docs/make_screenshots.py [MINUTES]

It trains a model on a text of sample_corpora and one on puzzles in a temporary folder, MINUTES each, and
writes SVG files into docs/images. They load nothing from a network.
"""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from models.runs.listing import run_folders
from models.runs.run import Run
from tui.app import RlmApp
from tui.screens.chat import ChatScreen
from tui.screens.dashboard import VIEWS, DashboardScreen
from tui.screens.home import HomeScreen
from tui.screens.inside import InsideScreen
from tui.screens.new_run import NewRunScreen
from tui.screens.puzzle import PuzzleScreen

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
SIZE, WIDE = (100, 30), (130, 38)
TEXT, PUZZLES = "fables", "sudoku"
_FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_LONGEST_S = 900.0


class Album:
    """Takes pictures of the application over the runs in one folder."""

    def __init__(self, app: RlmApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until `holds()`, and until what follows from it is drawn. Raises TimeoutError."""
        ends = time.monotonic() + _LONGEST_S
        while not holds():
            if time.monotonic() > ends:
                raise TimeoutError("The application did not come to what was to be drawn.")
            await asyncio.sleep(0.2)
        await self.pilot.pause(1.5)

    async def type(self, text: str) -> None:
        await self.pilot.press(*("space" if character == " " else character for character in text), "enter")

    def take(self, name: str) -> None:
        """Write the screen as docs/images/NAME.svg."""
        svg = _FONT_FACES.sub("", self.app.export_screenshot(title="rlm"))
        path = IMAGES / f"{name}.svg"
        path.write_text(svg.replace("Fira Code", "ui-monospace"), encoding="utf-8")
        print(path.relative_to(ROOT), flush=True)


def rlm(*arguments: str) -> None:
    """Run a command of rlm in the current folder."""
    subprocess.run([sys.executable, "-m", "rlm_cli", *arguments], check=True)


async def draw_training(runs: Path) -> None:
    """The dashboard of a run whose training has some minutes behind it."""
    app = RlmApp(runs, run=runs / TEXT)
    async with app.run_test(size=WIDE) as pilot:
        album, screen = Album(app, pilot), app.screen
        assert isinstance(screen, DashboardScreen)
        await album.until(lambda: screen.view.step > 0.8 * (screen.view.total_steps or 1))
        album.take("dashboard")
        await pilot.press(str(VIEWS.index("modes") + 1))
        await pilot.pause(1.0)
        album.take("modes")
        await album.until(lambda: screen.view.state == "finished")


async def draw_home(album: Album) -> None:
    home = album.app.screen
    assert isinstance(home, HomeScreen)
    await album.until(lambda: len(home.table.rows_shown) == len(run_folders(album.app.runs_dir)))
    album.take("home")


async def draw_chat(album: Album, runs: Path) -> None:
    chat = ChatScreen(runs / TEXT)
    await album.app.push_screen(chat)
    await album.until(lambda: chat.talk is not None)
    await album.type("mode deep")
    await album.type("max 160")
    await album.type("One morning the fox")
    await album.until(lambda: not chat.is_writing)
    await album.pilot.press("f4")
    await album.pilot.pause(1.0)
    await album.pilot.press("ctrl+t", *["left"] * 12)
    await album.pilot.pause(1.0)
    album.take("chat")
    album.app.pop_screen()


async def draw_inside(album: Album, runs: Path) -> None:
    inside = InsideScreen(runs / TEXT)
    await album.app.push_screen(inside)
    await album.pilot.pause(2.0)
    await album.pilot.press("enter")
    await album.until(lambda: inside.running is None)
    album.take("inside")
    album.app.pop_screen()


async def draw_puzzle(album: Album, runs: Path) -> None:
    puzzle = PuzzleScreen(runs / PUZZLES)
    await album.app.push_screen(puzzle)
    await album.until(lambda: puzzle.solve is not None)
    await album.pilot.press("right", "right")
    await album.pilot.pause(1.0)
    album.take("puzzle")
    album.app.pop_screen()


async def draw_form(album: Album, runs: Path) -> None:
    form = NewRunScreen(runs)
    await album.app.push_screen(form)
    await album.pilot.pause(1.0)
    await album.pilot.press(*f"{TEXT}.txt", "enter", "enter")
    await album.until(lambda: form.pane.rows)
    await album.pilot.pause(15.0)  # the machine is timed
    album.take("new_run")


async def draw_the_rest(runs: Path) -> None:
    app = RlmApp(runs)
    async with app.run_test(size=SIZE) as pilot:
        album = Album(app, pilot)
        await draw_home(album)
        await draw_chat(album, runs)
        await draw_inside(album, runs)
        await draw_puzzle(album, runs)
        await draw_form(album, runs)


def main() -> None:
    minutes = sys.argv[1] if len(sys.argv) > 1 else "3"
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["PYTHONPATH"] = str(ROOT)
        text = Path(f"{TEXT}.txt")
        text.write_bytes((ROOT / "sample_corpora" / text.name).read_bytes())
        rlm("train", "--task", "sudoku:4x4", "--name", PUZZLES, "--minutes", minutes, "--quiet")
        rlm("train", str(text), "--minutes", minutes, "--detach", "--quiet")
        runs = Path("runs")
        asyncio.run(draw_training(runs))
        asyncio.run(draw_the_rest(runs))
        assert not Run(runs / TEXT).is_busy()


if __name__ == "__main__":
    main()
