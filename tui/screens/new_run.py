"""A form for a new run: the text, and what may be chosen. The plan comes from `rlm train --dry-run`."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Input, Label, OptionList, Select, Static
from textual.widgets.option_list import Option

from data.errors import RlmError
from models.architectures import ARCHITECTURES
from models.presets import PRESETS
from tui.content import joined, plain
from tui.launcher import Launch
from tui.messages import PlanMade
from tui.text_files import matching_paths, train_arguments

if TYPE_CHECKING:
    from tui.app import RlmApp

_LONGEST_PLANNING_S = 600.0


class NewRunScreen(Screen[None]):
    """Asks for a text and starts a training of it, in a process of its own."""

    HELP_TEXT = (
        "Only the text is needed; rlm chooses the rest for it and for this machine. F5 shows what it would "
        "choose, F10 starts. The training is a process of its own."
    )
    BINDINGS = [
        Binding("f5", "plan", "Plan", id="new.plan", tooltip="What would be trained, and for how long"),
        Binding("f10,ctrl+s", "start", "Start", id="new.start", tooltip="Start the training"),
        Binding("escape", "close", "Back", id="new.close"),
    ]

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self.runs_dir = runs_dir
        self.is_planning = False
        self._left = threading.Event()
        self.planned: list[str] | None = None
        """The command that was planned last."""

    @property
    def rlm(self) -> "RlmApp":
        return cast("RlmApp", self.app)

    def compose(self) -> ComposeResult:
        yield Static(joined(("new run", "bold $primary"), f"   in {self.runs_dir}"), classes="title")
        with Horizontal(id="both"):
            with Vertical(id="form"):
                yield from _row("text", Input(id="path", placeholder="a file or a folder", compact=True))
                yield OptionList(id="files")
                yield from _row("name", Input(id="name", placeholder="that of the text", compact=True))
                yield from _row("minutes", Input(id="minutes", placeholder="rlm chooses", compact=True,
                                                 type="number"))  # fmt: skip
                presets = [(preset.name, preset.name) for preset in PRESETS.values()]
                yield from _row("preset", Select(presets, id="preset", prompt="none", compact=True))
                kinds = [(name.replace("_", "-"),) * 2 for name in ARCHITECTURES]
                yield from _row("kind", Select(kinds, id="architecture", prompt="rlm chooses", compact=True))
            with VerticalScroll(id="plan"):
                yield Static(plain("F5 shows the plan.", "$foreground-muted"), id="rows")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.query_one("#path", Input).focus()
        self._list_files()

    def on_unmount(self) -> None:
        self._left.set()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "path":
            self._list_files()

    def _list_files(self) -> None:
        files = self.query_one("#files", OptionList)
        files.clear_options()
        files.add_options(Option(plain(path), id=path) for path in matching_paths(self._value("path")))
        files.highlighted = 0 if files.option_count else None

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "path" and self.query_one("#files", OptionList).option_count:
            self.query_one("#files").focus()
        else:
            self.focus_next()
            self._plan_if_changed()

    def on_select_changed(self, event: Select.Changed) -> None:
        self._plan_if_changed()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if event.option_list.id != "files":
            return
        field, path = self.query_one("#path", Input), str(event.option.id)
        field.value = path
        field.cursor_position = len(path)
        if path.endswith("/"):
            self._list_files()
        else:
            self.query_one("#name").focus()
            self.action_plan()

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value

    def _chosen(self, name: str) -> str:
        value = self.query_one(f"#{name}", Select).value
        return value if isinstance(value, str) else ""

    def _arguments(self) -> list[str] | None:
        """The command of what is filled in; None, and a remark, where the text is missing."""
        path = self._value("path")
        if not path.strip():
            self.rlm.say("Choose a text first.", severity="warning")
            return None
        options = {
            "--name": self._value("name"),
            "--minutes": self._value("minutes"),
            "--preset": self._chosen("preset"),
            "--arch": self._chosen("architecture"),
        }
        return train_arguments(path, self.runs_dir, options)

    def action_plan(self) -> None:
        """Let rlm plan in a process of its own. It reads the text and times the machine."""
        if self.is_planning or (arguments := self._arguments()) is None:
            return
        self.is_planning, self.planned = True, arguments
        self._show(plain("Planning …", "$foreground-muted"))
        self._plan(["train", "--dry-run", *arguments[1:]])

    @work(thread=True, group="plan")
    def _plan(self, arguments: list[str]) -> None:
        try:
            launch = Launch(arguments)
            refusal = launch.refusal(_LONGEST_PLANNING_S, self._left.is_set)
            launch.stop()
            words = launch.output() if refusal is None else refusal
            launch.close()
        except RlmError as error:
            refusal = words = error.message
        self.post_message(PlanMade(words, is_refused=refusal is not None))

    def on_plan_made(self, message: PlanMade) -> None:
        self.is_planning = False
        self._show(plain(message.words, "$error" if message.is_refused else ""))
        self._plan_if_changed()

    def _plan_if_changed(self) -> None:
        """Plan again where something else is filled in than what was planned."""
        if self.planned is not None and self._arguments() != self.planned:
            self.action_plan()

    def _show(self, content: Content) -> None:
        self.query_one("#rows", Static).update(content)

    def action_start(self) -> None:
        if (arguments := self._arguments()) is not None:
            self.rlm.start_training(self._value("name").strip() or None, arguments)
            self.dismiss()

    def action_close(self) -> None:
        self.dismiss()


def _row(name: str, field: Input | Select[str]) -> ComposeResult:
    """A field with its name before it."""
    with Horizontal(classes="field"):
        yield Label(name)
        yield field
