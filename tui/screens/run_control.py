"""What one can ask of the run on the screen: the keys for its training, for a chat, and for its settings."""

from pathlib import Path

from textual.binding import Binding

from data.errors import RlmError
from models.runs.control_requests import Request, request
from models.runs.run import Run
from tui.content import lines, plain
from tui.launcher import resume_arguments
from tui.run_feed import RunView
from tui.run_list import RESUMABLE
from tui.screens.chat import ChatScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.inside import InsideScreen
from tui.screens.pause_menu import PauseMenu
from tui.screens.rlm_screen import RlmScreen
from tui.screens.run_settings import RunSettingsScreen
from tui.screens.sample_prompt import SamplePromptScreen

_MEANINGS: dict[Request, str] = {
    "pause": "pause and save",
    "stop": "finish with the best weights so far",
    "save": "save a checkpoint",
    "sample": "write a sample",
}


class RunControlScreen(RlmScreen):
    """A screen about one run. `view` is what is known of it."""

    BINDINGS = [
        Binding("p", "ask('pause')", "Pause", id="run.pause", tooltip="Save and end; r goes on later"),
        Binding("s", "stop", "Stop", id="run.stop", tooltip="Finish with the best weights, after a question"),
        Binding("w", "ask('save')", "Save", id="run.save", tooltip="Save a checkpoint now"),
        Binding("g", "sample", "Sample", id="run.sample",
                tooltip="Let the model write a sample now, after a prompt of your own or the usual one"),
        Binding("c", "chat", "Chat", id="run.chat", tooltip="Talk to the best weights so far"),
        Binding("c", "solve", "Solve", id="run.solve", tooltip="See the best weights so far solve puzzles"),
        Binding("i", "inside", "Inside", id="run.inside", show=False,
                tooltip="Look into the model of the run"),
        Binding("r", "resume", "Resume", id="run.resume", tooltip="Go on with a run that was interrupted"),
        Binding("o", "settings", "Settings", id="run.settings", show=False,
                tooltip="What the run is, as rlm show says it, and its settings"),
        Binding("ctrl+c", "interrupt", "Interrupt", id="run.interrupt", show=False,
                tooltip="Pause, stop or go on"),
    ]  # fmt: skip

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.view = RunView(folder.name, "created")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("ask", "stop"):
            return self.view.is_busy
        if action == "sample":
            return self.view.is_busy and not self.view.solves_puzzles
        if action in ("chat", "solve") and self.view.solves_puzzles != (action == "solve"):
            return False
        if action in ("chat", "solve", "inside"):
            return True if self.view.best is not None else None
        if action == "resume":
            return self.view.state in RESUMABLE
        return True

    def action_ask(self, kind: Request, prompt: str = "") -> None:
        """Ask the training for something. The log tells when it is done."""
        try:
            request(Run(self.folder.resolve()), kind, prompt)
        except RlmError as error:
            self.rlm.say_error(error)
            return
        self.rlm.say(f"Asked {self.view.name} to {_MEANINGS[kind]}.")

    def action_sample(self) -> None:
        def ask(prompt: str | None) -> None:
            if prompt is not None:
                self.action_ask("sample", prompt)

        self.app.push_screen(SamplePromptScreen(self.view.name), ask)

    def action_stop(self) -> None:
        question = lines([
            plain("The training ends, and the run keeps the best weights so far."),
            plain("To go on later, pause it instead."),
        ])  # fmt: skip
        self.app.push_screen(
            ConfirmScreen(f"Stop {self.view.name}?", question, "Stop it", "Let it train"),
            lambda yes: self.action_ask("stop") if yes else None,
        )

    def action_interrupt(self) -> None:
        if self.view.is_busy:
            self.app.push_screen(
                PauseMenu(self.view.name), lambda kind: self.action_ask(kind) if kind is not None else None
            )
        else:
            self.rlm.say(f"{self.view.name} is not training. Ctrl-Q leaves the application.")

    def action_chat(self) -> None:
        self.app.push_screen(ChatScreen(self.folder))

    def action_solve(self) -> None:
        from tui.screens.puzzle import PuzzleScreen  # with numpy, which a dashboard does not need

        self.app.push_screen(PuzzleScreen(self.folder))

    def action_inside(self) -> None:
        self.app.push_screen(InsideScreen(self.folder))

    def action_settings(self) -> None:
        self.app.push_screen(RunSettingsScreen(self.folder))

    def action_resume(self) -> None:
        self.rlm.start_training(self.view.name, resume_arguments(self.folder))
