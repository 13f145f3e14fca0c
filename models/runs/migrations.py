"""Format versions: which is current, and how a file of an older one becomes a file of today.

Each JSON file of a run says `format_version`. Where a key changes its meaning, its name or its place,
the number goes up by one and a step is added here, named after the file and the two versions; a key
that is merely new needs neither. Readers see today's form alone, and nobody else deals with versions.
A checkpoint's state.json may hold the run's whole config.json and datasets.json: each with its own
version, and taken through its own steps where it is read.

What is not in the table: tokenizer.json is in the format of the Hugging Face library, which has a
version of its own. Of events.jsonl every line stands for itself: it names its event, unknown keys and
events are passed over, and an event whose fields change their meaning gets another name; `run_started`
says the version all the same. What lies in the cache is made again where its version is another.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from models.errors import RunError
from models.runs.typed_json import JsonObject
from models.settings import RENAMED_VALUES, renamed_fields

CURRENT = {
    "config.json": 3,
    "datasets.json": 3,
    "evaluation.json": 1,
    "generation_config.json": 1,
    "state.json": 2,
    "events.jsonl": 1,
    "safetensors": 4,
}
"""The version each file is written in; one that is not listed is in its first."""

_KEY = "format_version"


def datasets_1_to_2(value: Any) -> JsonObject:
    """The bare list got a version; the one loss of a text became that when it was learned and that now."""
    entries = [_with_two_losses(entry) for entry in value] if isinstance(value, list) else None
    return {_KEY: 2, "datasets": entries}


def _with_two_losses(entry: Any) -> Any:
    if not isinstance(entry, dict) or "validation_loss" not in entry:
        return entry
    entry = dict(entry)
    loss = entry.pop("validation_loss")
    return {**entry, "loss_when_learned": loss, "loss_now": loss}


def datasets_2_to_3(value: Any) -> Any:
    """The sizes before and after a growth got names that say so."""
    if not isinstance(value, dict) or not isinstance(value.get("datasets"), list):
        return value
    return {**value, _KEY: 3, "datasets": [_with_named_sizes(entry) for entry in value["datasets"]]}


def _with_named_sizes(entry: Any) -> Any:
    grown = entry.get("grown") if isinstance(entry, dict) else None
    if not isinstance(grown, list) or not all(isinstance(one, dict) for one in grown):
        return entry
    return {**entry, "grown": [_renamed(one, {"from": "before", "to": "after"}) for one in grown]}


CONFIG_KEYS = {"measured": "calibration"}
"""Old to new, as the tables below."""


def config_1_to_2(value: Any) -> Any:
    """Sections and settings got plain names; `opened` is gone, since a training is told when it began."""
    if not isinstance(value, dict):
        return value
    config = _renamed({key: inner for key, inner in value.items() if key != "opened"}, CONFIG_KEYS)
    if isinstance(config.get("training"), dict):
        config["training"] = _with_plain_settings(config["training"])
    if "model" in config:
        config["model"] = _with_model_fields_of_2(config["model"])
    return {**config, _KEY: 2}


def _with_plain_settings(training: JsonObject) -> JsonObject:
    training = _renamed(training, renamed_fields("training"))
    schedule = training.get("schedule")
    if isinstance(schedule, str):
        training["schedule"] = RENAMED_VALUES["training.schedule"].get(schedule, schedule)
    return training


def _with_model_fields_of_2(section: Any) -> Any:
    return _renamed(section, renamed_fields("model")) if isinstance(section, dict) else section


def config_2_to_3(value: Any) -> Any:
    """The steps of trm's answer can get shorter; in earlier versions all of them were full."""
    if not isinstance(value, dict) or "model" not in value:
        return value
    return {**value, _KEY: 3, "model": _with_full_answer_steps(value["model"])}


def _with_full_answer_steps(section: Any) -> Any:
    if not isinstance(section, dict) or section.get("architecture") != "trm":
        return section
    return {"answer_damping": 0.0, **section}


