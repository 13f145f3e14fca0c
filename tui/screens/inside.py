"""What happens inside the model of a run: a text pass by pass, scores, and what depth costs and buys."""

import threading
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input, Static

from data.errors import RlmError
from data.format import format_clock
from models.depth import depth_of
from models.runs.events import Event
from models.runs.example_text import example_text
from models.runs.run import Run
from tui.content import joined
from tui.messages import WorkAdvanced, WorkEnded
from tui.model_thread import load_in_thread
from tui.model_work import ModelWork, TraceSettings, found_by, progress_of
from tui.screens.rlm_screen import RlmScreen
from tui.widgets.depth_view import DepthView
from tui.widgets.key_line import KeyLine
from tui.widgets.score_view import ScoreView
from tui.widgets.trace_view import TraceView
from tui.widgets.view_tabs import ViewTabs
from tui.widgets.work_line import WorkLine

ViewName = Literal["trace", "scores", "depth"]
VIEWS: tuple[ViewName, ...] = get_args(ViewName)
_TOLD_EVERY_S = 0.2
_STARTS: dict[ViewName, str] = {
    "trace": "Enter traces the text",
    "scores": "Enter lets it write, and judges that",
    "depth": "Enter measures every depth",
}
_PUZZLES = "This run solves puzzles and reads no text. v on the first screen shows how it solves one."
_PROBLEMS = "This run answers problems: there is no text to judge. 3 counts right answers at each depth."


