"""How far a piece of preparation has come, as data, and what a generator that reports it returns."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

_Yielded = TypeVar("_Yielded")
_Converted = TypeVar("_Converted")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` `unit`s of a stage: reading, tokenizing or generating."""

    stage: str
    done: int
    total: int
    unit: str


def result_of(work: Generator[Any, None, _Result]) -> _Result:
    """Run `work` to its end and return what it returns; what it yields is dropped."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: _Result = end.value
            return result


def convert_yields(
    work: Generator[_Yielded, None, _Result], convert: Callable[[_Yielded], _Converted]
) -> Generator[_Converted, None, _Result]:
    """`work`, yielding `convert(value)` for each value it yields; it returns what `work` returns."""
    with contextlib.closing(work):
        while True:
            try:
                value = next(work)
            except StopIteration as end:
                result: _Result = end.value
                return result
            yield convert(value)
