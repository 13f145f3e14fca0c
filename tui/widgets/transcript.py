"""What was said in a chat, the newest at the end."""

import itertools
from collections.abc import Sequence

from textual.containers import Container, VerticalScroll

from tui.answer_tokens import AnswerTokens, Coloring, TokenCursor
from tui.chat_entries import Entry
from tui.widgets.entry_text import EntryText


class Comparison(Container):
    """Answers to one prompt. They stand side by side in a wide terminal, and below each other in others."""


class Transcript(VerticalScroll):
    """The entries of a chat. It stays at its end until someone scrolls up."""

    def __init__(self) -> None:
        super().__init__()
        self.coloring: Coloring = "plain"
        self.cursor: TokenCursor | None = None

    def on_mount(self) -> None:
        self.can_focus = False
        self.anchor()

    def show(self, entries: Sequence[Entry]) -> None:
        """Show these entries. Those that are shown already stay, and grow."""
        shown, there = list(entries), {widget.entry: widget for widget in self.query(EntryText)}
        wanted = set(shown)
        for entry, widget in there.items():
            if entry not in wanted:
                widget.remove()
        for group in self.query(Comparison):
            if not any(isinstance(one, EntryText) and one.entry in wanted for one in group.children):
                group.remove()
        for number, together in itertools.groupby(shown, key=lambda entry: entry.comparison):
            missing = [EntryText(entry) for entry in together if entry not in there]
            there |= {widget.entry: widget for widget in missing}
            if missing:
                self.mount_all([Comparison(*missing)] if number else missing)
        cursor = self.cursor
        for entry, widget in there.items():
            is_pointed = cursor is not None and entry.tokens is cursor.tokens
            widget.draw(self.coloring, cursor.token if cursor is not None and is_pointed else None)

    def scroll_by_page(self, direction: int) -> None:
        """Scroll up or down, and leave one line in sight."""
        self.scroll_relative(y=direction * max(1, self.size.height - 1), animate=False)

    def show_cursor(self) -> None:
        """Scroll to the token under the cursor."""
        widget = None if self.cursor is None else self._widget_of(self.cursor.tokens)
        place = None if widget is None or self.cursor is None else widget.place_of(self.cursor.token)
        if widget is not None and place is not None:
            offset = widget.region.offset - self.content_region.offset + self.scroll_offset
            line = place.translate(offset)
            if not 0 <= line.y - self.scroll_offset.y < self.content_region.height:
                self.release_anchor()
                self.scroll_to_region(line, animate=False)

    def _widget_of(self, tokens: AnswerTokens) -> EntryText | None:
        return next((one for one in self.query(EntryText) if one.entry.tokens is tokens), None)
