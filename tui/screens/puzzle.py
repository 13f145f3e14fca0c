"""A puzzle run solves puzzles step by step. The model is loaded and thinks in threads."""

import threading
import time
from pathlib import Path

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widgets import Static

from data.errors import RlmError
from models.runs.run import Run
from tui.content import joined, plain
from tui.messages import HeldOutRead, PuzzleAdvanced, PuzzlePosed, SolverLoaded
from tui.model_thread import load_in_thread
from tui.puzzle_solve import PuzzleSolve
from tui.puzzle_source import Posed, PuzzleSource
from tui.screens.puzzle_input import PuzzleInputScreen
from tui.screens.rlm_screen import RlmScreen
from tui.widgets.key_line import KeyLine
from tui.widgets.puzzle_figures import PuzzleFigures
from tui.widgets.puzzle_grid import PuzzleGrid

_DRAW_S = 0.1
_PLAY_S = 0.5
_FIGURES_WIDTH = 20
"""Columns that the grid leaves beside it."""


class PuzzleScreen(RlmScreen):
    """Loads the model of a run and shows what it answers to a puzzle after each supervision step."""

    HELP_TEXT = (
        "The model answers all cells at once, and corrects them step by step. It stops where it is sure; the "
        "steps after that show what more of them would change. n takes the next puzzle that it was not "
        "trained on."
    )
    BINDINGS = [
        Binding("right,l", "step(1)", "Step", id="puzzle.forward", key_display="←→",
                tooltip="The next step; left is the one before"),
        Binding("left,h", "step(-1)", "Step back", id="puzzle.back", show=False, tooltip="The step before"),
        Binding("home", "go_to(0)", "First", id="puzzle.first", show=False, tooltip="The puzzle itself"),
        Binding("end", "go_to(-1)", "Last", id="puzzle.last", show=False, tooltip="The last step"),
        Binding("space", "play", "Play", id="puzzle.play", tooltip="Play the steps, or hold them"),
        Binding("n", "next", "Next", id="puzzle.next", tooltip="The next puzzle it was not trained on"),
        Binding("t", "type", "Type", id="puzzle.type", tooltip="Type or paste a puzzle of your own"),
        Binding("f5", "reload", "Reload", id="puzzle.reload", show=False,
                tooltip="Take the weights the run has now"),
        Binding("plus,equals_sign", "change_limit(True)", "Steps", id="puzzle.more", key_display="+-",
                tooltip="Twice as many steps to think; - is half as many"),
        Binding("minus", "change_limit(False)", "Fewer steps", id="puzzle.fewer", show=False,
                tooltip="Half as many steps to think"),
        Binding("escape,q", "close", "Back", id="puzzle.close"),
    ]  # fmt: skip

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.source: PuzzleSource | None = None
        self.solve: PuzzleSolve | None = None
        self.thinking: PuzzleSolve | None = None
        """The puzzle whose steps are being taken."""
        self.is_playing = self.is_loading = False
        self.is_posing = False
        """Whether a puzzle is being made or checked."""
        self._limit = 0
        self._stop = threading.Event()

    def compose(self) -> ComposeResult:
        yield Static(id="title", classes="title")
        with Horizontal(id="both"):
            yield PuzzleGrid()
            yield PuzzleFigures()
        yield KeyLine()

    def on_mount(self) -> None:
        self._write_title()
        self.query_one(PuzzleFigures).update(plain("Loading the model …", "$foreground-muted"))
        self._timer = self.set_interval(_PLAY_S, self._play_on, pause=True)
        self._load()

    def on_unmount(self) -> None:
        self._stop.set()

    @work(group="model")
    async def _load(self) -> None:
        run, before = Run(self.folder.resolve()), self.source
        self.is_loading = True
        try:
            source = await load_in_thread(lambda: PuzzleSource.load(run, before))
        except RlmError as error:
            self.post_message(SolverLoaded(None, error))
        except (RuntimeError, MemoryError, OSError) as error:  # of torch, or the files go
            self.post_message(SolverLoaded(None, RlmError(f"The model cannot be loaded: {error}")))
        else:
            self.post_message(SolverLoaded(source))

    def on_solver_loaded(self, message: SolverLoaded) -> None:
        self.is_loading = False
        before, source = self.source, message.source
        if source is None:
            if message.error is not None:
                self.rlm.say_error(message.error)
            if before is None:
                self.dismiss()
            return
        self.source, self._limit = source, self._limit or source.default_steps
        if before is not None and before.cells == source.cells and self.solve is not None:
            self._begin(source.again(self.solve.posed))
            self.rlm.say("These are the weights that the run has now.")
        else:
            self._pose()
        if source.is_reading:
            self._read_held_out(source)

    @work(group="held-out", description="read")
    async def _read_held_out(self, source: PuzzleSource) -> None:
        try:
            await load_in_thread(source.read_held_out)
        except RlmError as error:
            self.post_message(HeldOutRead(error))
        except (MemoryError, OSError) as error:
            self.post_message(HeldOutRead(RlmError(f"The held-out puzzles cannot be read: {error}.")))
        else:
            self.post_message(HeldOutRead())

    def on_held_out_read(self, message: HeldOutRead) -> None:
        if message.error is not None:
            self.rlm.say(f"{message.error.message} New puzzles are made instead.", severity="warning")
        self._write_title()

    def _pose(self, text: str | None = None) -> None:
        """Take the next puzzle or, even while one is being found, the one in a text. A thread makes it."""
        if self.source is not None and (text is not None or not self.is_posing):
            self.is_posing = True
            self._write_title()
            self._make(self.source, text)

    @work(group="pose", exclusive=True, description="make")
    async def _make(self, source: PuzzleSource, text: str | None) -> None:
        try:
            posed = await load_in_thread(lambda: source.next() if text is None else source.typed(text))
        except RlmError as error:
            self.post_message(PuzzlePosed(None, error))
        else:
            self.post_message(PuzzlePosed(posed))

    def on_puzzle_posed(self, message: PuzzlePosed) -> None:
        self.is_posing = False
        self._write_title()
        if message.posed is None:
            if message.error is not None:
                self.rlm.say_error(message.error)
            return
        self._begin(message.posed)

    def _begin(self, posed: Posed) -> None:
        assert self.source is not None
        self._stop.set()
        self._stop = threading.Event()
        self.solve = PuzzleSolve(posed, self._limit, self.source.trained_steps)
        self._think_on()
        self._write_title()
        self.refresh_bindings()

    def _think_on(self) -> None:
        """Take the steps that are missing, in a thread, unless one takes them."""
        solve = self.solve
        if solve is not None and solve is not self.thinking and not solve.is_complete:
            self.thinking = solve
            self._think(solve, self._stop)
        self._draw()

    @work(thread=True, group="think", description="think")
    def _think(self, solve: PuzzleSolve, stop: threading.Event) -> None:
        drawn = 0.0
        error: RlmError | None = None
        try:
            for _ in solve.think(stop.is_set):
                if (now := time.monotonic()) - drawn >= _DRAW_S:
                    drawn = now
                    self.post_message(PuzzleAdvanced(solve))
        except (RuntimeError, MemoryError) as failed:  # of torch
            error = RlmError(f"The model cannot think: {failed}")
        self.post_message(PuzzleAdvanced(solve, is_over=True, error=error))

    def on_puzzle_advanced(self, message: PuzzleAdvanced) -> None:
        if message.is_over and message.solve is self.thinking:
            self.thinking = None
            if message.error is not None:
                self.rlm.say_error(message.error)
            else:
                self._think_on()  # the limit may be another one by now
                return
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        solve = self.solve
        if solve is None:
            return
        region = self.query_one("#both").content_size
        grid, shown = self.query_one(PuzzleGrid), self.query_one(PuzzleFigures)
        kind, target = solve.kind, solve.solution
        grid.show(
            solve.cells(),
            kind.task,
            region.width - _FIGURES_WIDTH,
            region.height,
            given=kind.line(solve.puzzle),
            target="" if target is None else kind.line(target),
        )
        shown.show(
            solve,
            is_thinking=self.thinking is solve,
            width=max(1, region.width - grid.columns - shown.styles.margin.width),
            height=region.height,
        )

    def _write_title(self) -> None:
        parts: list[tuple[str, str] | str] = [("solve", "bold $primary"), f"   {self.folder.name}"]
        if self.solve is not None:
            parts.append((f"   {self.solve.name}", "$accent"))
        if self.is_posing:
            parts.append(("   finding a puzzle …", "$foreground-muted"))
        elif self.source is not None and self.source.is_reading:
            parts.append(("   reading the held-out puzzles …", "$foreground-muted"))
        self.query_one("#title", Static).update(joined(*parts))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("step", "go_to", "play", "change_limit"):
            return True if self.solve is not None else None
        if action in ("next", "type"):
            return True if self.source is not None else None
        return True

    def action_step(self, direction: int) -> None:
        self._set_playing(False)
        if self.solve is not None and self.solve.go_to(self.solve.at + direction):
            self._draw()

    def action_go_to(self, step: int) -> None:
        self._set_playing(False)
        if self.solve is not None:
            self.solve.go_to(step if step >= 0 else self.solve.limit)
            self._draw()

    def action_play(self) -> None:
        if self.solve is not None and not self.is_playing and self.solve.at >= self.solve.limit:
            self.solve.go_to(0)
            self._draw()
        self._set_playing(not self.is_playing)

    def _set_playing(self, is_playing: bool) -> None:
        self.is_playing = is_playing
        if is_playing:
            self._timer.resume()
        else:
            self._timer.pause()

    def _play_on(self) -> None:
        """Show the next step. It holds where the model would stop, and at the last step."""
        solve = self.solve
        if solve is not None and solve.go_to(solve.at + 1):
            self._draw()
            if solve.at in (solve.sure_at, solve.limit):
                self._set_playing(False)

    def action_reload(self) -> None:
        """Load the weights that the run has now, and begin the same puzzle again."""
        if self.is_loading or self.source is None or self.source.is_reading:
            self.rlm.say("The model is being loaded.")
        else:
            self._load()

    def action_next(self) -> None:
        self._pose()

    def action_type(self) -> None:
        if self.source is not None:
            self.app.push_screen(PuzzleInputScreen(self.source.kind, self.source.cells), self._pose_typed)

    def _pose_typed(self, text: str | None) -> None:
        if text is not None:
            self._pose(text)

    def action_change_limit(self, is_more: bool) -> None:
        if self.solve is not None:
            self.solve.change_limit(self.solve.limit * 2 if is_more else self.solve.limit // 2)
            self._limit = self.solve.limit
            self._think_on()

    def action_close(self) -> None:
        self.dismiss()
