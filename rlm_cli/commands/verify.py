"""`rlm verify`: check whether a trained model is sound."""

import shutil
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from data.safe_text import safe_text
from models.generation.run_defaults import SMALL_MODEL
from rlm_cli.exit_codes import ExitCode
from rlm_cli.generation_options import WriterDeviceOption, check_threads
from rlm_cli.options import JsonOption, RunArgument, RunsDirOption, ThreadsOption
from rlm_cli.output import Output
from rlm_cli.streams import stdout_is_terminal
from rlm_cli.torch_import import import_torch
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.analysis.soundness.result import CheckResult

_STYLES = {"sound": "green", "not sound": "bold red", "not applicable": "dim", "not measured": "yellow"}
_PIPE_WIDTH = 10_000
_CHECK_WIDTH, _VERDICT_WIDTH = len("loss, thorough"), max(map(len, _STYLES))


def verify(
    run_name: RunArgument = None,
    device: WriterDeviceOption = None,
    threads: ThreadsOption = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
) -> None:
    """Check whether a trained model is sound.

    checkpoints: every byte is what was written.
    tokenizer: held-out text is the same after encoding and decoding.
    weights: every number is finite.
    causality: no logit depends on a later token, at any mode.
    cache: writing with a cache gives the same logits.
    depth: a deeper mode changes the output.
    loss: the recorded loss of each mode is measured again.

    Exit code 0 if the model is sound, 1 if it is not. Ctrl-C stops.

    Examples:
      rlm verify
      rlm verify book
      rlm verify book --json
    """
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir

    output = Output.of(json=json)
    check_threads(threads)
    run = Run.open(run_name, find_runs_dir(runs_dir))
    import_torch(output)
    from models.analysis.soundness.verify import verify as results_of
    from models.device import prepare_process

    # The tokens of most checks are too few for several threads, which would only wait for each other.
    small = (run.config().parameters or 0) < SMALL_MODEL
    prepare_process(threads or (1 if small else 0))
    results, complete = _show_until_stopped(results_of(run, device or "cpu"), output)
    faults = [result for result in results if result.verdict == "not sound"]
    output.json(
        {
            "run": run.name,
            "path": str(run.path),
            "complete": complete,
            "sound": False if faults else True if complete else None,
            "checks": [{**result.to_dict(), "advice": in_cli_words(result.advice)} for result in results],
        }
    )
    for result in faults:
        if result.advice:
            output.say(f"{result.check}: {in_cli_words(result.advice)}")
    if not complete:
        raise typer.Exit(ExitCode.PAUSED)
    _show_verdict(run.name, results, output)
    if faults:
        raise typer.Exit(ExitCode.FAILED)


def _show_until_stopped(checks: "Iterable[CheckResult]", output: Output) -> "tuple[list[CheckResult], bool]":
    """Print each result. Returns them, and whether all checks were made: Ctrl-C stops."""
    results: list[CheckResult] = []
    try:
        for result in checks:
            results.append(result)
            _show(result, output)
    except KeyboardInterrupt:
        output.say("\nStopped before all checks were made.")
        return results, False
    return results, True


def _show(result: "CheckResult", output: Output) -> None:
    """Print a result. On a terminal, what was found goes on below itself where it is too long."""
    check = result.check if result.mode is None else f"{result.check}, {result.mode}"
    columns = _CHECK_WIDTH + _VERDICT_WIDTH + 4
    width = shutil.get_terminal_size().columns if stdout_is_terminal() else _PIPE_WIDTH
    is_narrow = width < 2 * columns
    indent = "\n" + " " * (2 if is_narrow else columns)
    lines = textwrap.wrap(safe_text(result.found), max(20, width - len(indent)))
    output.result(f"{check:{_CHECK_WIDTH}}  ", end="")
    output.result(f"{result.verdict:{_VERDICT_WIDTH}}  ", style=_STYLES[result.verdict], end="")
    output.result((indent if is_narrow else "") + indent.join(lines))


def _show_verdict(name: str, results: "list[CheckResult]", output: Output) -> None:
    faults = [result for result in results if result.verdict == "not sound"]
    open_checks = {result.check for result in results if result.verdict == "not measured"}
    if faults:
        names = ", ".join(dict.fromkeys(result.check for result in faults))
        output.say(f"\nRun '{name}' is not sound: {names}.")
    elif open_checks:
        output.say(f"\nNothing wrong was found. Not measured: {', '.join(sorted(open_checks))}.")
    else:
        output.say(f"\nRun '{name}' is sound.")
