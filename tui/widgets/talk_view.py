"""What was said in a chat, with a cursor over the tokens of its answers and what their colours mean."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from tui.answer_tokens import COLORINGS, TokenCursor
from tui.chat_entries import Entry
from tui.widgets.chat_status import ColorLegend
from tui.widgets.entry_text import EntryText
from tui.widgets.token_panel import TokenPanel
from tui.widgets.transcript import Transcript


class TalkView(Vertical):
    """The transcript, and below it the token under the cursor and the legend, while there are such."""

    class CursorClosed(Message):
        """There is no cursor any more."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: Sequence[Entry] = ()

    def compose(self) -> ComposeResult:
        yield Transcript()
        yield TokenPanel()
        yield ColorLegend()

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    @property
    def panel(self) -> TokenPanel:
        return self.query_one(TokenPanel)

    def show(self, entries: Sequence[Entry]) -> None:
        """Show these entries."""
        self._entries = list(entries)
        self.transcript.show(self._entries)
        self.panel.draw()
        answers = [one.tokens for one in self._entries if one.tokens and not one.is_gone]
        self.query_one(ColorLegend).show(self.transcript.coloring, answers[-1] if answers else None)

    def next_colors(self) -> None:
        """Colour the tokens by something else."""
        place = COLORINGS.index(self.transcript.coloring)
        self.transcript.coloring = COLORINGS[(place + 1) % len(COLORINGS)]
        self.show(self._entries)

    def open_cursor(self) -> bool:
        """Put a cursor on the last answer. False where no answer was written here."""
        answers = [one.tokens for one in self._entries if one.tokens]
        if answers:
            self.transcript.cursor = TokenCursor(answers)
            self.panel.show(self.transcript.cursor)
        return bool(answers)

    def close_cursor(self) -> None:
        """Take the cursor away."""
        if self.transcript.cursor is not None:
            self.transcript.cursor = None
            self.panel.close()
            self.show(self._entries)
            self.post_message(self.CursorClosed())

    def on_token_panel_moved(self, message: TokenPanel.Moved) -> None:
        self.transcript.show(self._entries)
        self.call_after_refresh(self.transcript.show_cursor)

    def on_token_panel_left(self, message: TokenPanel.Left) -> None:
        self.close_cursor()

    def on_entry_text_clicked(self, message: EntryText.Clicked) -> None:
        if self.open_cursor() and self.transcript.cursor is not None:
            self.transcript.cursor.put(message.tokens, message.index)
            self.panel.show(self.transcript.cursor)
