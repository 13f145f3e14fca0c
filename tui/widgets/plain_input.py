"""An input of one line. Pasted control characters are shown, not obeyed."""

from textual import events
from textual.widgets import Input

from data.safe_text import safe_text

LONGEST_PASTE = 20_000
"""Characters of a paste that are taken."""


class PlainInput(Input):
    """Takes the lines of a paste as one."""

    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.replace(safe_text(" ".join(event.text.split())[:LONGEST_PASTE]), *self.selection)

    def fill(self, text: str) -> None:
        """Put a text in place of what there is."""
        self.value = safe_text(text)
