"""Wraps text between words while it is being written to a terminal."""

from collections.abc import Callable

_TAB = 8


class WordWrap:
    """Turns pieces of text into what a terminal must get, so that no word is broken at its edge.

    A word is shown as it grows. If it passes the edge, it is erased and written again on the next line.
    Scripts of wide characters, such as Chinese, are broken between any two of them.
    """

    def __init__(self, width: Callable[[], int]) -> None:
        self._width = width
        """Gives the columns of the terminal, which may change."""
        self._column = 0
        self._word = ""
        self._word_cells = 0

    def push(self, text: str) -> str:
        """What to write for `text`, which holds no control characters but newlines and tabs."""
        from rich.cells import cell_len

        # In the last column, terminals differ in where the cursor is.
        limit = max(1, self._width() - 1)
        written = []
        for character in text:
            if character == "\n":
                self._end_word()
                self._column = 0
                written.append(character)
            elif character in " \t":
                cells = 1 if character == " " else _TAB - self._column % _TAB
                self._end_word()
                if self._column + cells > limit:  # the space becomes the line break
                    self._column = 0
                    written.append("\n")
                else:
                    self._column += cells
                    written.append(character)
            else:
                written.append(self._add(character, cell_len(character), limit))
        return "".join(written)

    def _add(self, character: str, cells: int, limit: int) -> str:
        """Write a character of a word."""
        if cells > 1:
            self._end_word()
        before = ""
        if self._column + cells > limit and self._column:
            if 0 < self._word_cells < self._column:
                before = f"\x1b[{self._word_cells}D\x1b[K\n{self._word}"
                self._column = self._word_cells
            else:
                before = "\n"
                self._end_word()
                self._column = 0
        self._column += cells
        if cells <= 1:
            self._word += character
            self._word_cells += cells
        return before + character

    def _end_word(self) -> None:
        self._word, self._word_cells = "", 0
