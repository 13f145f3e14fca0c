"""A larger copy of a run: what grows, and beside it the plan, the check of the output, and the start.

The run is read once; planning and checking are done in threads. `rlm expand` writes the larger run in a
process of its own, which goes on when the application is closed.
"""

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Input, Label, Static

from data.errors import RlmError, UsageError
from data.format import format_short_count
from models.growth.axes import parameters_in
from models.growth.grown_run import same_output_words, training_command
from models.runs.run import Run
from tui.content import joined, plain
from tui.expansion import TARGET, Expansion, Growth, in_form_words, train_on_arguments
from tui.launcher import Launch
from tui.messages import ExpansionChecked, ExpansionPlanned, ExpansionRead
from tui.model_thread import load_in_thread
from tui.screens.rlm_screen import RlmScreen
from tui.widgets.key_line import KeyLine
from tui.widgets.plain_input import PlainInput
from tui.widgets.plan_rows import PlanRows
from tui.widgets.size_field import SizeField

if TYPE_CHECKING:
    from models.growth.expand import ExpansionPlan

_PAUSE_S = 0.15
"""After the last key, before it is planned."""
_LONGEST_WRITING_S = 3600.0
_NOTHING = "Choose what grows: + and - change a size, or type one."


class ExpandScreen(RlmScreen):
    """Plans a larger run with the same output, and starts the process that writes it."""

    HELP_TEXT = (
        "The larger run gives the same output as the old one, which stays as it is, and has more room to "
        "learn. The plan follows what you type. F10 writes the new run; then r trains it."
    )
    BINDINGS = [
        Binding("f10,ctrl+s", "start", "Write", id="expand.start", tooltip="Write the larger run"),
        Binding("r", "train", "Train on", id="expand.train", tooltip="Train the new run"),
        Binding("down", "app.focus_next", "Next field", id="expand.next", show=False),
        Binding("up", "app.focus_previous", "Field before", id="expand.before", show=False),
        Binding("escape", "close", "Back", id="expand.close"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.expansion: Expansion | None = None
        self.growth: Growth | None = Growth()
        """What was planned last; None where what is filled in cannot be read."""
        self.plan: ExpansionPlan | None = None
        self.change: float | None = None
        """The largest change of a logit of `plan`; None before it is known."""
        self.problem: RlmError | None = None
        self.written: Run | None = None
        self.is_planning = self.is_checking = self.is_writing = False

    def compose(self) -> ComposeResult:
        yield Static(joined(("expand", "bold $primary"), f"   {self.folder.name}"), classes="title")
        with Horizontal(id="both"):
            yield Vertical(id="form")
            with VerticalScroll(id="plan", can_focus=False):
                yield PlanRows()
        yield KeyLine()

    def on_mount(self) -> None:
        self.query_one(PlanRows).show((), [("Reading the run …", "$foreground-muted")])
        self._read()

    @work(group="expansion")
    async def _read(self) -> None:
        run, runs_dir = Run(self.folder.resolve()), self.rlm.runs_dir
        try:
            expansion = await load_in_thread(lambda: Expansion.read(run, runs_dir))
        except RlmError as error:
            self.post_message(ExpansionRead(None, error))
        except (RuntimeError, MemoryError, OSError) as error:  # of torch, or the files go
            self.post_message(ExpansionRead(None, RlmError(f"The run cannot be read: {error}")))
        else:
            self.post_message(ExpansionRead(expansion))

    async def on_expansion_read(self, message: ExpansionRead) -> None:
        if message.expansion is None:
            if message.error is not None:
                self.rlm.say_error(message.error)
            self.dismiss()
            return
        self.expansion = message.expansion
        form = self.query_one("#form")
        for axis in message.expansion.axes:
            await form.mount(_row(axis.counts, f"{axis.size:,}", SizeField(axis)))
        now = format_short_count(message.expansion.parameters)
        target = PlainInput(placeholder="such as 4M", id="target", compact=True)
        await form.mount(_row(TARGET, now, target))
        name = PlainInput(placeholder=f"{self.folder.name}-grown", id="name", compact=True)
        await form.mount(_row("name", "", name))
        self.query("Input").first().focus()
        self._write()
        self.refresh_bindings()

    def on_input_changed(self) -> None:
        self.set_timer(_PAUSE_S, self._plan_if_changed)

    def on_input_submitted(self) -> None:
        self.focus_next()

    def _chosen(self) -> Growth:
        """What is filled in. Raises UsageError for a target that is no number."""
        sizes = {one.axis.name: one.number for one in self.query(SizeField)}
        target, name = (self.query_one(f"#{field}", Input).value.strip() for field in ("target", "name"))
        return Growth(
            {axis: size for axis, size in sizes.items() if size is not None},
            parameters_in(target) if target else None,
            name or None,
        )

    def _plan_if_changed(self) -> None:
        """Plan what is filled in, unless it is planned or a plan is being made."""
        if self.expansion is None or self.is_planning or self.written is not None:
            return
        try:
            growth = self._chosen()
        except UsageError as error:
            self.growth, self.plan, self.problem = None, None, error
            self._write()
            return
        if growth == self.growth:
            return
        self.growth, self.plan, self.change, self.problem = growth, None, None, None
        if not growth.is_empty:
            self.is_planning = True
            self._plan(self.expansion, growth)
        self._write()

    @work(group="expansion", description="plan")
    async def _plan(self, expansion: Expansion, growth: Growth) -> None:
        try:
            plan = await load_in_thread(lambda: expansion.plan(growth))
        except RlmError as error:
            self.post_message(ExpansionPlanned(None, error))
        except (RuntimeError, MemoryError, OSError) as error:  # of torch, or the files go
            self.post_message(ExpansionPlanned(None, RlmError(f"It cannot be planned: {error}")))
        else:
            self.post_message(ExpansionPlanned(plan))

    def on_expansion_planned(self, message: ExpansionPlanned) -> None:
        self.is_planning = False
        self.plan, self.problem = message.plan, message.error
        self._plan_if_changed()
        self._check_if_new()
        self._write()

    def _check_if_new(self) -> None:
        """Compare the outputs, unless two are being compared. The newest plan is then compared afterwards."""
        if self.plan is not None and self.change is None and not self.is_checking:
            self.is_checking = True
            self._check(self.plan)

    @work(group="check", description="check")
    async def _check(self, plan: "ExpansionPlan") -> None:
        try:
            change = await load_in_thread(plan.largest_logit_change)
        except RlmError as error:
            self.post_message(ExpansionChecked(plan, None, error))
        except (RuntimeError, MemoryError, OSError) as error:  # of torch, or the files go
            self.post_message(ExpansionChecked(plan, None, RlmError(f"It cannot be checked: {error}")))
        else:
            self.post_message(ExpansionChecked(plan, change))

    def on_expansion_checked(self, message: ExpansionChecked) -> None:
        self.is_checking = False
        if message.plan is self.plan:
            self.change, self.problem = message.change, message.error
        else:
            self._check_if_new()
        self._write()

    def _write(self) -> None:
        """Show the plan and how far it is, or why there is none."""
        plan = self.plan
        rows = [] if plan is None else [*plan.rows(), ("checked", self._checked())]
        self.query_one(PlanRows).show(rows, self._remarks())
        self.refresh_bindings()

    def _remarks(self) -> list[tuple[str, str]]:
        plan, problem, written = self.plan, self.problem, self.written
        if written is not None:
            command = self.rlm.words(training_command(written))
            return [(f"{written.name} is written. It is trained by r, or by", "$success"), (command, "")]
        if problem is not None:
            parts = (problem.message, problem.hint)
            return [(self.rlm.words(in_form_words(part)), "$error") for part in parts if part]
        if plan is None:
            return [("Planning …" if self.is_planning else _NOTHING, "$foreground-muted")]
        writing = [(f"Writing {plan.name} …", "$accent")] if self.is_writing else []
        return writing + [(note, "$warning") for note in plan.notes]

    def _checked(self) -> str:
        if self.change is not None:
            return same_output_words(self.change)
        return "comparing the outputs …" if self.problem is None else "the output differs"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "train":
            return self.written is not None
        if action == "start":
            is_ready = self.plan is not None and self.problem is None
            return True if is_ready and not self.is_writing and self.written is None else None
        return True

    def action_start(self) -> None:
        """Let `rlm expand` write the planned run. It checks the output again."""
        self._plan_if_changed()  # what was typed just now
        plan, expansion, rlm = self.plan, self.expansion, self.rlm
        if plan is None or expansion is None or self.growth is None:
            rlm.say("The plan of this is not there yet.")
            return
        try:
            launch = Launch(expansion.arguments(self.growth, plan.name))
        except RlmError as error:
            rlm.say_error(error)
            return
        self.is_writing = True
        self.query_one("#form").disabled = True
        self._write()

        def watch() -> None:
            reason = launch.refusal(_LONGEST_WRITING_S)
            launch.close()
            with contextlib.suppress(RuntimeError):  # the application was left meanwhile
                rlm.call_from_thread(self.end_writing, Run(plan.runs_dir / plan.name), reason)

        threading.Thread(target=watch, daemon=True).start()

    def end_writing(self, run: Run, reason: str | None) -> None:
        """Show how the writing of `run` ended, and say it where the screen does not."""
        rlm = self.rlm
        self.is_writing = False
        if reason is not None:
            rlm.say(f"{run.name} was not written. {reason}", severity="error")
        elif not self.is_current:
            rlm.say(f"{run.name} is written.")
        if self.is_attached:
            self.written = run if reason is None else None
            self.query_one("#form").disabled = self.written is not None
            if self.written is None:
                self.query("Input").first().focus()
            self._write()

    def action_train(self) -> None:
        if self.written is None:
            return
        arguments = train_on_arguments(self.written)
        if arguments is None:
            self.rlm.say("It has no text yet. Give it one: " + training_command(self.written))
        else:
            self.rlm.start_training(self.written.name, arguments)
            self.dismiss()

    def action_close(self) -> None:
        self.dismiss()


def _row(name: str, now: str, field: Input) -> Horizontal:
    """A field with its name and the present value before it."""
    return Horizontal(Label(plain(name)), Label(plain(now), classes="now"), field, classes="field")
