"""`rlm ls`: list the runs, newest first."""

from typing import TYPE_CHECKING, Any

from data.format import format_age, format_loss, format_short_count
from data.wording import byte_size
from rlm_cli.options import JsonOption, RunsDirOption
from rlm_cli.output import Output
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.runs.listing import RunSummary


def ls(runs_dir: RunsDirOption = None, json: JsonOption = False) -> None:
    """List the runs, newest first.

    Shows the progress, loss and last text of each.

    Examples:
      rlm ls
      rlm ls --runs-dir ~/models/runs
      rlm ls --json
    """
    from models.runs.listing import list_runs
    from rlm_cli.environment import runs_dir as find_runs_dir

    output = Output.of(json=json)
    folder = find_runs_dir(runs_dir)
    runs = list_runs(folder)
    output.json([as_json(run) for run in runs])
    if not runs:
        output.say(f"No runs in {folder} yet. Make one:  {in_cli_words('{train FILE}')}")
        return
    output.table(
        (
            "name",
            "status",
            "architecture",
            "parameters",
            "step",
            "validation loss",
            "text",
            "size",
            "changed",
        ),
        [_row(run) for run in runs],
        right=("parameters", "step", "validation loss", "size"),
        optional=("size", "architecture", "text", "parameters", "changed", "step", "validation loss"),
    )
    for run in runs:
        if run.problem:
            output.say(f"{run.name}: {in_cli_words(run.problem)}", style="yellow")
        elif run.failure is not None:
            words = " ".join(part for part in (run.failure.message, run.failure.hint) if part)
            output.say(f"{run.name} failed: {in_cli_words(words)}", style="yellow")


def as_json(run: "RunSummary") -> dict[str, Any]:
    """One run with stable keys. An unknown value is null."""
    return {
        "name": run.name,
        "path": str(run.path),
        "status": run.status,
        "architecture": run.architecture,
        "parameters": run.parameters,
        "vocab_size": run.vocab_size,
        "step": run.step,
        "total_steps": run.total_steps,
        "validation_loss": run.validation_loss,
        "corpus": run.corpus,
        "modified": run.modified,
        "size_bytes": run.bytes,
        "problem": in_cli_words(run.problem) if run.problem else run.problem,
        "failure": None
        if (error := run.failure) is None
        else {
            "kind": error.kind,
            "message": in_cli_words(error.message),
            "hint": in_cli_words(error.hint) if error.hint else error.hint,
        },
    }


def _row(run: "RunSummary") -> tuple[str, ...]:
    return (
        run.name,
        run.status,
        run.architecture or "-",
        format_short_count(run.parameters) if run.parameters is not None else "-",
        f"{run.step:,}/{run.total_steps:,}" if run.total_steps else "-",
        format_loss(run.validation_loss),
        run.learns or "-",
        byte_size(run.bytes),
        format_age(run.modified),
    )
