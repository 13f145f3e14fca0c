"""A chat with the model of one run. The model is loaded and writes in threads; the screen keeps answering."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from data.errors import RlmError
from models.depth import next_mode
from models.generation.chat_commands import Command
from models.generation.run_defaults import mode_losses
from models.generation.settings import TEMPERATURES
from models.runs.run import Run
from tui.chat_entries import Answer, Speed
from tui.chat_talk import ChatTalk
from tui.chat_writer import begin_talk, load_model, write_answers
from tui.messages import AnswerAdvanced, AnswerEnded, ModelLoaded
from tui.model_work import weights_written
from tui.screens.conversations import NEW, ConversationsScreen
from tui.screens.rlm_screen import RlmScreen
from tui.widgets.chat_input import ChatInput
from tui.widgets.chat_status import ChatStatus, ChatTitle
from tui.widgets.key_line import KeyLine
from tui.widgets.talk_view import TalkView

if TYPE_CHECKING:
    from models.runs.load import LoadedModel

_LOOK_S = 2.0
_TEMPERATURE_STEP = 0.1


class ChatScreen(RlmScreen):
    """Loads the model of a run and talks with it."""

    HELP_TEXT = (
        "Write and press Enter. / lists the commands; mode deep and temp 0.8 work without it too. Esc stops "
        "an answer. While the run trains, F5 takes the weights it has now."
    )
    BINDINGS = [
        Binding("escape", "stop_or_close", "Stop/back", id="chat.stop", tooltip="Stop the answer or go back"),
        Binding("f3", "next_mode", "Mode", id="chat.mode", tooltip="The next mode, that is depth"),
        Binding("f4", "next_colors", "Colours", id="chat.colors",
                tooltip="Colour the tokens by their probability, by their passes, or not"),
        Binding("f6", "compare", "Compare", id="chat.compare", priority=True,
                tooltip="Answer what is written, or the last message, at this mode and the next one"),
        Binding("f7", "conversations", "Talks", id="chat.conversations", priority=True,
                tooltip="The saved conversations"),
        Binding("ctrl+t", "tokens", "Tokens", id="chat.tokens",
                tooltip="Look at the tokens of an answer and their alternatives"),
        Binding("ctrl+r", "retry", "Retry", id="chat.retry", show=False, tooltip="Write another answer"),
        Binding("f5", "reload", "Reload", id="chat.reload", tooltip="Take the weights the run has now",
                show=False),
        Binding("f8", "warmer(-1)", "Colder", id="chat.colder", tooltip="A lower temperature", show=False),
        Binding("f9", "warmer(1)", "Warmer", id="chat.warmer", tooltip="A higher temperature", show=False),
        Binding("ctrl+c", "interrupt", "Interrupt", id="chat.interrupt", show=False, priority=True,
                tooltip="Stop the answer, or copy what is selected"),
        Binding("pageup", "scroll(-1)", "Page up", id="chat.up", show=False, priority=True,
                tooltip="Scroll up"),
        Binding("pagedown", "scroll(1)", "Page down", id="chat.down", show=False, priority=True,
                tooltip="Scroll down"),
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
    def input(self) -> ChatInput:
        return self.query_one(ChatInput)

    @property
    def view(self) -> TalkView:
        return self.query_one(TalkView)

    def compose(self) -> ComposeResult:
        yield ChatTitle()
        yield TalkView()
        yield ChatInput()
        yield ChatStatus()
        yield KeyLine(show_command_palette=False)  # no room for it in 80 columns

    def on_mount(self) -> None:
        self.input.area.focus()
        self.set_interval(_LOOK_S, self._look_at_weights)
        self._begin_to_load()

    def on_unmount(self) -> None:
        self._stop.set()

    def _begin_to_load(self) -> None:
        self.is_loading = True
        self._draw()
        self._load()

    @work(group="model")
    async def _load(self) -> None:
        self.post_message(await load_model(Run(self.folder.resolve())))

    def on_model_loaded(self, message: ModelLoaded) -> None:
        self.is_loading = False
        try:
            if message.error is not None:
                raise message.error
            if message.loaded is not None:
                self._weights_time, self._is_newer = message.changed, False
                self._take(message.loaded)
        except RlmError as error:
            self.rlm.say_error(error)
            if self.talk is None:
                self.dismiss()
                return
        self._draw()
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._submit(waiting)

    def _take(self, loaded: "LoadedModel") -> None:
        """Talk with these weights from now on."""
        if self.talk is None:
            self.talk = begin_talk(loaded, self.rlm.words)
        else:
            self.talk.take_weights(loaded, mode_losses(loaded.run), self._weights_time)
        for note in loaded.notes:
            self.talk.say(note, "warning")

    def _look_at_weights(self) -> None:
        newer = self.talk is not None and weights_written(Run(self.folder)) > self._weights_time
        if newer != self._is_newer:
            self._is_newer = newer
            self._draw()

    def on_chat_input_sent(self, message: ChatInput.Sent) -> None:
        self._submit(message.text)

    def on_chat_input_cut(self, message: ChatInput.Cut) -> None:
        self.rlm.say(message.words, severity="warning")

    def _submit(self, text: str) -> None:
        if self.talk is not None and not self.is_loading:
            talk = self.talk
            refused = text if self.is_writing else None
            self._do(lambda: talk.submit(text, while_writing=self.is_writing), refused)
        elif self._waiting is None:
            self._waiting = text
            self.rlm.say("It is sent as soon as the model is loaded.")
        else:
            self.input.fill(text)
            self.rlm.say("One message waits for the model already.", severity="warning")

    def _do(self, asked: Callable[[], list[Answer]], text: str | None = None) -> None:
        """Do what was asked, and write the answers. Where it is refused, `text` is in the input again."""
        talk = self.talk
        assert talk is not None
        try:
            answers = asked()
        except RlmError as error:
            talk.say_error(error)
            if text is not None:
                self.input.fill(text)
            answers = []
        if talk.to_copy is not None:
            self.app.copy_to_clipboard(talk.to_copy)
            talk.to_copy = None
        if talk.to_edit is not None:
            self.input.fill(talk.to_edit)
            talk.to_edit = None
        if answers:
            self.is_writing, self.speed = True, None
            self._stop.clear()
            self._write(talk, answers)
        self.view.transcript.anchor()
        self._draw()
        if talk.wants_to_leave:
            self.dismiss()

    @work(thread=True, group="model", description="write")
    def _write(self, talk: ChatTalk, answers: list[Answer]) -> None:
        write_answers(talk, answers, self._stop.is_set, self.post_message)

    def on_answer_advanced(self, message: AnswerAdvanced) -> None:
        self.speed = message.speed
        self._draw()

    def on_answer_ended(self, message: AnswerEnded) -> None:
        self.is_writing, self.speed = False, None
        if message.error is not None and self.talk is not None:
            self.talk.say_error(message.error)
        self._draw()

    def _draw(self) -> None:
        session = None if self.is_loading or self.talk is None else self.talk.session
        self.query_one(ChatTitle).show(self.folder.name, has_newer=self._is_newer)
        self.query_one(ChatStatus).show(session, self.speed, is_writing=self.is_writing)
        if self.talk is not None:
            self.view.show(self.talk.entries)

    def _command(self, command: Command) -> None:
        """Change a setting as its command does."""
        if self.talk is not None:
            self.talk.session.change_setting(command)
            self.talk.say(self.talk.session.settings.describe(command.name))
            self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # The keys of the cursor need the room of these in the bottom line.
        has_cursor = self.is_mounted and self.view.panel.has_focus
        return not has_cursor or action not in ("compare", "conversations")

    def action_next_mode(self) -> None:
        if self.talk is not None:
            self._command(Command("mode", next_mode(self.talk.session.settings.mode)))

    def action_warmer(self, direction: int) -> None:
        if self.talk is not None:
            before, (low, high) = self.talk.session.settings.generation.temperature, TEMPERATURES
            changed = round(before + direction * _TEMPERATURE_STEP, 2)
            self._command(Command("temp", min(high, max(low, changed))))

    def action_next_colors(self) -> None:
        self.view.next_colors()

    def action_tokens(self) -> None:
        if self.view.panel.has_focus:
            self.view.close_cursor()
        elif not self.view.open_cursor():
            self.rlm.say("No answer was written here yet.")

    def on_talk_view_cursor_closed(self, message: TalkView.CursorClosed) -> None:
        self.input.area.focus()

    def _is_free(self) -> bool:
        """Whether the model can be asked for something now. Says why not."""
        if self.is_writing:
            self.rlm.say("An answer is being written. Esc stops it.")
        elif self.is_loading:
            self.rlm.say("The model is being loaded.")
        return self.talk is not None and not self.is_loading and not self.is_writing

    def action_retry(self) -> None:
        if self._is_free() and self.talk is not None:
            self._do(self.talk.retry)

    def action_compare(self) -> None:
        if self._is_free() and (talk := self.talk) is not None:
            text = self.input.take()
            self._do(lambda: talk.compare_two(text), text)

    def action_reload(self) -> None:
        if self._is_free():
            self._begin_to_load()

    def action_conversations(self) -> None:
        if not self._is_free() or (talk := self.talk) is None:
            return
        if (store := talk.session.store) is None:
            self.rlm.say("This chat cannot save its conversations.", severity="warning")
            return

        def chosen(name: str | None) -> None:
            if name is not None:
                self.view.close_cursor()
                self._do(lambda: talk.start_anew() if name == NEW else talk.go_on_with(name))
                self.input.history = [one.text for one in talk.entries if one.kind == "user"]

        self.app.push_screen(ConversationsScreen(store, talk.session.conversation.name), chosen)

    def action_stop_or_close(self) -> None:
        if self.view.transcript.cursor is not None:
            self.view.close_cursor()
        elif self.is_writing:
            self._stop.set()
        else:
            self.dismiss()

    def action_interrupt(self) -> None:
        if selected := self.get_selected_text() or self.input.area.selected_text:
            self.app.copy_to_clipboard(selected)
        elif self.is_writing:
            self._stop.set()
        else:
            self.rlm.say("Escape goes back. Ctrl-Q leaves the application.")

    def action_scroll(self, direction: int) -> None:
        self.view.transcript.scroll_by_page(direction)
