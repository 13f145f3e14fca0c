"""The problems of a run. Torch-free."""

from data.errors import CorpusError, UsageError
from data.problems.names import open_task
from data.problems.problem import ProblemTask
from models.runs.run import Run
from models.runs.run_config import RunConfig


def load_problems(run: Run, config: RunConfig, context_length: int, *, same: bool = True) -> ProblemTask:
    """The problems that a run learned, with a model that sees `context_length` tokens at once.

    Raises CorpusError where config.json names none, where they are too long for the model, and where they are
    to be the `same` and this version makes others or holds others out.
    """
    assert config.data is not None
    name = config.data.paths[0] if config.data.paths else ""
    restore = "Put the config.json back that it was trained with."
    try:
        problems = open_task(name)
    except UsageError as error:
        raise CorpusError(
            f"The config.json of run '{run.name}' names no problems: {error.message}", hint=restore
        ) from error
    if same and problems.content_hash != config.data.content_hash:
        raise CorpusError(
            f"The problems of run '{run.name}' were made by another version of rlm, or its config.json was "
            "changed.",
            hint=f"{restore} Or train a new run: {{train task={problems.name}}}",
        )
    if context_length < problems.context_length:
        raise CorpusError(
            f"The config.json of run '{run.name}' describes no model for its problems.", hint=restore
        )
    return problems
