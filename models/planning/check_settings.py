"""What is wrong with settings while they are typed, before there is a plan. Torch-free."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from data.errors import UsageError
from models.config import ModelConfig, TrainingConfig
from models.planning.request import parse_setting

_CONFIGS: dict[str, type] = {"model": ModelConfig, "training": TrainingConfig}


def setting_errors(values: Mapping[str, str]) -> dict[str, UsageError]:
    """What is wrong with each of `values`, by the dotted path of its setting. Values are as they were typed.

    A setting that only some architectures have is not judged: that needs torch, and a plan does it. Width and
    heads are judged together where both are there: a plan chooses the other one.
    """
    errors: dict[str, UsageError] = {}
    parsed: dict[str, dict[str, Any]] = {"model": {}, "training": {}}
    for path, text in values.items():
        section, _, name = path.partition(".")
        if section == "model" and not _has_field(ModelConfig, name):
            continue
        try:
            parsed[section][name] = parse_setting(path, text)
            _build(section, {name: parsed[section][name]})
        except UsageError as error:
            errors[path] = error
            parsed[section].pop(name, None)
    for section, fields in parsed.items():
        try:
            _build(section, fields)
        except UsageError as error:
            place = error.field if error.field in values else f"{section}.{next(reversed(fields))}"
            errors.setdefault(str(place), error)
    return errors


def _has_field(config: type, name: str) -> bool:
    return any(one.name == name for one in dataclasses.fields(config))


def _build(section: str, fields: Mapping[str, Any]) -> None:
    """Raise UsageError where a configuration cannot have these fields."""
    config = _CONFIGS[section]
    required = {"vocab_size": 2, "n_heads": 1} if section == "model" else {}
    if "n_heads" in fields and "d_model" not in fields:
        required["d_model"] = 8 * max(1, fields["n_heads"])
    config(**{**required, **fields})
