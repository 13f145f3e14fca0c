"""A chat with the model of one run. The model is loaded and writes in threads; the screen keeps answering."""

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Footer, Static

from data.errors import RlmError
from models.depth import MODES
from models.generation.chat_commands import Command
from models.generation.chat_session import ChatSession
from models.generation.conversation import Conversation, ConversationStore
from models.generation.run_defaults import chat_settings, load_writer, mode_losses
from models.generation.settings import TEMPERATURES
from models.runs.run import Run
from tui.chat_talk import Answer, ChatTalk, Speed
from tui.content import joined
from tui.messages import AnswerAdvanced, AnswerEnded, ModelLoaded
from tui.model_thread import load_in_thread
from tui.widgets.chat_input import ChatInput
from tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from models.runs.load import LoadedModel
    from tui.app import RlmApp

_DRAW_S = 0.1
_LOOK_S = 2.0
_TEMPERATURE_STEP = 0.1


class ChatScreen(Screen[None]):
    """Loads the model of a run and talks with it."""

    HELP_TEXT = (
        "Write and press Enter. / lists the commands; mode deep and temp 0.8 work without it too. Esc stops "
        "an answer. While the run trains, F5 takes the weights it has now."
    )
    BINDINGS = [
        Binding("escape", "stop_or_close", "Stop/back", id="chat.stop", tooltip="Stop the answer or go back"),
        Binding("f3", "next_mode", "Mode", id="chat.mode", tooltip="The next mode, that is depth"),
        Binding("f8", "warmer(-1)", "Colder", id="chat.colder", tooltip="A lower temperature", show=False),
        Binding("f9", "warmer(1)", "Warmer", id="chat.warmer", tooltip="A higher temperature", show=False),
        Binding("ctrl+r", "retry", "Retry", id="chat.retry", tooltip="Answer the last message again"),
        Binding("f5", "reload", "Reload", id="chat.reload", tooltip="Take the weights the run has now"),
        Binding("ctrl+c", "interrupt", "Interrupt", id="chat.interrupt", show=False, priority=True,
                tooltip="Stop the answer, or copy what is selected"),
        Binding("pageup", "scroll(-1)", "Page up", id="chat.up", show=False, priority=True),
        Binding("pagedown", "scroll(1)", "Page down", id="chat.down", show=False, priority=True),
    ]  # fmt: skip

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.talk: ChatTalk | None = None
        self.is_writing = False
        self.is_loading = False
        self.speed: Speed | None = None
        self._waiting: str | None = None
        """A message that was sent before the model was there."""
        self._stop = threading.Event()
        self._weights_time = 0.0
        self._is_newer = False

    @property
    def rlm(self) -> "RlmApp":
        return cast("RlmApp", self.app)

    def compose(self) -> ComposeResult:
        yield Static(id="title", classes="title")
        yield Transcript()
        yield ChatInput()
        yield Static(id="status")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.query_one(ChatInput).area.focus()
        self._write_status()
        self._look = self.set_interval(_LOOK_S, self._look_at_weights)
        self.action_reload()

    def on_unmount(self) -> None:
        self._stop.set()

    def action_reload(self) -> None:
        """Load the weights of the run in a thread."""
        if not self.is_loading and not self.is_writing:
            self.is_loading = True
            self._write_status()
            self._load()

    @work(group="model")
    async def _load(self) -> None:
        run = Run(self.folder.resolve())
        try:
            changed = _changed(run)
            loaded = await load_in_thread(lambda: load_writer(run))
        except RlmError as error:
            self.post_message(ModelLoaded(None, 0.0, error))
        except (RuntimeError, MemoryError, OSError) as error:  # of torch, or the files go
            self.post_message(ModelLoaded(None, 0.0, RlmError(f"The model cannot be loaded: {error}")))
        else:
            self.post_message(ModelLoaded(loaded, changed))

    def on_model_loaded(self, message: ModelLoaded) -> None:
        self.is_loading = False
        if message.loaded is not None:
            self._weights_time, self._is_newer = message.changed, False
            try:
                self._take(message.loaded)
            except RlmError as error:
                self.rlm.say_error(error)
        elif message.error is not None:
            self.rlm.say_error(message.error)
            if self.talk is None:
                self.dismiss()
                return
        self._draw()
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._submit(waiting)

    def _take(self, loaded: "LoadedModel") -> None:
        """Talk with these weights from now on."""
        clock = time.strftime("%H:%M:%S", time.localtime(self._weights_time))
        if self.talk is not None:
            self.talk.session.chat_model = loaded
            self.talk.say(f"These are the weights of {clock}.")
            return
        run = loaded.run
        store = ConversationStore(run.path / "conversations")
        conversation = Conversation(store.new_name(), run.name, loaded.kind, settings=chat_settings(run))
        self.talk = ChatTalk(ChatSession(loaded, conversation, store, mode_losses(run)), self.rlm.words)
        self.talk.greet()
        for note in loaded.notes:
            self.talk.say(note, "warning")

    def _look_at_weights(self) -> None:
        newer = self.talk is not None and _changed(Run(self.folder)) > self._weights_time
        if newer != self._is_newer:
            self._is_newer = newer
            self._write_status()

    def on_chat_input_sent(self, message: ChatInput.Sent) -> None:
        self._submit(message.text)

    def _submit(self, text: str) -> None:
        if self.talk is None or self.is_loading:
            self._waiting = text
            self.rlm.say("It is sent as soon as the model is loaded.")
            return
        try:
            answers = self.talk.submit(text, while_writing=self.is_writing)
        except RlmError as error:
            self.talk.say_error(error)
            answers = []
        self._serve(self.talk)
        self._write(answers)

    def _serve(self, talk: ChatTalk) -> None:
        """Do what a command wants of the screen."""
        if talk.to_copy is not None:
            self.app.copy_to_clipboard(talk.to_copy)
            talk.to_copy = None
        if talk.to_edit is not None:
            self.query_one(ChatInput).fill(talk.to_edit)
            talk.to_edit = None
        if talk.wants_to_leave:
            self.dismiss()

    def _write(self, answers: list[Answer]) -> None:
        """Write answers in a thread, one after another."""
        if answers and self.talk is not None:
            self.is_writing, self.speed = True, None
            self._stop.clear()
            self._answer(self.talk, answers)
        self.query_one(Transcript).anchor()
        self._draw()

    @work(thread=True, group="model")
    def _answer(self, talk: ChatTalk, answers: list[Answer]) -> None:
        drawn = 0.0

        def advanced(speed: Speed) -> None:
            nonlocal drawn
            if (now := time.monotonic()) - drawn >= _DRAW_S:
                drawn = now
                self.post_message(AnswerAdvanced(speed))

        error: RlmError | None = None
        for answer in answers:
            try:
                talk.write(answer, self._stop.is_set, advanced)
            except RlmError as failed:
                error = failed
            except (RuntimeError, MemoryError) as failed:  # of torch
                error = RlmError(f"The model cannot answer: {failed}")
            if error is not None or self._stop.is_set():
                break
        self.post_message(AnswerEnded(error))

    def on_answer_advanced(self, message: AnswerAdvanced) -> None:
        self.speed = message.speed
        self._draw()

    def on_answer_ended(self, message: AnswerEnded) -> None:
        self.is_writing, self.speed = False, None
        if message.error is not None and self.talk is not None:
            self.talk.say_error(message.error)
        self._draw()

    def _draw(self) -> None:
        if self.talk is not None:
            self.query_one(Transcript).show(self.talk.entries)
        self._write_status()

    def _write_status(self) -> None:
        title: list[tuple[str, str] | str] = [("chat", "bold $primary"), f"   {self.folder.name}"]
        if self._is_newer:
            title.append(("   newer weights: F5", "$success"))
        self.query_one("#title", Static).update(joined(*title))
        if self.talk is None or self.is_loading:
            self.query_one("#status", Static).update(joined(("Loading the model …", "$foreground-muted")))
            return
        session = self.talk.session
        settings, stats, speed = session.settings, session.stats, self.speed
        parts: list[tuple[str, str] | str] = [
            (settings.mode, "bold $accent"), f" {settings.depth}  temp ",
            (f"{settings.generation.temperature:g}", "bold $accent"),
        ]  # fmt: skip
        if speed is not None:
            parts.append(f"  {speed.tokens_per_second:.0f} tokens/s  {speed.mean_passes:.3g} passes")
        elif stats is not None:
            parts.append(f"  {stats.tokens_per_second:.0f} tokens/s  {stats.mean_passes:.3g} passes")
        if stats is not None:
            parts.append(f"  context {stats.context()}")
        self.query_one("#status", Static).update(joined(*parts))

    def _command(self, command: Command) -> None:
        """Change a setting as its command does."""
        if self.talk is not None:
            self.talk.session.change_setting(command)
            self.talk.say(self.talk.session.settings.describe(command.name))
            self._draw()

    def action_next_mode(self) -> None:
        if self.talk is not None:
            modes = list(MODES)
            place = modes.index(self.talk.session.settings.mode)
            self._command(Command("mode", modes[(place + 1) % len(modes)]))

    def action_warmer(self, direction: int) -> None:
        if self.talk is not None:
            before, (low, high) = self.talk.session.settings.generation.temperature, TEMPERATURES
            changed = round(before + direction * _TEMPERATURE_STEP, 2)
            self._command(Command("temp", min(high, max(low, changed))))

    def action_retry(self) -> None:
        if self.talk is not None and not self.is_writing:
            if self.talk.session.conversation.last("user") is None:
                self.rlm.say("There is no message to answer yet.")
            else:
                self._write(self.talk.retry())

    def action_stop_or_close(self) -> None:
        if self.is_writing:
            self._stop.set()
        else:
            self.dismiss()

    def action_interrupt(self) -> None:
        if self.get_selected_text():
            self.action_copy_text()
        elif self.is_writing:
            self._stop.set()
        else:
            self.rlm.say("Escape goes back. Ctrl-Q leaves the application.")

    def action_scroll(self, direction: int) -> None:
        transcript = self.query_one(Transcript)
        transcript.scroll_relative(y=direction * max(1, transcript.size.height - 1), animate=False)


def _changed(run: Run) -> float:
    """When the weights of a run were written, in seconds since the epoch; 0 where there are none."""
    try:
        return run.weights_path.stat().st_mtime
    except OSError:
        return 0.0
