"""More training than was planned: a finished run goes on, a paused one gets a new length."""

from data.errors import UsageError
from models.run import Run
from models.training.checkpoint import load_checkpoint


def extend(run: Run, *, minutes: float | None = None, steps: int | None = None) -> None:
    """Have the next `train(run)` go on for so much more.

    A finished run warms its rate up again to half its peak and lets it fall anew; a paused one
    stretches or shortens what is left of its schedule. Raises UsageError, CheckpointError.
    """
    if (minutes is None) == (steps is None):
        raise UsageError("The length is one of minutes and steps.")
    if (minutes is not None and not 0 < minutes < float("inf")) or (steps is not None and steps < 1):
        raise UsageError("The length to go on for must be above 0.")
    with run.lock():
        snapshot, _ = load_checkpoint(run)
        config = run.read_config()
        config["extension"] = {"from_step": snapshot.step, "minutes": minutes, "steps": steps}
        run.write_config(config)
