"""One question and its answer, and the running of the code that appears in them."""

import contextlib
import io
from dataclasses import dataclass


@dataclass(frozen=True)
class Exchange:
    """A question, a full answer, and the short form of the answer for when few words are asked for."""

    question: str
    answer: str
    short: str


def code_block(code: str, language: str = "python") -> str:
    """Code between fences, on lines of its own."""
    return f"```{language}\n{code.strip()}\n```"


def printed(code: str) -> str:
    """What the Python code prints when it is run, without the last newline."""
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen):
        exec(compile(code, "<example>", "exec"), {})
    return screen.getvalue().rstrip("\n")


def value(code: str, expression: str) -> object:
    """The value of an expression after the code has run."""
    names: dict[str, object] = {}
    exec(compile(code, "<example>", "exec"), names)
    return eval(expression, names)
