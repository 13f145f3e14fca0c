"""The one sink: results to stdout, everything else to stderr.

A command says what it has (`result`, `table`, `json`) and what it wants to mention (`say`,
`warn`); the form it was asked for decides what is written. Foreign text passes through
`safe_text` here, so a command cannot forget it, and no string is ever read as markup.
"""

import json
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from data.errors import RlmError
from data.safe_text import safe_text
from rlm_cli.wording import error_in_cli_words, in_cli_words

if TYPE_CHECKING:
    from rich.console import Console

# A width no table reaches: piped output is never wrapped.
_UNWRAPPED = 10_000
_GAP = 2  # cells between two columns
_FOLDED = 20  # cells a folded column of a table keeps, so that one long name costs no column


class Form(Enum):
    """Who reads the result."""

    HUMAN = "human"
    JSON = "json"
    QUIET = "quiet"


class Output:
    """Where a command writes.

    `human`: results as text on stdout, remarks on stderr. `json`: JSON alone on stdout, remarks
    on stderr. `quiet`: results on stdout, no remarks.
    """

    def __init__(self, form: Form = Form.HUMAN) -> None:
        self.form = form

    @classmethod
    def of(cls, *, json: bool = False, quiet: bool = False) -> "Output":
        """The sink for the flags `--json` and `--quiet`; JSON wins where both were given."""
        return cls(Form.JSON if json else Form.QUIET if quiet else Form.HUMAN)

    @property
    def is_json(self) -> bool:
        return self.form is Form.JSON

    @property
    def is_quiet(self) -> bool:
        return self.form is Form.QUIET

    @cached_property
    def stdout(self) -> "Console":
        """A rich console on stdout for what `result` and `table` cannot do. Markup is off."""
        return _console(stderr=False)

    @cached_property
    def stderr(self) -> "Console":
        """A rich console on stderr: progress and figures. Markup is off."""
        return _console(stderr=True)

    def result(self, text: str = "", *, style: str = "", end: str = "\n", exact: bool = False) -> None:
        """A piece of the result, for a person. Nothing in JSON form.

        Line ends and tabs stay, nothing is wrapped. `exact` is for text that is the product
        itself, such as what a model wrote: into a file or a pipe it goes unchanged, and only a
        terminal gets it made safe.
        """
        if self.is_json:
            return
        if style and stdout_is_terminal():
            self.stdout.print(_styled(text, style), end=end, soft_wrap=True)
        else:
            write((text if exact and not stdout_is_terminal() else safe_text(text)) + end)

    def json(self, value: Any) -> None:
        """One line of ASCII JSON. Nothing in the other forms."""
        if self.is_json:
            write(json.dumps(value, allow_nan=False) + "\n")

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        right: Sequence[str] = (),
        spare: Sequence[str] = (),
        folded: Sequence[str] = (),
        to_stderr: bool = False,
    ) -> None:
        """A table for a person, on stderr where it is a remark and not the result. `right` names the
        columns that hold numbers.

        Where the terminal is too narrow, the columns of `folded` are (without any: the first), and
        then those of `spare` go, the first of them first.
        """
        if self.is_quiet if to_stderr else self.is_json:
            return
        console = self.stderr if to_stderr else self.stdout
        folded = folded or columns[:1]
        kept, fitting = _fitting(columns, list(rows), spare, folded, console.width)
        self._lines(console, _grid(kept, fitting, right, folded))

    def pairs(self, rows: Iterable[tuple[str, str]], *, to_stderr: bool = False) -> None:
        """Names and values, two columns. On stderr where they are a remark and not the result."""
        if self.is_quiet if to_stderr else self.is_json:
            return
        self._lines(self.stderr if to_stderr else self.stdout, _grid((), rows))

    def say(self, text: str = "", *, style: str = "") -> None:
        """A remark on stderr: what is happening, what to type next. Nothing when quiet."""
        if not self.is_quiet:
            self.stderr.print(_styled(text, style))

    def warn(self, text: str) -> None:
        """A remark that is shown even when quiet."""
        self.stderr.print(_styled("warning: ", "bold yellow") + _styled(in_cli_words(text), ""))

    def error(self, error: RlmError) -> None:
        """One sentence, one next step."""
        message, hint = error_in_cli_words(error)
        self.stderr.print(_styled("error: ", "bold red") + _styled(message, ""))
        if hint:
            self.stderr.print(_styled(hint, "dim"))

    def ask(self, question: str) -> str | None:
        """Put a question on stderr, in every form, and read one line. None at the end of input."""
        self.stderr.print(_styled(question, ""), end=" ", soft_wrap=True)
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
    """Write to stdout and flush: what is piped arrives when it is said."""
    sys.stdout.write(text)
    sys.stdout.flush()


