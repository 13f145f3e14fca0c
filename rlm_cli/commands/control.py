"""`rlm pause`, `stop`, `save` and `sample`: ask a training in another process for something."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from data.errors import UsageError
from rlm_cli.options import QuietOption, RunsDirOption, run_argument
from rlm_cli.output import Output
from rlm_cli.run_reference import reference

if TYPE_CHECKING:
    from models.runs.control_requests import Request

TrainingArgument = Annotated[str | None, run_argument("the newest that is training")]


def pause(run: TrainingArgument = None, runs_dir: RunsDirOption = None, quiet: QuietOption = False) -> None:
    """Pause a training that runs elsewhere.

    It saves and ends; rlm resume goes on with it.

    Examples:
      rlm pause
      rlm pause book
    """
    _send(run, runs_dir, quiet, "pause", "pause and save")


def stop(run: TrainingArgument = None, runs_dir: RunsDirOption = None, quiet: QuietOption = False) -> None:
    """Finish a training that runs elsewhere.

    It ends with the best weights so far.

    Examples:
      rlm stop
      rlm stop book
    """
    _send(run, runs_dir, quiet, "stop", "finish with the best weights so far")


def save(run: TrainingArgument = None, runs_dir: RunsDirOption = None, quiet: QuietOption = False) -> None:
    """Save a checkpoint of a training that runs elsewhere.

    After a crash rlm resume goes on from it.

    Examples:
      rlm save
      rlm save book
    """
    _send(run, runs_dir, quiet, "save", "save a checkpoint")


def sample(run: TrainingArgument = None, runs_dir: RunsDirOption = None, quiet: QuietOption = False) -> None:
    """Let a training that runs elsewhere write a sample.

    It is shown where the training runs, and in its training.log.

    Examples:
      rlm sample
      rlm sample book
    """
    _send(run, runs_dir, quiet, "sample", "write a sample")


def _send(run: str | None, runs_dir: Path | None, quiet: bool, kind: "Request", meaning: str) -> None:
    from models.runs.control_requests import request
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir

    folder = find_runs_dir(runs_dir)
    opened = Run.open(run if run is not None else _newest_in_training(folder), folder)
    request(opened, kind)
    Output.of(quiet=quiet).say(f"Asked {opened.name} to {meaning}.")


def _newest_in_training(folder: Path) -> str:
    from models.runs.listing import list_runs

    for run in list_runs(folder):
        if run.status == "training":
            return reference(run)
    raise UsageError(f"No run in {folder} is training.", hint="See what there is: rlm ls")
