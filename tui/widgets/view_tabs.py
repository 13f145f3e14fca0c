"""One line with the names of the views of a screen. A click chooses one, as its number does."""

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Static

from tui.content import joined


class ViewTabs(Horizontal):
    """The views, one of them active. `Chosen` tells which one a click wants."""

    class Chosen(Message):
        """A view was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = names

    def compose(self) -> ComposeResult:
        for number, name in enumerate(self.names, start=1):
            yield ViewTab(number, name)

    def activate(self, name: str) -> None:
        """Show `name` as the active view."""
        for tab in self.query(ViewTab):
            tab.set_class(tab.view_name == name, "-active")
            tab.write()

    def on_resize(self) -> None:
        for tab in self.query(ViewTab):
            tab.write()


class ViewTab(Static):
    """The number and the name of one view. In a narrow terminal only the active one has its name."""

    def __init__(self, number: int, name: str) -> None:
        super().__init__()
        self.number = number
        self.view_name = name

    def on_mount(self) -> None:
        self.write()

    def write(self) -> None:
        """Draw it as wide as the terminal allows."""
        is_short = self.app.size.width < 60 and not self.has_class("-active")
        number = (str(self.number), "$accent")
        self.update(joined(number) if is_short else joined(number, f" {self.view_name}"))

    def on_click(self, event: events.Click) -> None:
        self.post_message(ViewTabs.Chosen(self.view_name))