def terminal_streams() -> list[TextIO]:
    """Those of stdout and stderr that are terminals now. One that has hung up no longer says so."""
    return [stream for stream in _streams() if _is_terminal(stream)]


def drop_broken_streams(gone: Collection[TextIO] = ()) -> None:
    """Send what goes to a closed pipe, or to a stream known to be gone, nowhere from here on.

    Without this every later message fails again, and the interpreter complains while it exits.
    """
    for stream in _streams():
        try:
            stream.flush()
            broken = stream in gone
        except OSError:
            broken = True
        if broken:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _streams() -> list[TextIO]:
    """stdout and stderr themselves, also while a bar is drawn and has put its own in their place."""
    return [getattr(stream, "rich_proxied_file", stream) for stream in (sys.stdout, sys.stderr)]


def stdout_is_terminal() -> bool:
    return _is_terminal(sys.stdout)


def stderr_is_terminal() -> bool:
    """Whether progress may be drawn with cursor movements."""
    return _is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"


def may_ask() -> bool:
    """Whether there is someone to answer a question: a terminal on both sides, and not in CI."""
    return _is_terminal(sys.stdin) and stderr_is_terminal() and not os.environ.get("CI")


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # no stream at all, or one that was closed
        return False


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    terminal = stderr_is_terminal() if stderr else stdout_is_terminal()
    return Console(
        stderr=stderr,
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        width=None if terminal else _UNWRAPPED,
        markup=False,
        highlight=False,
        emoji=False,
    )


def _styled(text: str, style: str) -> Any:
    from rich.text import Text

    return Text(safe_text(text), style=style)


def _fitting(
    columns: Sequence[str],
    rows: list[Sequence[str]],
    spare: Sequence[str],
    folded: Sequence[str],
    width: int,
) -> tuple[list[str], list[list[str]]]:
    """The columns that fit side by side in `width` cells, and the rows with those alone."""
    from rich.cells import cell_len

    widths = [
        max(cell_len(safe_text(text)) for text in (column, *(row[place] for row in rows)))
        for place, column in enumerate(columns)
    ]
    widths = [
        min(cells, _FOLDED) if column in folded else cells
        for column, cells in zip(columns, widths, strict=True)
    ]
    places = list(range(len(columns)))
    for column in spare:
        if sum(widths[place] + _GAP for place in places) - _GAP <= width:
            break
        places.remove(columns.index(column))
    return [columns[place] for place in places], [[row[place] for place in places] for row in rows]


def _grid(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Sequence[str] = (),
    folded: Sequence[str] = (),
) -> Any:
    from rich.table import Table

    table = Table(box=None, show_header=bool(columns), pad_edge=False, padding=(0, _GAP, 0, 0))
    for column in columns:
        justify: Any = "right" if column in right else "left"
        table.add_column(
            _styled(column, "bold"), justify=justify, overflow="fold", no_wrap=column not in folded
        )
    for row in rows:
        cells = [_styled(cell, "") for cell in row]
        if not columns:
            cells[0].stylize("dim")
        table.add_row(*cells)
    return table
