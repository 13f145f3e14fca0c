"""Chooses a text: a path is typed, and below it are the folders and texts that it may mean."""

import os
from collections.abc import Sequence

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from data.wording import byte_size
from tui.content import joined
from tui.text_files import PathEntry, matching_paths, nearby_texts
from tui.widgets.form_field import FormField

PATH = "paths"
"""The field of a request that holds the text."""


class PathList(OptionList):
    """The entries below the path."""

    BINDINGS = [
        Binding("left", "above", "Folder above", id="texts.above", show=False),
        Binding("right", "select", "Open", id="texts.open", show=False),
    ]

    def action_above(self) -> None:
        """Look into the folder above, which is the last entry where there is one."""
        if self.option_count and self.get_option_at_index(self.option_count - 1).id == _ABOVE:
            self.highlighted = self.option_count - 1
            self.action_select()


_ABOVE = "above"


class TextPicker(Vertical):
    """Without a path, texts nearby are offered.

    `Changed` tells of a path that is typed or chosen, `Looked` of a file under the cursor.
    """

    class Changed(Message):
        """Another path is in the field. `is_chosen` where it is meant and not half typed."""

        def __init__(self, path: str, *, is_chosen: bool) -> None:
            super().__init__()
            self.path = path
            self.is_chosen = is_chosen

    class Looked(Message):
        """The cursor is on a text in the list."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    class Listed(Message):
        """The entries for what is typed were read."""

        def __init__(self, typed: str, entries: Sequence[PathEntry]) -> None:
            super().__init__()
            self.typed = typed
            self.entries = entries

    def __init__(self, placeholder: str) -> None:
        super().__init__()
        self.field = FormField(PATH, "text", placeholder)
        self._entries: Sequence[PathEntry] = ()

    def compose(self) -> ComposeResult:
        yield self.field
        yield PathList(id="files")

    def on_mount(self) -> None:
        self._read(self.field.value)

    @property
    def list(self) -> PathList:
        return self.query_one(PathList)

    @work(thread=True, exclusive=True, group="texts", description="list")
    def _read(self, typed: str) -> None:
        entries = matching_paths(typed) if typed else [*nearby_texts(), *matching_folders()]
        self.post_message(self.Listed(typed, entries))

    def on_text_picker_listed(self, message: Listed) -> None:
        message.stop()
        if message.typed != self.field.value:
            return
        self._entries = message.entries
        entries = self.list
        entries.clear_options()
        entries.add_options([path_option(entry) for entry in self._entries])
        is_whole_folder = len(self._entries) > 1 and _is_whole_folder(self._entries[0])
        entries.highlighted = (1 if is_whole_folder else 0) if self._entries else None

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._read(event.value)
        self.post_message(self.Changed(event.value, is_chosen=False))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if os.path.isfile(os.path.expanduser(event.value)) or not self.list.option_count:
            self._choose(event.value)
        else:
            self.list.focus()

    def on_key(self, event: events.Key) -> None:
        if event.key == "down" and self.field.editor.has_focus and self.list.option_count:
            event.stop()
            event.prevent_default()
            self.list.focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if self.list.has_focus:
            self._look_at(event.option_index)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self.add_class("-open")
        if event.widget is self.list:
            self._look_at(self.list.highlighted)

    def _look_at(self, index: int | None) -> None:
        path = self._path_at(index)
        if path and not path.endswith("/"):
            self.post_message(self.Looked(path))

    def _path_at(self, index: int | None) -> str:
        """The path of an entry; empty where there is none, as after the list was read anew."""
        return self._entries[index].path if index is not None and index < len(self._entries) else ""

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        self.call_after_refresh(self._close_if_left)

    def _close_if_left(self) -> None:
        """Show the list only while the path or the list is in use. A path that is left is meant as it is."""
        if self.has_class("-open") and not self.has_focus_within:
            self.remove_class("-open")
            self.post_message(self.Changed(self.field.value, is_chosen=False))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        path = self._path_at(event.option_index)
        if path:
            self.field.value = path
            if not path.endswith("/"):
                self._choose(path)

    def _choose(self, path: str) -> None:
        self.post_message(self.Changed(path, is_chosen=True))


def matching_folders() -> list[PathEntry]:
    """The folders in this one, and the one above."""
    return [*(entry for entry in matching_paths("") if entry.size is None), PathEntry("../", "../")]


def _is_whole_folder(entry: PathEntry) -> bool:
    return entry.size is None and not entry.path.endswith("/")


def path_option(entry: PathEntry) -> Option:
    """The line of an entry in a list."""
    size = "" if entry.size is None else f"  {byte_size(entry.size)}"
    return Option(
        joined(entry.label, (size, "$foreground-muted")), id=_ABOVE if entry.label == "../" else None
    )
