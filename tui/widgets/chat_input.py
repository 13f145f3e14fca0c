"""The input of a chat: several lines, earlier lines, and the completion of commands."""

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import OptionList, TextArea
from textual.widgets.option_list import Option

from data.format import format_count
from data.safe_text import safe_text
from models.generation.chat_commands import COMMANDS, complete
from tui.content import joined

LONGEST = 20_000
"""Characters of a message. A longer one would make every key wait; a context holds the end of it at most."""
_MOST_COMPLETIONS = 8
"""Rows of completions, where the terminal is high."""


class MessageArea(TextArea):
    """Enter sends, Ctrl-J makes a new line. Pasted control characters are shown, not obeyed."""

    BINDINGS = [
        Binding("ctrl+j,alt+enter,shift+enter", "new_line", "New line", id="chat.new_line", show=False),
    ]

    async def _on_key(self, event: events.Key) -> None:
        chat_input = self.parent
        assert isinstance(chat_input, ChatInput)
        if chat_input.takes_key(event.key):
            event.stop()
            event.prevent_default()
            return
        await super()._on_key(event)

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        text = event.text[: 2 * LONGEST].replace("\r\n", "\n").replace("\r", "\n")
        room = max(0, LONGEST - len(self.text))
        self.insert(safe_text(text[:room]))
        if len(text) > room:
            self.post_message(ChatInput.Cut(room, len(event.text)))

    def action_new_line(self) -> None:
        self.insert("\n")


class ChatInput(Vertical):
    """A message area, and above it the commands that begin as it does. `Sent` has a whole message."""

    class Sent(Message):
        """The user sent a line or several."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Cut(Message):
        """Of a paste of `length` characters only the first `taken` were taken."""

        def __init__(self, taken: int, length: int) -> None:
            super().__init__()
            shares = f"{format_count(taken)} of {format_count(length)}"
            self.words = f"The first {shares} characters were pasted. A message holds no more."

    def __init__(self) -> None:
        super().__init__()
        self.history: list[str] = []
        """Earlier messages, the newest last."""
        self._place: int | None = None
        self._draft = ""

    def compose(self) -> ComposeResult:
        yield OptionList(id="completions")
        yield MessageArea(
            id="message", compact=True, show_line_numbers=False, placeholder="Write, or / for commands"
        )

    @property
    def area(self) -> MessageArea:
        return self.query_one(MessageArea)

    @property
    def menu(self) -> OptionList:
        return self.query_one("#completions", OptionList)

    @property
    def completes(self) -> bool:
        """Whether completions are shown."""
        return bool(self.menu.display)

    def on_mount(self) -> None:
        self.menu.can_focus = False
        self.menu.display = False

    def fill(self, text: str) -> None:
        """Put a text into the area, as far as there is room, with the cursor at its end."""
        self.area.text = safe_text(text[:LONGEST])
        self.area.move_cursor(self.area.document.end)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        text = self.area.text
        found = (
            complete(text) if text.startswith("/") and not text.startswith("//") and "\n" not in text else []
        )
        self.menu.clear_options()
        for command, summary in found:
            self.menu.add_option(
                Option(
                    joined((f"{command:<12}", "$accent"), ("  " + summary, "$foreground-muted")), id=command
                )
            )
        self.menu.styles.max_height = max(1, min(_MOST_COMPLETIONS, self.app.size.height // 3))
        self.menu.display = bool(found) and found[0][0] != text
        if found:
            self.menu.highlighted = 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._take(str(event.option.id))
        self.area.focus()

    def takes_key(self, key: str) -> bool:
        """Do what a key means here. False where the area has to do it."""
        row, last_row = self.area.cursor_location[0], self.area.document.line_count - 1
        if self.completes and key in ("up", "down"):
            self.menu.action_cursor_up() if key == "up" else self.menu.action_cursor_down()
        elif self.completes and key == "escape":
            self.menu.display = False
        elif self.completes and (key == "tab" or (key == "enter" and not self._is_command())):
            option = self.menu.highlighted_option
            self._take(str(option.id) if option is not None else self.area.text)
        elif key == "enter":
            self._send()
        elif key == "up" and row == 0 and self.history:
            self._recall(-1)
        elif key == "down" and row == last_row and self._place is not None:
            self._recall(1)
        else:
            return False
        return True

    def _is_command(self) -> bool:
        """Whether the line is a whole command already."""
        word = self.area.text.removeprefix("/").partition(" ")[0].lower()
        return word in COMMANDS and self.area.text != "/mode "

    def _take(self, command: str) -> None:
        name = command.removeprefix("/")
        self.fill(f"{command} " if name in COMMANDS and COMMANDS[name].argument else command)

    def _send(self) -> None:
        text = self.area.text
        if text.endswith("\\"):
            self.fill(text[:-1] + "\n")
            return
        if (taken := self.take()) is not None:
            self.post_message(self.Sent(taken))

    def take(self) -> str | None:
        """The message, which is taken out of the area and kept for the up key. None where there is none."""
        text = self.area.text
        if not text.strip():
            return None
        if not self.history or self.history[-1] != text:
            self.history.append(text)
        self._place = None
        self.area.text = ""
        return text

    def _recall(self, direction: int) -> None:
        """Show an earlier or a later message; after the latest one, what was written before."""
        if self._place is None:
            self._draft, self._place = self.area.text, len(self.history)
        self._place = max(0, self._place + direction)
        if self._place >= len(self.history):
            self._place = None
            self.fill(self._draft)
        else:
            self.fill(self.history[self._place])
