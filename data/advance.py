"""How far a piece of preparation has come, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advance:
    """`done` of `total` `unit`s of a stage: reading or tokenizing. Between two of these a
    front end can act; the work goes on when the next one is asked for."""

    stage: str
    done: int
    total: int
    unit: str
