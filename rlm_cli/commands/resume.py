"""`rlm resume`: continue a paused or finished run."""

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import UsageError
from rlm_cli.commands.tui import require_terminal_for_training
from rlm_cli.completion import complete_versions
from rlm_cli.execution import Execution, was_started_again
from rlm_cli.options import (
    LENGTH_PANEL,
    WHERE_PANEL,
    DetachOption,
    DeviceOption,
    JsonOption,
    ProcessesOption,
    QuietOption,
    RunsDirOption,
    ShardOption,
    ThreadsOption,
    TuiOption,
    run_argument,
)
from rlm_cli.output import Output
from rlm_cli.program import program, seconds_since_start
from rlm_cli.run_reference import quoted_reference, reference
from rlm_cli.torch_import import import_torch

if TYPE_CHECKING:
    from models.runs.run import Run


def resume(
    context: typer.Context,
    run_name: Annotated[str | None, run_argument("the newest paused one")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="M", help="Train for this many more minutes.", rich_help_panel=LENGTH_PANEL),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Train for this many more steps.", rich_help_panel=LENGTH_PANEL
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="VERSION",
            help="Go back first to what the run was before a text; rlm show lists its versions.",
            autocompletion=complete_versions,
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Where the run's text is now, if it was moved.",
            rich_help_panel=WHERE_PANEL,
        ),
    ] = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    processes: ProcessesOption = None,
    shard: ShardOption = False,
    runs_dir: RunsDirOption = None,
    detach: DetachOption = False,
    tui: TuiOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Continue a run that was paused or interrupted.

    With --minutes or --steps, also continue a finished run. With --from, make the
    run again what it was before it learned another text; what it is now is kept too.
    On the same machine it goes on bit for bit. A text that was moved together
    with the run is found; for any other place, give --text.

    Examples:
      rlm resume
      rlm resume book
      rlm resume book --minutes 10
      rlm resume book --from before-shakespeare
      rlm resume book --text texts/book.txt
      rlm resume book --device cpu --threads 4
      rlm resume book --detach
      rlm resume book --tui
      rlm resume book --nproc 2
      rlm resume book --nproc 2 --shard
    """
    output = Output.of(json=json, quiet=quiet)
    execution = Execution.join(context, processes, shard=shard, detach=detach, tui=tui)
    if minutes is not None and steps is not None:
        raise UsageError("--minutes and --steps exclude each other.", hint="Give one of them.")
    if tui:
        command = f"resume {shlex.quote(run_name)}" if run_name else "resume"
        require_terminal_for_training(command, {"--json": json, "--quiet": quiet})

    import_torch(output)
    from models.runs.listing import has_finished
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir

    if was_started_again() and (run := execution.interrupted_run(runs_dir)) is not None:
        with run.hold():  # the flags were carried out at the first start
            raise typer.Exit(execution.train_here(run, output))
    folder = find_runs_dir(runs_dir)
    run = Run.open(run_name if run_name is not None else _newest_paused(folder), folder)
    _require_trainable(run, execution, device, has_more=bool(minutes or steps or version))
    with run.hold():
        if version is not None:
            _go_back(run, version, output)
        _relocate(run, output, text=text, device=device, threads=threads)
        if minutes is not None or steps is not None:
            from models.planning.extend import extend

            extend(run, minutes=minutes, steps=steps)
        elif version is not None and has_finished(run):
            name = quoted_reference(run)
            output.say(f"Talk to it:  {program()} chat {name}")
            output.say(f"Train it more:  {program()} resume {name} --minutes 5")
            return
        # New minutes count from the start of the process; what is left of earlier ones, from here.
        began_at = None if minutes is None else time.time() - seconds_since_start()
        execution.note_launch(run)
        output.say(f"Resuming {run.name}.", style="dim")
        if execution.is_in_this_process:
            raise typer.Exit(execution.train_here(run, output, began_at))
    raise typer.Exit(execution.train_elsewhere(run, output, began_at))


def _require_trainable(run: "Run", execution: Execution, device: str | None, *, has_more: bool) -> None:
    """Raise UsageError where the processes cannot train `run`, before anything is changed. `has_more` says
    that flags give a finished run more to do."""
    from models.device import this_or_best_device
    from models.runs.listing import has_finished
    from models.runs.run_names import refuse_version
    from models.training.open import finished
    from models.training.several_processes import require_trainable_in

    refuse_version(run.path)
    config = run.config()
    training = config.training_config()
    require_trainable_in(
        execution.processes,
        training,
        this_or_best_device(device or training.device),
        solves_puzzles=config.solves_puzzles,
    )
    # Each of the processes would find it finished.
    if execution.nproc and not has_more and has_finished(run) and run.weights_path.exists():
        raise finished(run)


def _relocate(
    run: "Run", output: Output, *, text: list[str] | None, device: str | None, threads: int | None
) -> None:
    """Note in `run` where its text is now, and what it trains on from now on."""
    from models.planning.relocate import choose_other_machine, relocate
    from rlm_cli.training_session import show_progress

    if text:
        show_progress(relocate(run, text), output)
    if device is not None or threads is not None:
        choose_other_machine(run, device=device, threads=threads)


def _go_back(run: "Run", version: str, output: Output) -> None:
    """Return the run to a version, and say so."""
    from models.growth.return_to_version import return_to_version

    saved, notes = return_to_version(run, version)
    for note in notes:
        output.warn(note)
    output.say(f"{run.name} is what it was as {version}.")
    if saved is not None:
        output.say(f"What it was until now is kept as {saved}.")


def _newest_paused(folder: Path) -> str:
    """The newest paused run. Raises UsageError if there is none."""
    from models.runs.listing import list_runs

    runs = list_runs(folder)
    paused = next((run for run in runs if run.status == "paused"), None)
    if paused is not None:
        return reference(paused)
    finished = next((run for run in runs if run.status == "finished"), None)
    hint = "See what there is: {ls}" if runs else "Train one: {train FILE}"
    if finished is not None:
        hint = f"Continue a finished one: {program()} resume {quoted_reference(finished)} --minutes 5"
    raise UsageError(f"No run in '{folder}' is paused.", hint=hint)
