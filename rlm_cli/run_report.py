"""A report on a run as JSON."""

import math
from typing import TYPE_CHECKING, Any

from rlm_cli.commands.ls import as_json
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.runs.run_report import Report


def report_json(report: "Report") -> dict[str, Any]:
    """Plain data with stable keys."""
    from models.runs.typed_json import to_json

    return {
        **as_json(report.summary),
        "busy": report.is_busy,
        "config": _finite(report.config.to_json()),
        "datasets": None
        if report.datasets is None
        else [_with_losses(_finite(to_json(one))) for one in report.datasets],
        "mix": [_finite(to_json(one)) for one in report.mix],
        "losses_at_step": report.measured_step,
        "evaluation": None if report.evaluation is None else _finite(to_json(report.evaluation)),
        "best_step": report.best_step,
        "checkpoints": [
            {"name": one.name, "step": one.step, "bytes": one.size, "pointers": report.pointers_to(one)}
            for one in report.checkpoints
        ],
        "versions": [as_json(version) for version in report.versions],
        "bytes": {"run": report.run_bytes, "weights": report.weights_bytes},
        "notes": [in_cli_words(note) for note in report.notes],
    }


def _with_losses(dataset: dict[str, Any]) -> dict[str, Any]:
    return {"loss_when_learned": None, "loss_now": None} | dataset


def _finite(value: Any) -> Any:
    """Replace values that JSON cannot hold by null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value