class InsideScreen(RlmScreen):
    """Three views of the model of one run. Each begins its work when asked to, and keeps what it found."""

    HELP_TEXT = (
        "Trace shows a text pass by pass, Scores judge what the model writes, Depth measures what each mode "
        "costs and buys. Enter starts, Esc stops; what was found stays while the screen is open."
    )
    BINDINGS = [
        Binding("enter,f5", "start", "Start", id="inside.start", tooltip="Start what this view shows"),
        Binding("e", "edit", "Text", id="inside.edit", tooltip="Write another text to trace"),
        Binding("f3", "next_mode", "Mode", id="inside.mode", tooltip="The next mode, that is depth"),
        Binding("h", "change_halt", "Halt", id="inside.halt", show=False,
                tooltip="Let a token leave the recursion as soon as the model is sure enough"),
        Binding("f6", "change_ablations", "Parts", id="inside.parts",
                tooltip="Leave out each part of the recursion in turn, which takes longer"),
        Binding("x", "next_chart", "Chart", id="inside.chart", show=False,
                tooltip="Another figure or axis of the chart"),
        Binding("f4", "change_coloring", "Colours", id="inside.coloring", show=False,
                tooltip="Colour the tokens by their passes or their probability"),
        Binding("right,tab", "next_view(1)", "View", id="inside.view", tooltip="The next view", show=False),
        Binding("left,shift+tab", "next_view(-1)", "View before", id="inside.view_before", show=False,
                tooltip="The view before"),
        *(Binding(str(n), f"view('{name}')", name.capitalize(), id=f"inside.{name}", show=False,
                  tooltip=f"Show the {name}")
          for n, name in enumerate(VIEWS, start=1)),
        Binding("ctrl+c", "stop", "Stop", id="inside.stop", show=False, tooltip="Stop the work"),
        Binding("escape,q", "stop_or_close", "Stop/back", id="inside.close",
                tooltip="Stop the work or go back"),
    ]  # fmt: skip

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.work = ModelWork(folder)
        self.shown: ViewName = "trace"
        self.settings = TraceSettings()
        self.silent: dict[ViewName, str] = {}
        """Why a view has nothing to say about this run."""
        self.running: ViewName | None = None
        """The view whose work is under way."""
        self._stop = threading.Event()

    def compose(self) -> ComposeResult:
        yield Static(id="title", classes="title")
        yield ViewTabs([name.capitalize() for name in VIEWS])
        yield WorkLine(id="work")
        yield TraceView()
        yield ScoreView()
        yield DepthView()
        yield KeyLine()

    def on_mount(self) -> None:
        try:
            config = Run(self.folder.resolve()).config()
        except RlmError as error:
            self.rlm.say_error(error)
            self.dismiss()
            return
        if config.solves_puzzles:
            self.silent = {"trace": _PUZZLES, "scores": _PUZZLES}
            self.query_one(TraceView).say(_PUZZLES)
            self.query_one("#prompt").display = False
        else:
            self.silent = {"scores": _PROBLEMS} if config.answers_problems else {}
            self._suggest()
        if "scores" in self.silent:
            self.query_one(ScoreView).say(self.silent["scores"])
        self._write_title()
        self.action_view("depth" if config.solves_puzzles else "trace")

    def on_unmount(self) -> None:
        self._stop.set()

    @work(group="suggest")
    async def _suggest(self) -> None:
        run = Run(self.folder.resolve())
        self.query_one(TraceView).suggest(await load_in_thread(lambda: example_text(run)))

    def _view(self, name: str) -> TraceView | ScoreView | DepthView:
        kinds = {"trace": TraceView, "scores": ScoreView, "depth": DepthView}
        return cast("TraceView | ScoreView | DepthView", self.query_one(kinds[name]))

    def applies(self) -> bool:
        """Whether the view that is shown has anything to say about this run."""
        return self.shown not in self.silent

    def action_start(self) -> None:
        """Start the work of the view that is shown."""
        if not self.applies():
            return
        if self.running is not None:
            self.rlm.say(f"The {self.running} view is at work. Esc stops it.")
            return
        text = self.query_one(TraceView).text
        if self.shown == "trace" and not text.strip():
            self.rlm.say("Write a text to trace first.")
            self.action_edit()
            return
        self.running, self._stop = self.shown, threading.Event()
        self._focus_result()
        self.query_one(WorkLine).progress("starting", None)
        match self.shown:
            case "trace":
                self._measure("trace", self.work.trace(text, self.settings))
            case "scores":
                self._measure("scores", self.work.scores(self.settings.mode))
            case "depth":
                self._measure("depth", self.work.depth())
        self.refresh_bindings()

    @work(group="model", description="measure")
    async def _measure(self, name: ViewName, steps: Generator[Event, None, object]) -> None:
        """Take the steps in a thread that the end of the application does not wait for."""
        stop, told_at = self._stop, 0.0

        def told(event: Event) -> None:
            nonlocal told_at
            progress, now = progress_of(event), time.monotonic()
            if progress is not None and not stop.is_set() and now - told_at >= _TOLD_EVERY_S:
                told_at = now
                self.post_message(WorkAdvanced(*progress))

        found, problem = None, None
        try:
            found = await load_in_thread(lambda: found_by(steps, stop.is_set, told))
        except RlmError as error:
            problem = error
        except (RuntimeError, MemoryError, OSError) as error:  # of torch, or files go
            problem = RlmError(f"The model cannot be measured: {error}")
        if not stop.is_set():
            self.post_message(WorkEnded(name, found, problem))

    def on_work_advanced(self, message: WorkAdvanced) -> None:
        if self.running is not None:
            self.query_one(WorkLine).progress(message.stage, message.share)

    def on_work_ended(self, message: WorkEnded) -> None:
        self._end()
        if message.error is not None:
            self.rlm.say_error(message.error)
        if message.found is not None:
            self._view(message.name).show(cast(Any, message.found))
            if (
                message.name == "trace"
                and self.settings.with_ablations
                and not cast(Any, message.found).ablations
            ):
                self.rlm.say("No part of this model can be left out on this text.")
        self._write_title()

    def action_stop(self) -> None:
        self._stop.set()
        self._end()

    def _end(self) -> None:
        self.running = None
        self._write_line()
        self.refresh_bindings()

    def _write_title(self) -> None:
        written = self.work.weights_time
        weights = f"   weights of {format_clock(written)}" if written else ""
        self.query_one("#title", Static).update(
            joined(("inside", "bold $primary"), f"   {self.folder.name}{weights}")
        )

    def _write_line(self) -> None:
        """Say what Enter does here."""
        if self.running is not None:
            return
        if not self.applies():
            self.query_one(WorkLine).say("")
        elif self.shown == "depth":
            self.query_one(WorkLine).say(_STARTS["depth"])
        else:
            mode = self.settings.mode
            settings = self.settings if self.shown == "trace" else TraceSettings()
            more = ", tokens halt early" if settings.halts else ""
            more += ", parts left out in turn" if settings.with_ablations else ""
            words = (f"{mode} {depth_of(mode)}", "bold $accent")
            self.query_one(WorkLine).say(words, f"{more}   {_STARTS[self.shown]}")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("edit", "change_ablations", "change_coloring", "change_halt"):
            return self.shown == "trace" and self.applies()
        if action == "stop":
            return self.running is not None
        if action == "next_chart":
            return self.shown != "scores"
        if action == "next_mode":
            return self.shown != "depth" and self.applies()
        return self.applies() if action == "start" else True

    def action_view(self, name: ViewName) -> None:
        """Show another view."""
        self.shown = name
        for view in VIEWS:
            self._view(view).display = view == name
        self.query_one(ViewTabs).activate(name.capitalize())
        self._focus_result()
        self._write_line()
        self.refresh_bindings()

    def _focus_result(self) -> None:
        self.query_one({"trace": "#traced", "scores": "#scores", "depth": "#depths"}[self.shown]).focus()

    def on_view_tabs_chosen(self, message: ViewTabs.Chosen) -> None:
        self.action_view(cast(ViewName, message.name.lower()))

    def action_next_view(self, direction: int) -> None:
        self.action_view(VIEWS[(VIEWS.index(self.shown) + direction) % len(VIEWS)])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_start()

    def action_edit(self) -> None:
        self.query_one("#text", Input).focus()

    def action_next_mode(self) -> None:
        self._trace_with(self.settings.with_next_mode())

    def action_change_halt(self) -> None:
        self._trace_with(replace(self.settings, halts=not self.settings.halts))

    def action_change_ablations(self) -> None:
        self._trace_with(replace(self.settings, with_ablations=not self.settings.with_ablations))

    def _trace_with(self, settings: TraceSettings) -> None:
        """Take these settings, and trace again where a trace is shown or under way."""
        self.settings = settings
        if self.running == "trace":
            self.action_stop()
            self.action_start()
        elif self.running is None and self.shown == "trace" and self.query_one(TraceView).found is not None:
            self.action_start()
        else:
            self._write_line()

    def action_next_chart(self) -> None:
        if self.shown == "trace":
            self.query_one(TraceView).next_chart()
        else:
            self.query_one(DepthView).next_axis()

    def action_change_coloring(self) -> None:
        self.query_one(TraceView).change_coloring()

    def action_stop_or_close(self) -> None:
        if self.running is not None:
            self.action_stop()
        elif isinstance(self.focused, Input):
            self._focus_result()
        else:
            self.dismiss()
