"""`rlm doctor`: check this machine."""

import dataclasses
import os
import shutil
import sys
from typing import TYPE_CHECKING

import typer

from rlm_cli.exit_codes import ExitCode
from rlm_cli.options import JsonOption, RunsDirOption
from rlm_cli.output import Output
from rlm_cli.streams import stderr_is_terminal, stdout_is_terminal
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.doctor import Check

_STYLES = {"good": "green", "note": "yellow", "problem": "bold red"}


def doctor(runs_dir: RunsDirOption = None, json: JsonOption = False) -> None:
    """Check torch, the device, number formats, threads, disk and terminal.

    Exit code 1 if a problem prevents training.

    Examples:
      rlm doctor
      rlm doctor --json
    """
    from models.doctor import examine
    from rlm_cli.environment import runs_dir as find_runs_dir

    output = Output.of(json=json)
    checks = [*examine(find_runs_dir(runs_dir), os.environ), check_terminal()]
    output.table(
        ("check", "verdict", "found"),
        [(check.name, check.verdict, check.found) for check in checks],
        wrap=("found",),
    )
    output.json([{**dataclasses.asdict(check), "advice": in_cli_words(check.advice)} for check in checks])
    advice = [check for check in checks if check.advice]
    if advice:
        output.result()
    for check in advice:
        output.paragraph(f"{check.name}: {in_cli_words(check.advice)}", style=_STYLES[check.verdict])
    if any(check.verdict == "problem" for check in checks):
        raise typer.Exit(ExitCode.FAILED)


def check_terminal() -> "Check":
    """Check the terminal. The other checks are in the core, which knows no terminal."""
    from models.doctor import Check

    encoding = (sys.stdout.encoding or "unknown").lower()
    if not stdout_is_terminal():
        return Check("terminal", f"none (output is piped), {encoding}", "good")
    columns, lines = shutil.get_terminal_size()
    colour = "no colour (NO_COLOR)" if os.environ.get("NO_COLOR") else os.environ.get("TERM", "unknown")
    found = f"{columns}x{lines}, {colour}, {encoding}"
    if not encoding.startswith("utf"):
        return Check(
            "terminal", found, "note", "Characters outside this encoding are shown as escapes. Use UTF-8."
        )
    if columns < 80 or not stderr_is_terminal():
        return Check(
            "terminal", found, "note", "Progress needs 80 columns and a terminal with cursor control."
        )
    return Check("terminal", found, "good")
