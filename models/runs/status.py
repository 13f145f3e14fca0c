"""Whether a training is over and judged, or has something left to do."""

from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.run import Run


def is_finished(run: Run) -> bool:
    """Whether the newest checkpoint is the last, and evaluation.json is of it. More that was asked for
    since counts. Raises RunError where evaluation.json is damaged."""
    newest = newest_checkpoint(run.checkpoints_path)
    if newest is None or newest.state.get("ended") is None:
        return False
    extension = run.read_config().get("extension")
    return (extension is None or extension["from_step"] != newest.step) and is_judged(run, newest.step)


def is_judged(run: Run, step: int) -> bool:
    """Whether the last evaluation was after `step` steps: a crash can come between the two."""
    evaluation = run.read_json("evaluation.json")
    return isinstance(evaluation, dict) and evaluation.get("after_steps") == step
