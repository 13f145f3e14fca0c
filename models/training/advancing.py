"""The data layer's progress as events."""

import dataclasses
from collections.abc import Generator
from typing import TypeVar

from data.advance import Advance
from models.events import Event, PreparationAdvanced

Outcome = TypeVar("Outcome")


def advancing(work: Generator[Advance, None, Outcome]) -> Generator[Event, None, Outcome]:
    """`work` with its progress as events; the return value is passed on."""
    while True:
        try:
            advance = next(work)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        yield PreparationAdvanced(**dataclasses.asdict(advance))
