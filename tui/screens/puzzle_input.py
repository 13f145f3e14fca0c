"""Asks for a puzzle, in one line or as a drawing that is pasted."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from data.errors import UsageError
from data.sudoku_grid import geometry
from data.sudoku_text import cells_in, parse_grid
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
    """Asks for a puzzle of side × side, and draws it as it is typed. Gives its text; Escape means none."""

    HELP_TEXT = (
        "Write each row from the top, a digit for each clue and a dot or 0 for each blank. Spaces and the "
        "lines of a drawing may be between them. Enter solves it."
    )
    BINDINGS = [Binding("escape", "cancel", "Cancel", id="puzzle_input.cancel")]

    def __init__(self, side: int) -> None:
        super().__init__()
        self._side = side

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = plain(f"A puzzle of {geometry(self._side).name}")
            dialog.border_subtitle = plain("Enter solves it, Esc cancels")
            yield PlainInput(placeholder="row by row, . or 0 for a blank", compact=True)
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
        text, cells = self.query_one(PlainInput).value, self._side**2
        found = cells_in(text)
        words = f"{found} of {cells} cells"
        try:
            puzzle = parse_grid(text + "." * max(0, cells - found))
        except UsageError as error:
            self.query_one("#words", Static).update(plain(error.message, "$error"))
            return
        self.query_one("#words", Static).update(plain(words, "$foreground-muted"))
        if len(puzzle) == cells:
            grid, (width, height) = self.query_one(PuzzleGrid), self.app.size
            rows = height - (_ROWS_WHEN_LOW if height < _LOW else _ROWS)
            grid.show(plain_cells(puzzle), width - _FRAME, min(_TALLEST, rows))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            parse_grid(event.value)
        except UsageError as error:
            self.query_one("#words", Static).update(plain(error.message, "$error"))
        else:
            self.dismiss(event.value)

    def action_cancel(self) -> None:
        self.dismiss(None)
