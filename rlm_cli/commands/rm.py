"""`rlm rm`: remove runs, or versions of one."""

from pathlib import Path
from typing import Annotated, Any

import typer

from data.errors import UsageError
from data.format import format_loss
from data.wording import byte_size
from rlm_cli.choose_run import can_ask_user
from rlm_cli.completion import complete_runs
from rlm_cli.exit_codes import ExitCode
from rlm_cli.options import JsonOption, QuietOption, RunsDirOption
from rlm_cli.output import Output


def rm(
    run_names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Names of runs, or paths of versions that a run keeps.",
            autocompletion=complete_runs,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Remove runs for good, or versions that a run keeps.

    In a terminal it shows what would go and asks. A script needs --yes. It removes
    only folders of runs, follows no link, and leaves a run in training alone.

    Examples:
      rlm rm book
      rlm rm book book-2 --yes
      rlm rm runs/book/versions/before-shakespeare
    """
    from models.runs.lock import require_unlocked
    from models.runs.run import Run
    from models.runs.run_folder import find_folder, finish_removals, remove_run
    from models.runs.run_names import run_of_version
    from models.runs.versions import remove_version
    from rlm_cli.environment import runs_dir as find_runs_dir

    output, folder = Output.of(json=json, quiet=quiet), find_runs_dir(runs_dir)
    finish_removals(folder)
    typed = dict.fromkeys(find_folder(name, folder) for name in run_names)
    paths = [path for path in typed if run_of_version(path) not in typed]  # versions go with their run
    for path in paths:
        require_unlocked(run_of_version(path) or path)
    found = {path: _describe(path) for path in paths}
    if not yes:
        _ask(list(found.values()), output)
    removed = []
    try:
        for path, description in found.items():
            if (run := run_of_version(path)) is None:
                remove_run(path)
            else:
                remove_version(Run(run), path.name)
            removed.append(description)
            output.say(f"Removed {_label(description)} ({byte_size(description['size_bytes'])}).")
    finally:
        output.json(removed)


def _describe(path: Path) -> dict[str, Any]:
    """What goes with a run, with stable keys. An unknown value is null."""
    from models.runs.listing import summarize
    from models.runs.run_names import run_of_version

    summary, run = summarize(path), run_of_version(path)
    return {
        "name": summary.name,
        "version_of": None if run is None else run.name,
        "path": str(summary.path),
        "status": summary.status,
        "size_bytes": summary.bytes,
        "step": summary.step,
        "validation_loss": summary.validation_loss,
    }


def _label(found: dict[str, Any]) -> str:
    """The name of a run, or of a version with its run."""
    run = found["version_of"]
    return str(found["name"]) if run is None else f"version {found['name']} of {run}"


def _ask(found: list[dict[str, Any]], output: Output) -> None:
    """Show what would go. End the command where the user does not want that, or cannot be asked."""
    if not can_ask_user(output):
        names = " and ".join(map(_label, found))
        raise UsageError(
            f"Nobody can be asked whether {names} may go.", hint="To remove without asking: --yes"
        )
    output.table(
        ("run", "status", "size", "steps", "best loss"),
        [
            (
                _label(one),
                one["status"],
                byte_size(one["size_bytes"]),
                f"{one['step']:,}",
                format_loss(one["validation_loss"]),
            )
            for one in found
        ],
        right=("size", "steps", "best loss"),
        to_stderr=True,
    )
    what = _label(found[0]) if len(found) == 1 else f"all {len(found)}"
    answer = output.ask(f"\nRemove {what} for good? y or n:")
    if (answer or "").lower() not in ("y", "yes"):
        output.say("Nothing was removed.")
        raise typer.Exit(ExitCode.OK)
