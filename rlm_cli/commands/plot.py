"""`rlm plot`: the loss curves of runs."""

import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import RlmError, UsageError
from rlm_cli.completion import complete_runs
from rlm_cli.options import JsonOption, RunsDirOption, env_option
from rlm_cli.output import Output
from rlm_cli.output_file import require_free

if TYPE_CHECKING:
    from models.runs.loss_curves import LossCurves
    from models.runs.run import Run

_ENDINGS = (".svg", ".html", ".png")
_AS_WORDS = ".svg, .html or .png"


class XAxis(StrEnum):
    """What the x-axis counts."""

    STEP = "step"
    TOKENS = "tokens"
    TIME = "time"


def plot(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Names of runs or paths to them. Without any: the newest.",
            autocompletion=complete_runs,
            show_default=False,
        ),
    ] = None,
    x: Annotated[
        XAxis, env_option("--x", metavar="AXIS", help="step, tokens or time (trained).")
    ] = XAxis.STEP,
    log: Annotated[bool, typer.Option("--log", help="Logarithmic axes.")] = False,
    smooth: Annotated[
        float | None,
        env_option(
            "--smooth",
            metavar="W",
            help="Weight of the moving average of the training loss: 0 for none, to below 1. "
            "Without it: as much as averages over a hundredth of the curve.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        env_option("--out", metavar="FILE", help="Write an .svg, .html or .png instead.", dir_okay=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the FILE of --out.")] = False,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
) -> None:
    """Draw the loss curves of one or several runs.

    The line is the training loss, smoothed; the marks are the validation loss.
    Steps that were rolled back are left out. A .png needs matplotlib.

    Examples:
      rlm plot
      rlm plot book --x time --smooth 0
      rlm plot book second --log
      rlm plot book --out book.html
      rlm plot book --json
    """
    output = Output.of(json=json)
    _check(smooth, out, force)
    from models.runs.loss_chart import chart_of_runs
    from models.runs.loss_curves import LossCurves
    from rlm_cli.environment import runs_dir as find_runs_dir
    from rlm_cli.plot.draw import file_content, show_chart

    folder = find_runs_dir(runs_dir)
    runs = {run.path: run for run in _opened(names, folder)}
    curves: dict[str, LossCurves] = {}
    for run in runs.values():
        history = run.history()
        curves[_label(run, runs)] = found = LossCurves.of(history)
        if not found.training:
            raise _no_steps(run)
    described = [_as_json(run, curves[_label(run, runs)], smooth) for run in runs.values()]
    output.json({"x": x.value, "runs": described})
    if len(runs) > 1 and len({_unit(run) for run in runs.values()}) > 1:
        output.say("These runs have other tokenizers or tasks, so their losses cannot be compared.")
    chart = chart_of_runs(curves, axis=x.value, log=log, smooth=smooth)
    if not chart.series:
        raise UsageError("No loss is above 0, so a logarithmic axis shows nothing.", hint="Leave --log out.")
    if out is None:
        show_chart(chart, output)
        return
    from data.storage import replace_file

    path = Path(os.path.expanduser(out))
    replace_file(path, [file_content(chart, path, f"Loss of {', '.join(curves)}")], f"'{out}'")
    output.result(str(out))


def _opened(names: list[str] | None, folder: Path) -> "list[Run]":
    from models.runs.run import Run

    return [Run.open(name, folder) for name in names] if names else [Run.open(None, folder)]


def _check(smooth: float | None, out: Path | None, force: bool) -> None:
    """Raise UsageError for a weight or a file that cannot be used."""
    if smooth is not None and not 0 <= smooth < 1:
        raise UsageError(f"--smooth is {smooth}; it must be at least 0 and below 1.")
    if out is None:
        return
    if out.suffix.lower() not in _ENDINGS:
        raise UsageError(f"'{out}' is no kind of picture that rlm draws.", hint=f"End it in {_AS_WORDS}.")
    require_free(out, force=force)


def _label(run: "Run", runs: "dict[Path, Run]") -> str:
    """The name of a run, or its path where another one has that name."""
    return run.name if sum(one.name == run.name for one in runs.values()) == 1 else str(run.path)


def _no_steps(run: "Run") -> RlmError:
    from models.runs.listing import summarize

    created = summarize(run.path).status == "created"
    train = f"{{train FILE name={run.in_command}}}" if created else f"{{resume {run.in_command}}}"
    return RlmError(f"Run '{run.name}' has no step yet, so there is no curve.", hint=f"Train it: {train}")


def _unit(run: "Run") -> object:
    """What a loss is measured in: runs of another tokenizer or task have other losses."""
    from models.runs.tokenizer import expected_hash

    config = run.config()
    return config.content_hash if config.solves_puzzles else expected_hash(config)


def _as_json(run: "Run", curves: "LossCurves", smooth: float | None) -> dict[str, Any]:
    from models.runs.loss_curves import smoothed

    means = smoothed([point.loss for point in curves.training], smooth)
    return {
        "run": run.name,
        "path": str(run.path),
        "training": [
            {**asdict(point), "smoothed": mean} for point, mean in zip(curves.training, means, strict=True)
        ],
        "validation": [asdict(point) for point in curves.validation],
    }
