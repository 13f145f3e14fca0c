"""The saved conversations of a run, to go on with one, begin another or delete one."""

from collections.abc import Sequence

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from data.errors import RlmError
from data.format import format_age
from data.wording import counted, shortened
from models.generation.conversation import ConversationStore
from models.generation.saved_conversations import SavedConversation, saved_conversation
from tui.content import joined, padded, plain
from tui.messages import ConversationsRead
from tui.screens.confirm import ConfirmScreen
from tui.screens.rlm_screen import RlmModal

MOST_LISTED = 200
NEW = ""
"""The answer of this screen for a new conversation."""
_WIDE = 70
_EMPTY = "(empty)"


class ConversationsScreen(RlmModal[str | None]):
    """Gives the name of a conversation, NEW, or None to go on as before."""

    HELP_TEXT = "These are the saved conversations of the run, the newest first. The dot is the current one."
    BINDINGS = [
        Binding("n", "new", "New", id="conversations.new", tooltip="Begin another conversation"),
        Binding("d,delete", "delete", "Delete", id="conversations.delete",
                tooltip="Delete the conversation, after a question"),
        Binding("escape", "close", "Back", id="conversations.close", tooltip="Go on as before"),
    ]  # fmt: skip

    def __init__(self, store: ConversationStore, current: str) -> None:
        super().__init__()
        self.store = store
        self.current = current
        self.shown: Sequence[SavedConversation] | None = None
        """None until they were read."""
        self._more = 0
        self._is_current_deleted = False

    @property
    def choices(self) -> OptionList:
        return self.query_one(OptionList)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = plain("Conversations")
            dialog.border_subtitle = plain("Enter goes on · n new · d deletes")
            yield Static("Reading …", id="about")
            yield OptionList(classes="choices")

    def on_mount(self) -> None:
        self._read()

    @work(thread=True, group="conversations")
    def _read(self) -> None:
        names = self.store.names()
        found = [saved_conversation(self.store, name) for name in names[:MOST_LISTED]]
        self.post_message(ConversationsRead(found, len(names) - len(found)))

    def on_conversations_read(self, message: ConversationsRead) -> None:
        self.shown, self._more = message.found, message.more
        self._fill()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        """Write the rows anew. The cursor stays where it is."""
        if self.shown is None:
            return
        if self._more:
            about = f"The newest {len(self.shown)}; {self._more} are older. /load NAME goes on with any."
        else:
            about = counted(len(self.shown), "conversation") if self.shown else "None is saved yet."
        self.query_one("#about", Static).update(plain(about, "$foreground-muted"))
        place = self.choices.highlighted or 0
        self.choices.clear_options()
        self.choices.add_options([Option(self._row(one), id=one.name) for one in self.shown])
        self.choices.highlighted = min(place, len(self.shown) - 1) if self.shown else None
        self.choices.focus()

    def _row(self, one: SavedConversation) -> Content:
        width = max(10, self.choices.content_size.width - 2)  # beside the scroll bar
        age = format_age(one.modified)
        about = (
            f"{counted(one.exchanges, 'exchange'):>13}  {one.mode:<8}  {age:>14}" if width >= _WIDE else age
        )
        words = one.first_words or _EMPTY
        if one.problem is not None:
            words, about = f"{one.name} cannot be read", age
        mark = "● " if one.name == self.current else "  "
        room = max(1, width - len(about) - 4)
        style = "" if one.problem is None else "$warning"
        return joined(
            (mark, "$accent"), (padded(words, room), style),
            (f"  {about}", "$foreground-muted"),
        )  # fmt: skip

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def action_new(self) -> None:
        self.dismiss(NEW)

    def action_close(self) -> None:
        self.dismiss(NEW if self._is_current_deleted else None)

    def action_delete(self) -> None:
        place = self.choices.highlighted
        if place is None or not self.shown:
            return
        one = self.shown[place]
        words = one.first_words or _EMPTY if one.problem is None else "It cannot be read."
        about = f"\n{counted(one.exchanges, 'exchange')}, {format_age(one.modified)}. It goes for good."
        question = joined((shortened(words, 200), "bold"), about)

        def answered(yes: bool | None) -> None:
            if yes:
                self._delete(one.name)

        self.app.push_screen(ConfirmScreen(f"Delete {one.name}?", question, "Delete it", "Keep it"), answered)

    def _delete(self, name: str) -> None:
        try:
            self.store.delete(name)
        except RlmError as error:
            self.rlm.say_error(error)
            return
        self._is_current_deleted = self._is_current_deleted or name == self.current
        self.shown = [one for one in self.shown or () if one.name != name]
        self._fill()
