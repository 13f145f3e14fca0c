"""Requests written short: a setting by the name of its field, without its section."""

import dataclasses
from typing import Any

from models.config import LENGTHS, TrainingConfig
from models.planning.request import CreateRequest, Overrides, TrainRequest

SAME_EVERYWHERE = {
    "training.device": "cpu", "training.threads": 1, "training.number_format": "float32",
    "training.compile": "no",
}  # fmt: skip
"""Settings of a training that are not left to the machine."""
_TRAINING = {field.name for field in dataclasses.fields(TrainingConfig)}


def train_request(**values: Any) -> TrainRequest:
    """`train_request(paths=("a.txt",), name="owl", steps=5, settings={"model.core_layers": "2"})`."""
    fields, overrides = _sorted_out(TrainRequest, values)
    return TrainRequest(**fields, overrides=overrides)


def create_request(**values: Any) -> CreateRequest:
    """`create_request(name="owl", d_model=64)`."""
    fields, overrides = _sorted_out(CreateRequest, values)
    return CreateRequest(**fields, overrides=overrides)


def _sorted_out(request: type, values: dict[str, Any]) -> tuple[dict[str, Any], Overrides]:
    """The fields of the request, and the overrides; None is what is left open. A length that stands beside
    `settings` displaces theirs, as a typed one does."""
    known = {field.name for field in dataclasses.fields(request)}
    fields = {name: value for name, value in values.items() if name in known}
    short = {
        f"{'training' if name in _TRAINING else 'model'}.{name}": value
        for name, value in values.items()
        if name not in known and name != "settings" and value is not None
    }
    lengths = {f"training.{name}" for name in LENGTHS}
    settings = dict(values.get("settings", {}))
    if lengths & short.keys():
        settings = {path: value for path, value in settings.items() if path not in lengths}
    return fields, Overrides.parse({**settings, **short})
