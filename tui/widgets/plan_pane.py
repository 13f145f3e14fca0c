"""What a training would be, and what its model would see: the plan and a look at the text."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from data.safe_text import safe_text
from data.wording import byte_size, counted, percent
from tui.content import joined, lines, plain
from tui.planner import PlanAnswer, Rows

if TYPE_CHECKING:
    from data.corpus_preview import CorpusPreview

_NAME_WIDTH = 15


class PlanPane(VerticalScroll):
    """Shows the newest of each: how far the work is, the plan, notices, an error, and the text."""

    def __init__(self, words: str) -> None:
        super().__init__(id="plan")
        self._words = words
        self.status = self._next_status = ""
        self.error = ""
        self.rows: Rows = []
        self.is_draft = False
        self.notices: tuple[str, ...] = ()
        self.preview: CorpusPreview | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="status")
        yield Static(id="rows")

    def on_mount(self) -> None:
        self.write()

    def on_resize(self) -> None:
        self.write()

    def wait(self, status: str, next_status: str = "") -> None:
        """Say what is under way, and what is once the text was read. The plan is an older one meanwhile."""
        self.status, self.error, self._next_status = status, "", next_status
        self.write()

    def take(self, answer: PlanAnswer) -> None:
        """Show a part of an answer. Its error is shown by `refuse`."""
        if answer.progress is not None:
            done, total = answer.progress
            self.status = f"Reading the text: {byte_size(done)} of {byte_size(total)} …"
        elif answer.preview is not None:
            self.preview, self.status, self.error = answer.preview, self._next_status, ""
        elif answer.rows is not None:
            self.rows, self.notices, self.is_draft = answer.rows, answer.notices, answer.is_draft
            self.status = "Timing this machine …" if answer.is_draft else ""
        self.write()

    def refuse(self, words: str) -> None:
        """Say why there is no plan."""
        self.status, self.error, self.rows, self.notices = "", words, [], ()
        self.write()

    def clear(self) -> None:
        """Show nothing but the words for an empty form."""
        self.preview = None
        self.refuse("")

    def write(self) -> None:
        self.query_one("#status", Static).update(plain(self.status, "$accent"))
        self.query_one("#status").display = bool(self.status)
        faded = "$foreground-muted" if self.status and not self.is_draft else ""
        parts = [plain(self.error, "$error")] if self.error else []
        parts += [self._row(name, value, faded) for name, value in self.rows]
        parts += [plain(notice, "$warning") for notice in self.notices]
        if self.preview is not None:
            parts += [plain("")] if parts else []
            parts += [self._row(name, value) for name, value in preview_rows(self.preview)]
            parts += [plain(note, "$warning") for note in self.preview.notes]
            parts += [plain(""), plain(self.preview.beginning.strip("\n"), "$foreground-muted")]
        if not parts and not self.status:
            parts = [plain(self._words, "$foreground-muted")]
        self.query_one("#rows", Static).update(lines(parts))

    def _row(self, name: str, value: str, style: str = "") -> Content:
        """A name and its value. What does not fit beside the name goes on below itself."""
        room = self.content_size.width - _NAME_WIDTH - 1
        if room < 20:
            return joined((f"{name}  ", "$foreground-muted"), (value, style))
        wrapped = _wrapped(safe_text(value), room) or [""]
        head, *more = wrapped
        rest = "".join(f"\n{'':{_NAME_WIDTH}}{line}" for line in more)
        return joined((f"{name:<{_NAME_WIDTH}}", "$foreground-muted"), (head + rest, style))


def preview_rows(preview: "CorpusPreview") -> Rows:
    """What is known of a text, in words."""
    what = [preview.name, counted(preview.files, "file"), counted(preview.characters, "character")]
    if preview.documents:
        what.insert(2, counted(preview.documents, "document"))
    units = "documents" if preview.documents else "lines"
    part = "" if preview.compared_characters >= 0.9 * preview.characters else ", of the first part"
    repeated = f"{percent(preview.repeated_share)}, in {units} that came before{part}"
    return [
        ("text", ", ".join(what)),
        ("encoding", ", ".join(preview.encodings)),
        ("repeated", repeated if preview.repeated_share else f"none of its {units}{part}"),
        ("vocabulary", f"{preview.tokenizer}, {counted(preview.vocab_size, 'token')}: {preview.reason}"),
    ]


def _wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` characters, cut between words."""
    found = [""]
    for word in text.split(" "):
        joined_line = f"{found[-1]} {word}" if found[-1] else word
        if len(joined_line) <= width or not found[-1]:
            found[-1] = joined_line
        else:
            found.append(word)
    return found
