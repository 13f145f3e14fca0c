"""What the shell completes: names of runs, versions, presets, architectures and modes. Imports no torch."""

from collections.abc import Iterator

import typer

from models.architectures import ARCHITECTURES

ARCHITECTURE_CHOICES = tuple(name.replace("_", "-") for name in ARCHITECTURES)
"""As they are typed."""


def complete_runs(context: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of runs, newest first, for the shell. Prints no errors."""
    from data.errors import RlmError
    from models.runs.listing import list_runs
    from rlm_cli.environment import runs_dir

    try:
        runs = list_runs(runs_dir(context.params.get("runs_dir")))
    except (RlmError, OSError):
        return
    for run in runs:
        if run.name.startswith(incomplete):
            yield run.name, " ".join(part for part in (run.architecture, run.status) if part)


def complete_versions(context: typer.Context, incomplete: str) -> Iterator[str]:
    """Names of the versions of the run that is typed already, for the shell."""
    from data.errors import RlmError
    from models.runs.run import Run
    from models.runs.versions import versions
    from rlm_cli.environment import runs_dir

    try:
        run = Run.open(context.params.get("run_name"), runs_dir(context.params.get("runs_dir")))
        names = [version.name for version in versions(run, run.config())]
    except (RlmError, OSError):
        return
    yield from (name for name in names if name.startswith(incomplete))


def complete_presets(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of presets, for the shell."""
    from models.presets import PRESETS

    for preset in PRESETS.values():
        if preset.name.startswith(incomplete):
            yield preset.name, preset.summary


def complete_architectures(incomplete: str) -> list[str]:
    """Names of architectures, for the shell."""
    return sorted(name for name in ARCHITECTURE_CHOICES if name.startswith(incomplete.replace("_", "-")))


def complete_modes(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of modes, for the shell."""
    from models.depth import AUTO_MODE, MODES

    for mode, depth in MODES.items():
        if mode.startswith(incomplete):
            yield mode, f"{depth.cycles} cycles of {depth.steps}"
    if AUTO_MODE.startswith(incomplete):
        yield AUTO_MODE, "the best measured one"
