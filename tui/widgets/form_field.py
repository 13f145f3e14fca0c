"""A line of a form: a name, what is typed for it, and below it what is wrong with that."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Label, Select, Static

from tui.content import plain
from tui.widgets.plain_input import PlainInput

_LONGEST = 4096
"""Characters of what is typed: as many as a path may have."""


class FormField(Vertical):
    """The field of one setting. Its `path` says which one. Without `choices`, a text is typed."""

    def __init__(
        self, path: str, label: str, placeholder: str = "", choices: list[tuple[str, str]] | None = None
    ) -> None:
        self.path = path
        id = path.replace(".", "-")
        super().__init__(id=f"field-{id}")
        self._label = label
        self.editor: PlainInput | Select[str]
        if choices is None:
            self.editor = PlainInput(
                id=id, placeholder=placeholder, compact=True, select_on_focus=False, max_length=_LONGEST
            )
        else:
            self.editor = Select(choices, id=id, prompt=placeholder, compact=True)

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Label(plain(self._label))
            yield self.editor
        yield Static(classes="error")

    @property
    def value(self) -> str:
        """What is typed or chosen; "" for nothing."""
        value = self.editor.value
        return value if isinstance(value, str) else ""

    @value.setter
    def value(self, value: str) -> None:
        if isinstance(self.editor, PlainInput):
            self.editor.value = value
            self.editor.cursor_position = len(value)
        elif value:
            self.editor.value = value
        else:
            self.editor.clear()

    def show_error(self, words: str) -> None:
        """Say what is wrong; "" for nothing."""
        self.set_class(bool(words), "-invalid")
        self.query_one(".error", Static).update(plain(words))
