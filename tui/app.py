"""The application: its themes, its bindings on every screen, and the way to each screen."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.command import CommandPalette
from textual.message import Message
from textual.screen import Screen

from data.errors import RlmError
from data.safe_text import safe_text
from tui.garbage_collection import leave_alone
from tui.launcher import Launch
from tui.messages import TrainingAtWork, TrainingRefused
from tui.model_thread import end_if_loading
from tui.palette import LONGEST_SEARCH, BindingCommands
from tui.screens.chat import ChatScreen
from tui.screens.dashboard import DashboardScreen
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen
from tui.terminal_input import guard_input
from tui.theme import DARK, LIGHT, THEMES, level_colors

Severity = Literal["information", "warning", "error"]
_LONGEST_START_S = 24 * 3600.0


class RlmApp(App[None]):
    """The full-screen front end over the runs in one folder.

    `words` turns settings and commands in messages of the core, which stand in braces, into what a user can
    type. With `run`, the folder of one, the application begins with its dashboard. With `chat`, also the
    folder of a run, it begins with a chat.
    """

    TITLE = "rlm"
    CSS_PATH = sorted(Path(__file__).parent.rglob("*.tcss"))
    HORIZONTAL_BREAKPOINTS = [
        (0, "-narrow"),
        (60, "-medium"),
        (110, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-high")]
    COMMANDS = App.COMMANDS | {BindingCommands}
    BINDINGS = [
        Binding("question_mark", "help", "Help", id="app.help", tooltip="The keys of this screen",
                key_display="?"),
        Binding("f1", "help", "Help", id="app.help_in_text", tooltip="The keys of this screen"),
        Binding("f2", "change_light", "Light or dark", id="app.light", show=False,
                tooltip="Change between the light and the dark theme"),
        Binding("ctrl+p", "command_palette", "Find", id="app.palette", show=False, priority=True,
                tooltip="Search what can be done now"),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", priority=True,
                tooltip="Leave the application; trainings go on"),
        Binding("ctrl+c", "interrupt", "Interrupt", id="app.interrupt", show=False,
                tooltip="On a run in training: pause, stop or go on"),
    ]  # fmt: skip

    def __init__(
        self,
        runs_dir: Path,
        words: Callable[[str], str] = str,
        run: Path | None = None,
        chat: Path | None = None,
    ) -> None:
        super().__init__()
        self._first_run = run
        self._first_chat = chat
        self.runs_dir = runs_dir
        self.words = words
        self._starting: dict[Launch, str | None] = {}
        """The runs whose training was started and is not seen at work yet; None for one without a name."""
        self._seen_training: set[str] = set()
        self.unfinished_forms: dict[Path | None, dict[str, str]] = {}
        """What was filled in and not started, by the run that goes on; None for a new one."""
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return level_colors(self.current_theme.dark)

    def get_default_screen(self) -> Screen[None]:
        return HomeScreen(self.runs_dir)

    def on_mount(self) -> None:
        for name in ("SIGTERM", "SIGHUP"):
            with contextlib.suppress(AttributeError, NotImplementedError, RuntimeError):  # as on Windows
                number = getattr(signal, name)
                asyncio.get_running_loop().add_signal_handler(number, self.exit, None, 128 + number)
        if self._first_run is not None:
            self.push_screen(DashboardScreen(self._first_run))
        if self._first_chat is not None:
            self.push_screen(ChatScreen(self._first_chat))

    def on_ready(self) -> None:
        leave_alone("the application")

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield SystemCommand("Theme", "Choose among all themes", self.action_change_theme)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Paste) and isinstance(self.screen, CommandPalette):
            event.text = safe_text(event.text[:LONGEST_SEARCH])  # it has an input of its own
        await super().on_event(event)

    def say(self, text: str, *, severity: Severity = "information") -> None:
        """Show a remark for some seconds."""
        self.notify(safe_text(self.words(text)), severity=severity, markup=False)

    def say_error(self, error: RlmError) -> None:
        """Show an error with its hint."""
        self.say("\n".join(part for part in (error.message, error.hint) if part), severity="error")

    def start_training(self, run: str | None, arguments: list[str], form: Screen[None] | None = None) -> None:
        """Start a command of rlm that trains `run`, and say how that went. None: rlm names the new run.

        The command ends as soon as the training is at work, and prints its run. `form` is told, or the
        application where there is none or it was left. Without a form, a run that is starting is left alone.
        """
        if form is None and run in self._starting.values():
            self.say(f"{run or 'A new run'} is starting already.")
            return
        try:
            launch = Launch(arguments)
        except RlmError as error:
            reason = " ".join(part for part in (error.message, error.hint) if part)
            self._tell(form, TrainingRefused(run, reason))
            return
        self._starting[launch] = run
        if form is None:
            self.say(f"Starting {run or 'the new run'} …")

        def watch() -> None:
            reason = launch.refusal(_LONGEST_START_S)
            printed = launch.output().splitlines() if reason is None else []
            launch.close()
            self._starting.pop(launch, None)
            if not self.is_running:
                return
            if reason is not None:
                self._tell(form, TrainingRefused(run, reason))
            elif printed and (form is not None or len(printed) == 1):
                # More lines tell how a training ended that had only its last evaluation left.
                self._tell(form, TrainingAtWork(run or Path(printed[-1]).name))

        threading.Thread(target=watch, daemon=True).start()

    def _tell(self, form: Screen[None] | None, message: Message) -> None:
        """Send a message to `form`, and to the application where that is none or was left."""
        if form not in self.screen_stack or not form.post_message(message):
            self.post_message(message)

    def starting_besides(self, training: Iterable[str]) -> list[str]:
        """The runs whose training was started and is not at work yet, in words; those in `training` are.

        A run that trains for the first time here, and was not asked for by its name, may be any that was
        started without one.
        """
        now, starting = set(training), dict(self._starting)
        has_new = bool(now - self._seen_training - set(starting.values()))
        self._seen_training = now
        for launch, name in starting.items():
            if name in now or (name is None and has_new):
                self._starting.pop(launch, None)
        return [name or "a new run" for name in dict.fromkeys(list(self._starting.values()))]

    def on_training_at_work(self, message: TrainingAtWork) -> None:
        self.say(f"{message.run} trains.")

    def on_training_refused(self, message: TrainingRefused) -> None:
        self.say(f"{message.run or 'The new run'} does not train. {message.reason}", severity="error")

    async def action_quit(self) -> None:
        """Leave, but a screen that is being opened only when it is. Its widgets would not find each other."""
        if self.screen.is_mounted:
            self.exit()
        else:
            self.screen.call_after_refresh(self.exit)

    def action_help(self) -> None:
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_change_light(self) -> None:
        self.theme = LIGHT.name if self.theme != LIGHT.name else DARK.name

    def action_interrupt(self) -> None:
        self.say("Nothing is interrupted here. Ctrl-Q leaves the application.")


def run_app(
    runs_dir: Path, words: Callable[[str], str], run: Path | None = None, *, chat: Path | None = None
) -> None:
    """Run the application on the terminal until the user leaves. It begins as `RlmApp` says.

    A crash of the application ends the process with exit code 1, and a signal with its own one.
    """
    app = RlmApp(runs_dir, words, run, chat)
    guard_input(app.driver_class)
    app.run()
    end_if_loading(app.return_code or 0)
    if app.return_code:
        raise SystemExit(app.return_code)
