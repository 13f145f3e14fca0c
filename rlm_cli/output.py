"""Writes everything a command prints: results to stdout, the rest to stderr.

A command calls `result`, `table` or `json` for its result, and `say` or `warn` for remarks. The form of
the output decides which of them are written. All text passes through `safe_text` here, and none is
read as markup.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import RlmError
from data.safe_text import safe_text
from data.text_table import GAP, WRAP_WIDTH, TextTable
from rlm_cli.streams import stderr_is_terminal, stdout_is_terminal
from rlm_cli.word_wrap import WordWrap
from rlm_cli.wording import error_in_cli_words, in_cli_words

if TYPE_CHECKING:
    from rich.console import Console

# Wider than any table, so that piped output is never wrapped.
_PIPE_WIDTH = 10_000


class Form(Enum):
    """The form of the output."""

    HUMAN = "human"
    JSON = "json"
    QUIET = "quiet"


class Output:
    """Writes the output of a command.

    `human`: results as text on stdout, remarks on stderr. `json`: JSON alone on stdout, remarks
    on stderr. `quiet`: results on stdout, no remarks.
    """

    def __init__(self, form: Form = Form.HUMAN) -> None:
        self.form = form

    @classmethod
    def of(cls, *, json: bool = False, quiet: bool = False) -> "Output":
        """The output for the flags `--json` and `--quiet`. JSON wins if both are given."""
        return cls(Form.JSON if json else Form.QUIET if quiet else Form.HUMAN)

    @property
    def is_json(self) -> bool:
        return self.form is Form.JSON

    @property
    def is_quiet(self) -> bool:
        return self.form is Form.QUIET

    @cached_property
    def stdout(self) -> "Console":
        """The rich console of stdout. Markup is off."""
        return _console(stderr=False)

    @cached_property
    def stderr(self) -> "Console":
        """The rich console of stderr. Markup is off."""
        return _console(stderr=True)

    def result(self, text: str = "", *, style: str = "", end: str = "\n", exact: bool = False) -> None:
        """Write text of the result. Writes nothing in JSON form.

        Line ends and tabs stay; nothing is wrapped. With `exact`, a file or a pipe gets the text
        unchanged, such as the text of a model. On a terminal it is always made safe.
        """
        if self.is_json:
            return
        if style and stdout_is_terminal():
            self.stdout.print(_styled_text(text, style), end=end, soft_wrap=True)
        else:
            write((text if exact and not stdout_is_terminal() else safe_text(text)) + end)

    def paragraph(self, text: str, *, style: str = "") -> None:
        """Write a paragraph of the result. A terminal gets it wrapped between words."""
        if self.is_json or not stdout_is_terminal():
            self.result(text)
        else:
            self.stdout.print(_styled_text(text, style))

    def result_writer(self) -> Callable[[str], None]:
        """A function that writes a result piece by piece, exactly to a file or a pipe.

        On a terminal its lines are wrapped between words.
        """
        if self.is_json or not stdout_is_terminal() or os.environ.get("TERM") == "dumb":
            return lambda text: self.result(text, end="", exact=True)
        wrap = WordWrap(lambda: self.stdout.width)
        return lambda text: write(wrap.push(safe_text(text)))

    def json(self, value: Any) -> None:
        """Write one line of ASCII JSON. Writes nothing in the other forms.

        A number that is not finite becomes null, since JSON has no word for it.
        """
        if self.is_json:
            write(json.dumps(_finite(value), allow_nan=False) + "\n")

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        right: Sequence[str] = (),
        optional: Sequence[str] = (),
        wrap: Sequence[str] = (),
        to_stderr: bool = False,
    ) -> None:
        """Write a table. Use `to_stderr` if it is not the result. `right` names the columns of numbers.

        If the terminal is too narrow, the columns in `wrap` are wrapped (by default the first one).
        If that is not enough, the columns in `optional` are dropped in their order.
        """
        self.text_table(TextTable(columns, list(rows), right, optional, wrap), to_stderr=to_stderr)

    def text_table(self, table: TextTable, *, to_stderr: bool = False) -> None:
        """Write a table that is made already. Use `to_stderr` if it is not the result."""
        if self.is_quiet if to_stderr else self.is_json:
            return
        from rich.cells import cell_len

        console = self.stderr if to_stderr else self.stdout
        wrap = table.wrap or table.columns[:1]

        def measure(text: str) -> int:
            return cell_len(safe_text(text))

        shown = replace(table, wrap=wrap).fitted(console.width, measure)
        if shown.least_width(measure) > console.width:
            # Its lines go on in the next ones of the terminal. In columns, figures would be cut.
            console = _console(stderr=to_stderr)
            console.width = shown.least_width(measure, WRAP_WIDTH)
        self._lines(console, _grid(shown.columns, shown.rows, shown.right, wrap))

    def styled_lines(self, lines: Iterable[Iterable[tuple[str, str]]], *, to_stderr: bool = False) -> None:
        """Write lines whose parts each have a style. Use `to_stderr` if they are not the result."""
        if self.is_quiet if to_stderr else self.is_json:
            return
        from rich.text import Text

        console = self.stderr if to_stderr else self.stdout
        for line in lines:
            console.print(Text.assemble(*((safe_text(part), style) for part, style in line)), soft_wrap=True)

    def pairs(self, rows: Iterable[tuple[str, str]], *, to_stderr: bool = False) -> None:
        """Write names and values in two columns. Use `to_stderr` if they are not the result."""
        if self.is_quiet if to_stderr else self.is_json:
            return
        self._lines(self.stderr if to_stderr else self.stdout, _grid((), rows))

    def say(self, text: str = "", *, style: str = "") -> None:
        """Write a remark to stderr, such as the next command. Writes nothing when quiet."""
        if not self.is_quiet:
            self.stderr.print(_styled_text(text, style))

    def write_file(self, path: Path, content: str) -> None:
        """Write a page that was asked for into a file, and say where it is. Raises StorageError."""
        from data.storage import replace_file

        replace_file(Path(os.path.expanduser(path)), [content.encode()], f"'{path}'")
        self.say(f"Written: {path}")

    @contextmanager
    def passing(self, text: str) -> Iterator[None]:
        """Show a remark on the terminal while the context lasts. A pipe gets none."""
        if self.is_quiet or not self.stderr.is_terminal or self.stderr.is_dumb_terminal:
            yield
            return
        from rich.control import Control
        from rich.segment import ControlType

        clear = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))
        self.stderr.print(_styled_text(text, "dim"), end="", soft_wrap=True)
        try:
            yield
        finally:
            self.stderr.control(clear)

    def warn(self, text: str) -> None:
        """Write a warning to stderr, even when quiet."""
        self.stderr.print(_styled_text("warning: ", "bold yellow") + _styled_text(in_cli_words(text), ""))

    def error(self, error: RlmError) -> None:
        """Write an error and its hint to stderr."""
        message, hint = error_in_cli_words(error)
        self.stderr.print(_styled_text("error: ", "bold red") + _styled_text(message, ""))
        if hint:
            self.stderr.print(_styled_text(hint, "dim"))

    def ask(self, question: str) -> str | None:
        """Write a question to stderr in every form and read one line. None at the end of input."""
        self.stderr.print(_styled_text(question, ""), end=" ")
        line = sys.stdin.readline()
        return line.strip() if line else None

    def _lines(self, console: "Console", renderable: Any) -> None:
        if console.is_terminal:
            console.print(renderable)
            return
        with console.capture() as capture:
            console.print(renderable)
        for line in capture.get().splitlines():
            print(line.rstrip(), file=console.file, flush=True)


def write(text: str) -> None:
    """Write to stdout and flush, so that a pipe gets the text at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    terminal = stderr_is_terminal() if stderr else stdout_is_terminal()
    return Console(
        stderr=stderr,
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        width=None if terminal else _PIPE_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )


def _styled_text(text: str, style: str) -> Any:
    from rich.text import Text

    return Text(safe_text(text), style=style)


def _grid(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Sequence[str] = (),
    wrap: Sequence[str] = (),
) -> Any:
    from rich.table import Table

    table = Table(box=None, show_header=bool(columns), pad_edge=False, padding=(0, GAP, 0, 0))
    for column in columns:
        justify: Any = "right" if column in right else "left"
        table.add_column(
            _styled_text(column, "bold"), justify=justify, overflow="fold", no_wrap=column not in wrap
        )
    if not columns:  # a path that is longer than its column goes on in the next line
        for _ in range(2):
            table.add_column(overflow="fold")
    for row in rows:
        cells = [_styled_text(cell, "") for cell in row]
        if not columns:
            cells[0].stylize("dim")
        table.add_row(*cells)
    return table
