"""`rlm benchmark speed --scan`: which model and which axes are scanned."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import UsageError
from rlm_cli.generation_options import open_run
from rlm_cli.interrupts import no_lost_signal

if TYPE_CHECKING:
    from models.benchmark.scan import ScanRequest

ScanOption = Annotated[
    bool,
    typer.Option("--scan", help="Show how costs grow with the sizes of models and corpora; needs no run."),
]
AxesOption = Annotated[
    str | None,
    typer.Option(
        "--axes",
        metavar="A,B",
        help="Axes of --scan: width, passes, context, vocabulary, corpus. Without it: all.",
        show_default=False,
    ),
]
ScanMinutesOption = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        metavar="M",
        help="Minutes of --scan; what takes longer is skipped. Without it: 3.",
        show_default=False,
    ),
]


def require_no_scan(axes: str | None, minutes: float | None) -> None:
    """Raise UsageError for an option that only a scan has."""
    for option, value in (("--axes", axes), ("--minutes", minutes)):
        if value is not None:
            raise UsageError(f"{option} is for a scan of sizes.", hint="Add --scan.")


def scan_request(
    run_name: str | None,
    runs_dir: Path | None,
    *,
    peers: bool,
    axes: str | None,
    minutes: float | None,
    device: str | None,
    threads: int | None,
) -> "ScanRequest":
    """The scan around the shape of the run `run_name`, or around the default one. Raises UsageError."""
    if peers:
        raise UsageError(
            "--peers times one run beside others, and --scan times no run.", hint="Leave one out."
        )
    with no_lost_signal():
        from models.benchmark.scan import DEFAULT_MINUTES, ScanRequest
    from models.benchmark.scan_axes import chosen_axes, default_model
    from models.config import TrainingConfig
    from models.device import choose_device, prepare_process
    from models.runs.compatibility import model_config_of

    base, subject, training = default_model(), "the default shape", TrainingConfig()
    if run_name is not None:
        run = open_run(run_name, runs_dir)
        config = run.config()
        config.require_text(run.path)
        base, training = model_config_of(run, config), config.training_config()
        subject = f"the shape of {run.name}"
    names = None if axes is None else [name.strip() for name in axes.split(",")]
    request = ScanRequest(
        base=base,
        subject=subject,
        axes=chosen_axes(names, base),
        device=choose_device(device or "auto"),
        training=training,
        minutes=DEFAULT_MINUTES if minutes is None else minutes,
    )
    prepare_process(threads or 1)  # one thread has a clock of its own
    return request
