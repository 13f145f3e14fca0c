"""The form of a training, of a new model or of a run that learns more, with its plan beside it."""

import os
import time
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.timer import Timer
from textual.widgets import Collapsible, Input, Select, Static

from data.errors import RlmError
from models.architectures import ARCHITECTURES
from models.presets import PRESETS
from tui.content import joined
from tui.messages import PlanAdvanced, TrainingAtWork, TrainingRefused
from tui.planner import PlanAnswer, Planner
from tui.screens.dashboard import DashboardScreen
from tui.screens.rlm_screen import RlmScreen
from tui.training_form import (
    ADVANCED,
    MINUTES,
    NAME,
    Field,
    arguments,
    errors,
    place_of,
    words_of,
)
from tui.widgets.form_field import FormField
from tui.widgets.key_line import KeyLine
from tui.widgets.plan_pane import PlanPane
from tui.widgets.text_picker import TextPicker

_PAUSE_S = 0.4
"""Seconds without a key after which what is filled in is planned."""


class NewRunScreen(RlmScreen):
    """Asks for a text and starts a training of it, in a process of its own."""

    HELP_TEXT = (
        "Only the text is needed; rlm chooses the rest for it and for this machine. The plan follows what is "
        "filled in. F10 starts the training, which is a process of its own."
    )
    BINDINGS = [
        Binding("f10,ctrl+s", "start", "Start", id="new.start", tooltip="Start the training"),
        Binding("f5", "plan", "Plan", id="new.plan", tooltip="Plan again, with the machine as it is now"),
        Binding("f6", "advanced", "Advanced", id="new.advanced", tooltip="Show or hide the other settings"),
        Binding("escape", "close", "Back", id="new.close", tooltip="To the runs; what is filled in stays"),
    ]

    def __init__(self, runs_dir: Path, text: str = "") -> None:
        super().__init__()
        self.runs_dir = runs_dir
        self.is_starting = False
        self._started_at = 0.0
        self.planner = Planner(self._heard)
        self.planned: list[str] | None = None
        """The command that was planned last."""
        self._refusal: RlmError | None = None
        """Why it cannot be carried out."""
        self._pause: Timer | None = None
        self._text = text

    # What differs for a run that learns more.
    run: Path | None = None
    advanced: tuple[Field, ...] = ADVANCED
    name_field = NAME

    def compose(self) -> ComposeResult:
        title = "new run" if self.run is None else f"teach {self.run.name}"
        yield Static(joined((title, "bold $primary"), f"   in {self.runs_dir}"), classes="title")
        with Horizontal(id="both"):
            with VerticalScroll(id="form"):
                yield TextPicker(self.text_placeholder())
                yield FormField(self.name_field.path, self.name_field.label, self.name_field.placeholder)
                yield FormField(MINUTES.path, MINUTES.label, MINUTES.placeholder)
                yield from self.compose_model()
                with Collapsible(title="advanced", id="advanced"):
                    for field in self.advanced:
                        yield FormField(field.path, field.label, field.placeholder)
            yield PlanPane("Choose a text, and its plan is shown here.")
        yield KeyLine()

    def text_placeholder(self) -> str:
        """What stands in the field of the text while it is empty."""
        return "a file or a folder"

    def compose_model(self) -> ComposeResult:
        """The fields for what only a new model can be given."""
        presets = [(f"{one.name}: {one.summary}", one.name) for one in PRESETS.values()]
        yield FormField("preset", "preset", "none", presets)
        kinds = [(name.replace("_", "-"),) * 2 for name in ARCHITECTURES]
        yield FormField("model.architecture", "kind", "rlm chooses", kinds)

    @property
    def picker(self) -> TextPicker:
        return self.query_one(TextPicker)

    @property
    def pane(self) -> PlanPane:
        return self.query_one(PlanPane)

    def on_mount(self) -> None:
        self.picker.field.editor.focus()
        kept = self.rlm.unfinished_forms.get(self.run, {})
        for field in self.query(FormField):
            field.value = kept.get(field.path, "")
        if self._text:
            self.picker.field.value = self._text
            self.query_one("#name").focus()
        self._plan_soon()
        self.set_interval(1.0, self._show_start)

    def on_unmount(self) -> None:
        self.planner.close()

    def _heard(self, answer: PlanAnswer) -> None:
        self.post_message(PlanAdvanced(answer))

    def values(self) -> dict[str, str]:
        """What is filled in, by the path of its field, without the text."""
        return {field.path: field.value for field in self.query(FormField) if field is not self.picker.field}

    def text(self) -> str:
        """The path of the text, as it is typed."""
        return self.picker.field.value.strip()

    def paths(self) -> list[str]:
        """The text to train on; empty where there is none yet."""
        return [self.text()] if self.text() else []

    def on_text_picker_changed(self, message: TextPicker.Changed) -> None:
        if message.is_chosen:
            self.query_one("#name").focus()
        self._plan_soon()

    def on_text_picker_looked(self, message: TextPicker.Looked) -> None:
        self.pane.rows, self.planned = [], None
        reading = {path: self.values()[path] for path in ("encoding", "filters")}
        self._ask(arguments(reading, [message.path], self.runs_dir), text_only=True)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show_errors(errors(self.values()))
        self._plan_soon()

    def on_select_changed(self, event: Select.Changed) -> None:
        self._plan_soon()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.focus_next()

    def _plan_soon(self) -> None:
        """Plan once nothing has been typed for a while."""
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(_PAUSE_S, self._plan_if_changed)

    def _plan_if_changed(self) -> None:
        """Plan what is filled in, where that is complete and another command than was planned last."""
        paths = self.paths()
        is_half_typed = self.picker.has_focus_within and not all(map(_is_file, paths))
        if self.is_starting or (paths and is_half_typed) or self.picker.list.has_focus:
            return  # a list that is left plans again
        if not paths:
            self.pane.clear()
        elif errors(self.values()):
            self.pane.wait("Correct what is marked.")
        if not paths or errors(self.values()):
            self.planned = None
            self.planner.forget()
            return
        command = arguments(self.values(), paths, self.runs_dir, self.run)
        if command != self.planned:
            self.planned, self._refusal = command, None
            self._ask(command)
        elif self._refusal is not None:
            self._refuse(self._refusal)

    def _ask(self, command: list[str], *, text_only: bool = False) -> None:
        try:
            self.planner.ask(command[1:], text_only=text_only)
        except RlmError as error:
            self._refuse(error)
        else:
            self.pane.wait("Reading the text …", "" if text_only else "Planning …")

    def action_plan(self) -> None:
        """Plan again, whether or not something has changed."""
        self.planned = None
        if not self.paths():
            self.rlm.say("Choose a text first.", severity="warning")
        self._plan_if_changed()

    def on_plan_advanced(self, message: PlanAdvanced) -> None:
        answer: PlanAnswer = message.answer
        if answer.id != self.planner.last_id or self.is_starting:
            return
        if answer.error is not None:
            self._refusal = answer.error
            self._refuse(answer.error)
            return
        self.pane.take(answer)
        if answer.rows is not None:
            self._show_errors({})

    def _refuse(self, error: RlmError) -> None:
        """Show why there is no plan, also at the field it is about where there is one."""
        # A text under the cursor is not the one in the field, and the list stays in its place.
        place = None if self.picker.list.has_focus else place_of(error, self.values())
        self._show_errors({} if place is None else {place: error})
        if error.field == "paths":
            self.pane.preview = None
        self.pane.refuse(self.rlm.words(words_of(error)))

    def _show_errors(self, found: dict[str, RlmError]) -> None:
        for field in self.query(FormField):
            error = found.get(field.path)
            field.show_error("" if error is None else self.rlm.words(words_of(error)))

    def action_advanced(self) -> None:
        advanced = self.query_one("#advanced", Collapsible)
        advanced.collapsed = not advanced.collapsed
        if not advanced.collapsed:
            advanced.query(FormField).first().editor.focus()

    def action_start(self) -> None:
        """Start what is filled in. The form stays until the training is at work, or says why it is not."""
        found = errors(self.values())
        self._show_errors(found)
        if not self.paths():
            self.rlm.say("Choose a text first.", severity="warning")
        elif found:
            self.rlm.say("Correct what is marked first.", severity="warning")
            self.query_one("#advanced", Collapsible).collapsed &= not self._is_advanced(found)
            self.query_one(f"#field-{next(iter(found)).replace('.', '-')}", FormField).editor.focus()
        elif not self.is_starting:
            self.is_starting = True
            self._started_at = time.monotonic()
            self.planner.close()  # it would take time from the start
            self._show_start()
            name = self.values()["name"].strip() or (self.run.name if self.run is not None else None)
            self.rlm.start_training(name, self.command(), self)

    def _show_start(self) -> None:
        if self.is_starting:
            seconds = time.monotonic() - self._started_at
            self.pane.wait(f"Starting the training … {seconds:.0f} s")

    def command(self) -> list[str]:
        """The command that starts what is filled in."""
        train, *rest = arguments(self.values(), self.paths(), self.runs_dir, self.run)
        return [train, "--detach", "--quiet", *rest]

    def _is_advanced(self, found: dict[str, RlmError]) -> bool:
        return any(field.path in found for field in self.advanced)

    def on_training_at_work(self, message: TrainingAtWork) -> None:
        """Go to the dashboard of the training: what was filled in is done with."""
        message.stop()
        self.is_starting = False
        self.rlm.unfinished_forms.pop(self.run, None)
        if self.is_current:
            self.app.switch_screen(DashboardScreen(self.runs_dir / message.run))
        else:
            self.rlm.say(f"{message.run} trains.")

    def on_training_refused(self, message: TrainingRefused) -> None:
        message.stop()
        self.is_starting = False
        self.pane.refuse(message.reason)

    def action_close(self) -> None:
        kept = {field.path: field.value for field in self.query(FormField) if field.value}
        self.rlm.unfinished_forms[self.run] = kept
        self.dismiss()


def _is_file(path: str) -> bool:
    return os.path.isfile(os.path.expanduser(path))
