"""Asks for a puzzle, in one line or as a drawing that is pasted."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from data.errors import UsageError
from data.puzzle_kind import PuzzleKind
from data.wording import counted
from tui.content import plain
from tui.puzzle_solve import plain_cells
from tui.widgets.plain_input import PlainInput
from tui.widgets.puzzle_grid import PuzzleGrid

_FRAME = 6
"""Columns of the dialog besides the grid."""
_ROWS, _ROWS_WHEN_LOW = 8, 4
"""Rows of the dialog besides the grid."""
_LOW = 18
_TALLEST = 13
"""Rows of the grid, so that the puzzle below the dialog is seen."""


class PuzzleInputScreen(ModalScreen[str | None]):
    """Asks for a puzzle of a kind with so many cells, and draws it as it is typed. Gives its text; Escape
    means none."""

    HELP_TEXT = (
        "Write each row from the top. Of a Sudoku, a digit for each clue and a dot or 0 for each blank; of a "
        "maze, # for a wall, . for a way, S and G. Spaces may be between rows. Enter solves it."
    )
    BINDINGS = [Binding("escape", "cancel", "Cancel", id="puzzle_input.cancel")]

    def __init__(self, kind: PuzzleKind, cells: int) -> None:
        super().__init__()
        self._kind = kind
        self._cells = cells

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = plain(f"A {self._kind.noun} of {self._kind.size_name(self._cells)}")
            dialog.border_subtitle = plain("Enter solves it, Esc cancels")
            yield PlainInput(placeholder=self._kind.placeholder, compact=True)
            yield Static(id="words")
            yield PuzzleGrid()

    def on_mount(self) -> None:
        self.query_one(PlainInput).focus()
        self._draw()

    def on_input_changed(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        """Draw what is typed so far, and say what is missing."""
        kind, cells, text = self._kind, self._cells, self.query_one(PlainInput).value
        found = kind.cells_in(text)
        words = f"{found} of {counted(cells, kind.cell_word)}"
        try:
            puzzle = kind.parse(text + kind.padding * max(0, cells - found))
        except UsageError as error:
            if found < cells and not kind.padding:
                self.query_one("#words", Static).update(plain(words, "$foreground-muted"))
            else:
                self.query_one("#words", Static).update(plain(error.message, "$error"))
            return
        self.query_one("#words", Static).update(plain(words, "$foreground-muted"))
        if len(puzzle) == cells:
            grid, (width, height) = self.query_one(PuzzleGrid), self.app.size
            rows = height - (_ROWS_WHEN_LOW if height < _LOW else _ROWS)
            shown = plain_cells(kind, puzzle)
            grid.show(shown, kind.task, width - _FRAME, min(_TALLEST, rows), given=kind.line(puzzle))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            self._kind.parse(event.value)
        except UsageError as error:
            self.query_one("#words", Static).update(plain(error.message, "$error"))
        else:
            self.dismiss(event.value)

    def action_cancel(self) -> None:
        self.dismiss(None)
