"""`rlm copy` and `rlm rename`: another run like this one, and another name for it."""

from typing import Annotated

import typer

from data.wording import byte_size
from rlm_cli.completion import complete_runs
from rlm_cli.options import JsonOption, QuietOption, RunsDirOption
from rlm_cli.output import Output
from rlm_cli.program import program
from rlm_cli.run_reference import quoted_reference

NewName = Annotated[str, typer.Argument(metavar="NEW", help="The new name.")]


def copy(
    run_name: Annotated[
        str, typer.Argument(metavar="RUN", help="Name of a run or path to one.", autocompletion=complete_runs)
    ],
    new: NewName,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a copy of a run under another name.

    The copy has everything the run has: weights, checkpoints, earlier versions and
    conversations. The run stays as it is.

    Examples:
      rlm copy book book-2
      rlm copy runs/book/versions/before-shakespeare old-book
    """
    from rlm_cli.training_session import interruptible_creation

    output = Output.of(json=json, quiet=quiet)
    with interruptible_creation(output):
        from models.runs.run import Run
        from models.runs.run_folder import copy_run, size_of_tree
        from rlm_cli.environment import runs_dir as find_runs_dir

        folder = find_runs_dir(runs_dir)
        run = Run.open(run_name, folder)
        made = copy_run(run, new, folder)
        size = size_of_tree(made.path)
    output.json({"name": made.name, "path": str(made.path), "copy_of": run.name, "size_bytes": size})
    output.say(f"Copied {run.name} to {made.name} ({byte_size(size)}).")
    output.say(f"Look at it:  {program()} show {quoted_reference(made)}")


def rename(
    run_name: Annotated[
        str, typer.Argument(metavar="RUN", help="Name of a run.", autocompletion=complete_runs)
    ],
    new: NewName,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Give a run another name.

    Its folder is renamed in one step. A run in training is left alone.

    Examples:
      rlm rename book novel
    """
    from models.runs.run import Run
    from models.runs.run_folder import find_folder, rename_run
    from rlm_cli.environment import runs_dir as find_runs_dir

    output, folder = Output.of(json=json, quiet=quiet), find_runs_dir(runs_dir)
    run = Run.open(find_folder(run_name, folder), folder)
    renamed = rename_run(run, new, folder)
    output.json({"name": renamed.name, "path": str(renamed.path), "before": run.name})
    output.say(f"{run.name} is called {renamed.name} now.")
