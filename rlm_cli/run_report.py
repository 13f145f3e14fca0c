"""What there is to say of one run, read without torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data.errors import RlmError
from rlm_cli.commands.ls import as_json
from rlm_cli.wording import error_in_cli_words

if TYPE_CHECKING:
    from models.runs.checkpoint_folder import SavedCheckpoint
    from models.runs.datasets import Dataset
    from models.runs.evaluation import Evaluation, PuzzleEvaluation
    from models.runs.listing import RunSummary
    from models.runs.run import Run
    from models.runs.run_config import RunConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Details of a run. The part of a damaged file is None, and a note gives the reason."""

    summary: "RunSummary"
    config: "RunConfig"
    is_busy: bool
    datasets: "Sequence[Dataset] | None"
    evaluation: "Evaluation | PuzzleEvaluation | None"
    checkpoints: "Sequence[SavedCheckpoint]"
    pointers: dict[str, str]
    """Checkpoint folder by pointer name."""
    versions: "Sequence[RunSummary]"
    """What the run was before each text, and before each return to such a version."""
    run_bytes: int
    weights_bytes: int
    notes: tuple[str, ...]

    @property
    def best_step(self) -> int | None:
        best = self.pointers.get("best")
        step = next((one.step for one in self.checkpoints if one.name == best), None)
        return self.evaluation.step if step is None and self.evaluation is not None else step

    @property
    def measured_step(self) -> int | None:
        """The step of the current text at which the losses on all texts were measured last; None where they
        never were."""
        texts = [one for one in self.datasets or () if one.loss_now is not None]
        if not texts:
            return None
        if all(one.loss_now == one.loss_before for one in texts):
            return 0
        return next((one.steps for one in texts if one.content_hash == self.config.content_hash), None)

    @property
    def is_measured_now(self) -> bool:
        """Whether no step was taken since."""
        return self.measured_step in (None, self.summary.step)

    def pointers_to(self, checkpoint: "SavedCheckpoint") -> list[str]:
        return sorted(name for name, target in self.pointers.items() if target == checkpoint.name)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with stable keys."""
        from models.runs.typed_json import to_json

        return {
            **as_json(self.summary),
            "busy": self.is_busy,
            "config": _finite(self.config.to_json()),
            "datasets": None
            if self.datasets is None
            else [_with_losses(_finite(to_json(one))) for one in self.datasets],
            "losses_at_step": self.measured_step,
            "evaluation": None if self.evaluation is None else _finite(to_json(self.evaluation)),
            "best_step": self.best_step,
            "checkpoints": [
                {"name": one.name, "step": one.step, "bytes": one.size, "pointers": self.pointers_to(one)}
                for one in self.checkpoints
            ],
            "versions": [as_json(version) for version in self.versions],
            "bytes": {"run": self.run_bytes, "weights": self.weights_bytes},
            "notes": list(self.notes),
        }


def describe_run(run: "Run") -> Report:
    """Read the details of a run without torch. Raises RunError if its config.json is damaged."""
    from models.runs.checkpoint_folder import complete_checkpoints, pointers_in
    from models.runs.listing import summarize
    from models.runs.versions import versions

    config, summary = run.config(), summarize(run.path)
    datasets: Sequence[Dataset] | None = None
    evaluation: Evaluation | PuzzleEvaluation | None = None
    notes = []
    try:
        datasets = run.datasets(config)
    except RlmError as error:
        notes.append(_sentence(error))
    try:
        evaluation = run.evaluation()
    except RlmError as error:
        notes.append(_sentence(error))
    return Report(
        summary=summary,
        versions=[summarize(version.path) for version in versions(run, config)],
        config=config,
        is_busy=run.is_busy(),
        datasets=datasets,
        evaluation=evaluation,
        checkpoints=complete_checkpoints(run.checkpoints_path),
        pointers=pointers_in(run.checkpoints_path),
        run_bytes=summary.bytes,
        weights_bytes=_size_of_file(run.weights_path),
        notes=tuple(notes),
    )


def _sentence(error: RlmError) -> str:
    message, hint = error_in_cli_words(error)
    return f"{message} {hint}" if hint else message


def _with_losses(dataset: dict[str, Any]) -> dict[str, Any]:
    return {"loss_when_learned": None, "loss_now": None} | dataset


def _size_of_file(path: Any) -> int:
    try:
        return int(path.stat().st_size)
    except OSError:  # a training may have removed this checkpoint
        return 0


def _finite(value: Any) -> Any:
    """Replace values that JSON cannot hold by null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value
