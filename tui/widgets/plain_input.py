"""An input of one line. Control characters in it are shown, not obeyed."""

from textual import events
from textual.widgets import Input

from data.safe_text import safe_text

LONGEST_PASTE = 20_000
"""Characters of a paste that are taken."""


class PlainInput(Input):
    """Takes the lines of a paste as one, as far as there is room."""

    def validate_value(self, value: str) -> str:
        """Whatever is typed, pasted or filled in becomes safe to show."""
        return safe_text(value)

    def validate_placeholder(self, placeholder: str) -> str:
        """It may hold the name of a file or a text."""
        return safe_text(placeholder)

    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        start, end = sorted(self.selection)
        room = LONGEST_PASTE
        if self.max_length:
            room = min(room, self.max_length - (len(self.value) - (end - start)))
        self.replace(" ".join(event.text.split())[: max(0, room)], start, end)
