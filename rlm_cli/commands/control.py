"""`rlm pause`, `stop`, `save` and `sample`: send a request to a training in another process."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlm_cli.options import QuietOption, RunsDirOption, run_argument
from rlm_cli.output import Output
from rlm_cli.run_reference import newest_in_training

if TYPE_CHECKING:
    from models.runs.control_requests import Request

TrainingArgument = Annotated[str | None, run_argument("the newest in training")]


def pause(
    run_name: TrainingArgument = None, runs_dir: RunsDirOption = None, quiet: QuietOption = False
) -> None:
    """Pause a training in another process.

    It saves and ends. Continue it with rlm resume.

    Examples:
      rlm pause
      rlm pause book
    """
    _send(run_name, runs_dir, quiet, "pause", "pause and save")


def stop(
    run_name: TrainingArgument = None, runs_dir: RunsDirOption = None, quiet: QuietOption = False
) -> None:
    """Finish a training in another process.

    It ends with the best weights so far.

    Examples:
      rlm stop
      rlm stop book
    """
    _send(run_name, runs_dir, quiet, "stop", "finish with the best weights so far")


def save(
    run_name: TrainingArgument = None, runs_dir: RunsDirOption = None, quiet: QuietOption = False
) -> None:
    """Save a checkpoint of a training in another process.

    After a crash, rlm resume continues from it.

    Examples:
      rlm save
      rlm save book
    """
    _send(run_name, runs_dir, quiet, "save", "save a checkpoint")


def sample(
    run_name: TrainingArgument = None,
    prompt: Annotated[
        str,
        typer.Option("--prompt", "-p", help="What the model continues. Empty: the words of every sample."),
    ] = "",
    runs_dir: RunsDirOption = None,
    quiet: QuietOption = False,
) -> None:
    """Let a training in another process write a sample.

    The sample appears in the output of the training and in its training.log.

    Examples:
      rlm sample
      rlm sample book
      rlm sample book -p "One evening"
    """
    _send(run_name, runs_dir, quiet, "sample", "write a sample", prompt)


def _send(
    run_name: str | None, runs_dir: Path | None, quiet: bool, kind: "Request", meaning: str, prompt: str = ""
) -> None:
    from models.runs.control_requests import request
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir

    folder = find_runs_dir(runs_dir)
    run = Run.open(run_name if run_name is not None else newest_in_training(folder), folder)
    request(run, kind, prompt)
    Output.of(quiet=quiet).say(f"Asked {run.name} to {meaning}.")