def state_1_to_2(value: Any) -> Any:
    """`begins` became `is_initial`."""
    state = value.get("state") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(state, dict):
        return value
    initial = {"is_initial": True} if state.get("begins") else {}
    kept = {key: inner for key, inner in state.items() if key != "begins"}
    return {**value, _KEY: 2, "state": {**kept, **initial}}


def _renamed(value: JsonObject, names: dict[str, str]) -> JsonObject:
    return {names.get(key, key): inner for key, inner in value.items()}


def safetensors_1_to_2(value: Any) -> Any:
    """A tie is written once, and named in the metadata; a file that has it twice is read as it stands."""
    return value


_NGRAM_TENSOR = re.compile(r"(^|\.)earlier\.")


def safetensors_2_to_3(value: Any) -> Any:
    """`earlier.*` became `ngram_embeddings.*`, in moments and averages too; so did the fields of the copy of
    the configuration.

    `value` is {"tensors": the tensors by name, "metadata": texts by name}, each only where it was read.
    """
    if not isinstance(value, dict):
        return value
    value = {**value, _KEY: 3}
    if isinstance(tensors := value.get("tensors"), dict):
        value["tensors"] = {
            _NGRAM_TENSOR.sub(r"\1ngram_embeddings.", name): tensors[name] for name in tensors
        }
    return _with_config(value, _with_model_fields_of_2)


def safetensors_3_to_4(value: Any) -> Any:
    """As config_2_to_3, for the copy of the configuration. `value` is as in safetensors_2_to_3."""
    if not isinstance(value, dict):
        return value
    return _with_config({**value, _KEY: 4}, _with_full_answer_steps)


def _with_config(value: JsonObject, change: Callable[[Any], Any]) -> JsonObject:
    """`value` with the copy of the configuration in its metadata changed, where there is a readable one."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        return value
    try:
        section = json.loads(metadata["config"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return value  # whoever needs it says what is wrong with it
    return {**value, "metadata": {**metadata, "config": json.dumps(change(section))}}


_STEPS: dict[tuple[str, int], Callable[[Any], Any]] = {
    ("config.json", 1): config_1_to_2,
    ("config.json", 2): config_2_to_3,
    ("datasets.json", 1): datasets_1_to_2,
    ("datasets.json", 2): datasets_2_to_3,
    ("state.json", 1): state_1_to_2,
    ("safetensors", 1): safetensors_1_to_2,
    ("safetensors", 2): safetensors_2_to_3,
    ("safetensors", 3): safetensors_3_to_4,
}
"""By file and the version it is in before the step."""


def require_known(name: str, value: Any, path: object = None) -> int:
    """The version of what the file called `name` holds. Saying nothing, it is of the first.

    `path` is what to call the file in an error. Raises RunError for a later version than this
    rlm's, and for nonsense.
    """
    version = value.get(_KEY, 1) if isinstance(value, dict) else 1
    if type(version) is not int or version < 1:
        raise RunError(
            f"'{path or name}' is damaged: its '{_KEY}' is not what rlm writes.",
            hint="Put it right, or remove it.",
        )
    if version > CURRENT.get(name, 1):
        raise RunError(f"'{path or name}' was written by a later version of rlm.", hint="Update rlm.")
    return version


def migrated(name: str, value: Any, path: object = None) -> Any:
    """What the file called `name` holds, as today's rlm has it in memory: without its version.

    datasets.json is a list there. A value of no known shape is passed on for others to judge.
    Raises as `require_known` does.
    """
    for before in range(require_known(name, value, path), CURRENT.get(name, 1)):
        value = _STEPS[name, before](value)
    if not isinstance(value, dict):
        return value
    if name == "datasets.json":
        return value.get("datasets")
    return {key: inner for key, inner in value.items() if key != _KEY}


def stamped(name: str, value: Any) -> JsonObject:
    """The other way: what is written to the file called `name`, its version first."""
    content = {"datasets": value} if name == "datasets.json" else value
    return {_KEY: CURRENT.get(name, 1), **{key: inner for key, inner in content.items() if key != _KEY}}
