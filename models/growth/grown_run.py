"""What is told of a run that has grown: what the check found, and the command that trains it. Torch-free."""

from models.runs.listing import summarize
from models.runs.run import Run

MINUTES = 5
"""For which a run that grew from a finished one is trained first, where nothing else is asked for."""


def same_output_words(change: float) -> str:
    """What the check found, for a table. `change` is the largest of a logit."""
    return "same output as before" + (f"; a logit changes by {change:.1g} at most" if change else "")


def training_command(run: Run) -> str:
    """The command that trains the run, in braces. It depends on the status of the run it grew from."""
    match summarize(run.path).status:
        case "created":
            return f"{{train FILE name={run.in_command}}}"
        case "finished":
            return f"{{resume {run.in_command} training.minutes={MINUTES}}}"
        case _:  # the schedule has steps left
            return f"{{resume {run.in_command}}}"
