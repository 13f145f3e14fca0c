"""Asks on the terminal which encoding a text is in, where two are about as likely."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from rlm_cli.choose_run import can_ask_user
from rlm_cli.exit_codes import ExitCode
from rlm_cli.output import Output

if TYPE_CHECKING:
    from data.file_encoding import UnclearEncodingError

Found = TypeVar("Found")


def read_in_chosen_encoding(
    read: Callable[[str | None, bool], Found], encoding: str | None, output: Output
) -> Found:
    """`read(encoding, guess)`: what it returns for `encoding`, or for the one that the user chooses.

    Where nobody can be asked, it must guess.
    """
    from data.file_encoding import UnclearEncodingError

    try:
        return read(encoding, not can_ask_user(output))
    except UnclearEncodingError as unclear:
        return read(choose_encoding(unclear, output), True)


def choose_encoding(unclear: "UnclearEncodingError", output: Output) -> str:
    """The encoding that the user chooses by its words. Ends the command if the user cancels."""
    output.table(
        ("", "words", "encoding"),
        [
            (str(number), ", ".join(words), encoding)
            for number, (encoding, words) in enumerate(unclear.choices, start=1)
        ],
        wrap=("words",),
        to_stderr=True,
    )
    output.say(f"\nWhich words are right in {unclear.label}?")
    names = [encoding for encoding, _ in unclear.choices]
    while True:
        answer = output.ask("1 or 2, Enter to cancel:")
        if not answer:
            output.say("Nothing was changed.")
            raise typer.Exit(ExitCode.OK)
        if answer in names:
            return answer
        if answer in ("1", "2"):
            return names[int(answer) - 1]
