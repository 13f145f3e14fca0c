"""How a run writes where nobody says otherwise: its settings, its best mode, and its model. Torch-free until
the model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from data.errors import UsageError
from models.depth import AUTO_MODE, DEFAULT_MODE, best_mode, depth_of
from models.errors import RunError
from models.generation.chat_settings import ChatSettings
from models.generation.settings import GenerationConfig
from models.runs.evaluation import Evaluation
from models.runs.run import Run

if TYPE_CHECKING:
    from models.runs.load import LoadedModel

SMALL_MODEL = 30_000_000  # parameters


def chat_settings(run: Run) -> ChatSettings:
    """The settings of a new chat with a run. Raises UsageError and RunError where the run has wrong ones."""
    values = run_settings(run)
    mode = resolve_mode(run, str(values.pop("mode", AUTO_MODE)))
    return ChatSettings(mode=mode, generation=GenerationConfig.from_dict(values))


def resolve_mode(run: Run, mode: str) -> str:
    """`mode`, or for "auto" the best measured mode. Raises UsageError for an unknown mode."""
    chosen = (best_mode(mode_losses(run)) or DEFAULT_MODE) if mode == AUTO_MODE else mode
    depth_of(chosen)
    return chosen


def mode_losses(run: Run) -> Mapping[str, float]:
    """Nats per token by trained mode, or of problems the share of wrong answers, as the training measured
    them; empty if it did not."""
    try:
        evaluation = run.evaluation()
    except RunError:  # it only advises
        return {}
    return evaluation.trained_mode_losses if isinstance(evaluation, Evaluation) else {}


def run_settings(run: Run) -> dict[str, Any]:
    """The content of the run's generation_config.json, if any. Raises UsageError, RunError."""
    content = run.read_json("generation_config.json") or {}
    if run.config().answers_problems:
        content = {"temperature": 0.0, **content}  # an answer is right or wrong
    try:
        if (mode := str(content.get("mode", AUTO_MODE))) != AUTO_MODE:
            depth_of(mode)
        GenerationConfig.from_dict(content)
    except UsageError as error:
        hint = f"It is in {run.path / 'generation_config.json'}."
        raise UsageError(error.message, hint=hint) from error
    return content


def load_writer(run: Run, device: str = "cpu", threads: int | None = None, *, texts: int = 1) -> LoadedModel:
    """The trained model, ready to write that many `texts` at once. Imports torch. Raises as `load_run`."""
    from models.device import choose_device, prepare_process
    from models.runs.load import load_run

    choose_device(device)  # report a mistake before loading the weights
    trained = load_run(run, device)
    # One token of a small model is too little work for several threads: they only wait for each other.
    is_small_work = texts == 1 and trained.model.parameter_counts()[0] < SMALL_MODEL
    prepare_process(threads or (1 if is_small_work else 0))
    return trained
