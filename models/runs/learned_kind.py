"""What kind of text a run learned, which is how it answers in a chat. Torch-free."""

import contextlib

from models.errors import RunError
from models.runs.run import Run
from models.runs.run_config import RunConfig


def learned_kind(run: Run, config: RunConfig) -> str:
    """Text, documents, messages or problems. It is messages if the run ever learned conversations."""
    with contextlib.suppress(RunError):  # a damaged datasets.json does not stop a chat
        if any(entry.kind == "messages" for entry in run.datasets(config)):
            return "messages"
    if config.answers_problems:
        return "problems"
    return "text" if config.data is None else config.data.kind
