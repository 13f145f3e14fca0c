"""One entry of a chat as text: a message, an answer with its tokens in colours, or a remark."""

from rich.cells import cell_len
from textual import events
from textual.content import Content, Span
from textual.geometry import Region
from textual.message import Message
from textual.widgets import Static

from data.format import format_count
from data.safe_text import safe_text
from tui.answer_tokens import AnswerTokens, Coloring
from tui.chat_entries import Entry
from tui.content import joined, plain
from tui.theme import level_style

SHOWN = 6_000, 300
SHOWN_OF_MESSAGE = 2_000, 40
"""Characters and lines of an entry, and of a message, that are drawn. More would make every key wait."""
_TAB = 8
"""Characters that a tab goes on to, in Textual."""
_STYLES = {"note": "$foreground-muted", "warning": "$warning", "error": "$error"}


def shown_part(entry: Entry) -> tuple[int, int]:
    """The characters of an entry that are drawn: the last ones of an answer, the first ones of others."""
    text = entry.text
    characters, rows = SHOWN_OF_MESSAGE if entry.kind == "user" else SHOWN
    if len(text) <= characters and text.count("\n") < rows:
        return 0, len(text)
    if entry.kind == "model":
        return len(text) - len("\n".join(text[-characters:].split("\n")[-rows:])), len(text)
    return 0, len("\n".join(text[:characters].split("\n")[:rows]))


class EntryText(Static):
    """Draws one entry. It is drawn again when its text, the colours or the cursor have changed."""

    class Clicked(Message):
        """A token of an answer was clicked."""

        def __init__(self, tokens: AnswerTokens, index: int) -> None:
            super().__init__()
            self.tokens = tokens
            self.index = index

    def __init__(self, entry: Entry) -> None:
        super().__init__(classes=f"-{entry.kind}")
        self.entry = entry
        self._drawn: tuple[object, ...] | None = None
        self._before = ""
        """What stands above the text that is drawn."""
        self._first = 0
        """The first character of the text that is drawn."""

    def draw(self, coloring: Coloring = "plain", cursor: int | None = None) -> None:
        """Draw the entry as it is now, with the colours of its tokens and the token under the cursor."""
        entry, text = self.entry, self.entry.text
        now = (text, entry.heading, entry.footing, entry.is_gone, coloring, cursor, self.app.no_color)
        if now == self._drawn:
            return
        is_as_high = self._drawn is not None and self._drawn[:4] == now[:4]
        self._drawn = now
        self.set_class(entry.is_gone, "-gone")
        first, end = shown_part(entry)
        self._first, more = first, format_count(len(text) - (end - first))
        heading = f"{entry.heading}\n" if entry.heading else ""
        note = f"… {more} earlier characters are not shown. /export writes them.\n" if first else ""
        self._before = heading + note
        shown: list[Content] = [plain(heading, "bold $accent"), plain(note, "$foreground-muted")]
        if entry.kind == "user":
            shown += [plain("> ", "bold $accent"), plain(text[:end], "bold")]
        else:
            shown.append(self._body(text[first:end], coloring, cursor))
        if end < len(text):
            shown.append(plain(f"\n… {more} more characters are not shown.", "$foreground-muted"))
        if entry.footing:
            shown.append(plain(f"\n{entry.footing}", "$foreground-muted"))
        self.update(Content.assemble(*shown), layout=not is_as_high)

    def _body(self, text: str, coloring: Coloring, cursor: int | None) -> Content:
        """`text`, the end of the entry's, in its styles."""
        entry, spans = self.entry, []
        if (style := _STYLES.get(entry.kind)) is not None:
            spans.append(Span(0, len(text), style))
        if entry.tokens is not None and not entry.is_gone:
            for start, end, level in entry.tokens.colored(coloring):
                start, end = start - self._first, min(len(text), end - self._first)
                if end > max(0, start):
                    style = level_style(level, has_colors=not self.app.no_color)
                    spans.append(Span(max(0, start), end, style))
        if entry.tokens is not None and cursor is not None:
            start, end = entry.tokens.span(cursor)
            spans.append(Span(max(0, start - self._first), max(0, end - self._first), "reverse"))
        return Content(safe_text(text), spans)

    def place_of(self, index: int) -> Region | None:
        """The line of a token, counted from the top of this widget; None before it has a width."""
        if self.entry.tokens is None or not self.size.width:
            return None
        _, end = self.entry.tokens.span(index)
        above = joined(self._before + self.entry.text[self._first : max(self._first, end)])
        return Region(0, above.get_height({}, self.size.width) - 1, 1, 1)

    def on_click(self, event: events.Click) -> None:
        if not self.entry.tokens or self.screen.get_selected_text():
            return
        character = self._character_at(event.screen_x, event.screen_y)
        if character is not None and (index := self.entry.tokens.at(character)) is not None:
            self.post_message(self.Clicked(self.entry.tokens, index))

    def _character_at(self, x: int, y: int) -> int | None:
        """The character of the entry at a place on the screen; None where there is none."""
        _, offset = self.screen.get_widget_and_offset_at(x, y)
        rows = (self._before + self.entry.text[self._first :]).split("\n")
        if offset is None or offset.y >= len(rows):
            return None
        row, column = rows[offset.y], offset.x
        expanded = row.expandtabs(_TAB)
        _, before = self.screen.get_widget_and_offset_at(x - 1, y)
        if before == (column - 1, offset.y) and cell_len(expanded[column - 1 : column]) > 1:
            column -= 1  # Textual gives the next character for the right half of a wide one
        if expanded != row:  # it counts the blanks that a tab is drawn as
            ends = (len(row[:count].expandtabs(_TAB)) for count in range(1, len(row) + 1))
            column = sum(end <= column for end in ends)
        character = sum(len(one) + 1 for one in rows[: offset.y]) + column - len(self._before)
        return self._first + character if character >= 0 else None
