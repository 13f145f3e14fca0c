"""What was said in a chat, the newest at the end."""

from collections.abc import Sequence

from textual.containers import VerticalScroll
from textual.widgets import Static

from tui.chat_talk import Entry
from tui.content import joined, plain

MOST_SHOWN = 300
_STYLES = {"note": "$foreground-muted", "warning": "$warning", "error": "$error"}


class EntryText(Static):
    """One entry. It is drawn again when its text has grown."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(classes=f"-{entry.kind}")
        self.entry = entry
        self._drawn: str | None = None

    def on_mount(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Draw the text as it is now, if that is another one."""
        text = self.entry.text
        if text == self._drawn:
            return
        self._drawn = text
        if self.entry.kind == "user":
            self.update(joined(("> ", "bold $accent"), (text, "bold")))
        else:
            self.update(plain(text, _STYLES.get(self.entry.kind, "")))


class Transcript(VerticalScroll):
    """The entries of a chat. It stays at its end until someone scrolls up."""

    def on_mount(self) -> None:
        self.anchor()

    def show(self, entries: Sequence[Entry]) -> None:
        """Show these entries. Those that are shown already stay, and grow."""
        recent = list(entries)[-MOST_SHOWN:]
        there = {id(widget.entry): widget for widget in self.query(EntryText)}
        wanted = {id(entry) for entry in recent}
        for key, widget in there.items():
            if key not in wanted:
                widget.remove()
        for entry in recent:
            if (known := there.get(id(entry))) is not None:
                known.draw()
            else:
                self.mount(EntryText(entry))
