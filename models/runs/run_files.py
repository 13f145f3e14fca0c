"""What the JSON files of a run must look like, checked where they are read and nowhere else.

A file may be whole JSON and still not be what rlm wrote: edited by hand, half restored, a
stranger's. Keys that nothing here knows are let through, but for those of `measured`, which are all known.
The dials of model and training are left to their configurations, which name the nearest one.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]


def config_problem(config: Mapping[str, Any]) -> str | None:
    """What is wrong with the value of config.json, as the end of a sentence; None where nothing is.

    Every run has a model; one that was given a text has what its training needs.
    """
    required = ("model", "training", "started_at") if "data" in config else ("model",)
    missing = next((key for key in required if key not in config), None)
    if missing is not None:
        return f"it has no '{missing}'"
    for key, check in _CONFIG.items():
        if key in config and not check(config[key]):
            return f"'{key}' is not what rlm writes"
    for section, (needed, optional) in _SECTIONS.items():
        if section in config and (problem := _section_problem(config[section], needed, optional)):
            return f"'{section}' {problem}"
    measured = config.get("measured")
    if isinstance(measured, dict) and (foreign := set(measured) - set(_SECTIONS["measured"][0])):
        return f"'measured' has a '{min(foreign)}' that rlm does not know"
    return None


def file_problem(name: str, value: Any) -> str | None:
    """The same for the value of one of the run's other JSON files."""
    if name == "datasets.json":
        return _datasets_problem(value)
    return None if isinstance(value, dict) else "it is not an object with names"


def _section_problem(section: Any, needed: Mapping[str, Check], optional: Mapping[str, Check]) -> str | None:
    if not isinstance(section, dict):
        return "is not an object with names"
    missing = next((key for key in needed if key not in section), None)
    if missing is not None:
        return f"has no '{missing}'"
    for key, check in {**needed, **optional}.items():
        if key in section and not check(section[key]):
            return f"has a '{key}' that is not what rlm writes"
    return None


def _datasets_problem(datasets: Any) -> str | None:
    if not isinstance(datasets, list) or not all(isinstance(entry, dict) for entry in datasets):
        return "it is not a list of texts"
    hashes = [entry["content_hash"] for entry in datasets if "content_hash" in entry]
    if len(datasets) > 1 and len(set(map(str, hashes))) < len(datasets):
        return "two of its texts have the same 'content_hash', or one has none"
    for number, entry in enumerate(datasets, start=1):
        for key, check in _DATASET.items():
            if key in entry and not check(entry[key]):
                return f"text {number} has a '{key}' that is not what rlm writes"
    return None


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _texts(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(_text(one) for one in value)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 48


def _size(value: Any) -> bool:
    return _count(value) and value > 0


def _number(value: Any) -> bool:
    # A comparison, because no function of math takes a whole number beyond the largest float.
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _above_zero(value: Any) -> bool:
    return _number(value) and value > 0


def _number_format(value: Any) -> bool:
    return value in ("float32", "bfloat16", "float16")


def _threads(value: Any) -> bool:
    return _count(value) and value <= 4096


def _growths(value: Any) -> bool:
    return isinstance(value, list) and all(_is_growth(one) for one in value)


def _is_growth(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _text(value.get("what"))
        and all(map(_count, map(value.get, ("from", "to"))))
    )


def _perhaps(check: Check) -> Check:
    return lambda value: value is None or check(value)


_CONFIG: dict[str, Check] = {
    "started_at": _number,
    "revision": _count,
    "vocab_size_before": _size,
    "lineage": lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
}
_SECTIONS: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "model": ({"architecture": _text}, {}),
    "training": ({}, {}),
    "data": ({"paths": _texts, "content_hash": _text, "kind": _text}, {"prepared": _text}),
    "measured": (
        {
            "device": _text,
            "number_format": _number_format,
            "compiled": lambda value: isinstance(value, bool),
            "threads": _threads,
            "micro_batch": _size,
            "shallow_step_s": _above_zero,
            "deep_step_s": _above_zero,
        },
        {},
    ),
    "replay": (
        {"share": lambda value: _number(value) and 0 <= value < 1},
        {"reason": _text, "corpora": lambda value: isinstance(value, list) and all(map(_text, value))},
    ),
    "extension": ({"from_step": _count, "minutes": _perhaps(_above_zero), "steps": _perhaps(_size)}, {}),
}
"""By section: the keys it needs, and those it may have."""

_loss = _perhaps(lambda value: type(value) is float or _number(value))
_DATASET: dict[str, Check] = {
    "name": _text,
    "content_hash": _text,
    "kind": _text,
    "characters": _count,
    "documents": _count,
    "bytes": _count,
    "paths": _texts,
    "prepared": _text,
    "tokens": _perhaps(_count),
    "steps": _perhaps(_count),
    "loss_when_learned": _loss,
    "loss_before": _loss,
    "loss_now": _loss,
    "grown": _growths,
}
"""The keys of an entry of datasets.json; it needs none of them."""
