"""state.json of a checkpoint: how far a training has come, typed. Torch-free."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

from models.runs.typed_json import (
    SMALLEST,
    AnyFloat,
    Count,
    Finite,
    JsonObject,
    Limits,
    Positive,
    Size,
    Text,
    read_record,
    to_json,
)

Seconds = Annotated[float, Limits(0, 1e12)]
Amount = Annotated[float, Limits(0, 1e18)]
"""Of text, in characters."""

WARMUP_SHARE = 0.1
"""The most of a training that its warm-up takes. A warm-up as long as the training never reaches the peak."""


@dataclass(slots=True)
class Counters:
    """What a training counts. The session changes it in place."""

    step: Count = 0
    position: Count = 0
    """Sequences drawn: the whole state of the data order."""
    tokens_seen: Count = 0
    elapsed_s: Seconds = 0.0
    finish_s: Seconds = 0.0
    """Of earlier sittings, the time after their last step: `elapsed_s` is without it."""
    best_loss: AnyFloat = math.inf
    best_step: Count = 0
    last_evaluated: Annotated[int, Limits(-1, 2**48)] = -1
    """Step of the last evaluation; -1 before the first."""
    mean_loss: AnyFloat = math.nan
    """Of the last steps, smoothed."""
    without_better: Count = 0
    """Evaluations in a row that were not the best."""
    rate_scale: Annotated[float, Limits(SMALLEST, 1)] = 1.0
    """Factor of the learning rate; rollbacks make it smaller."""
    rollbacks: Count = 0
    recent_losses: list[AnyFloat] = field(default_factory=list)
    skipped_steps: list[Count] = field(default_factory=list)
    characters_seen: Amount = 0.0
    """Of text, about, with what is replayed."""
    growths: Count = 0
    """Times the model grew since it began with its text, or could not grow."""
    foreign: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Progress from 0 at `first_step` to 1 at `last_step`, on a straight line from the anchor.

    The anchor moves only when the number of steps is planned again on the way: the steps before it keep
    their progress, and the rest is spread over the steps that are left.
    """

    first_step: Count
    last_step: Count
    anchor_step: Count
    anchor_progress: Finite = 0.0
    scale: Annotated[float, Limits(SMALLEST, 1e3)] = 1.0
    """Share of the peak learning rate that this training rises to."""
    warmup_steps: Count | None = None
    """Steps of rising rate; None in a training of an earlier version, whose configuration says them."""
    foreign: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def over(
        cls, first_step: int, last_step: int, scale: float = 1.0, warmup_steps: int | None = None
    ) -> "Schedule":
        """The schedule of a training that begins. Its warm-up takes a tenth of its steps at most."""
        if warmup_steps is not None:
            warmup_steps = min(warmup_steps, int(WARMUP_SHARE * (last_step - first_step)))
        return cls(first_step, last_step, anchor_step=first_step, scale=scale, warmup_steps=warmup_steps)

    def progress(self, step: int) -> float:
        """How far the training is after `step` steps, from 0 to 1."""
        left = max(1, self.last_step - self.anchor_step)
        done = min(1.0, (step - self.anchor_step) / left)
        return self.anchor_progress + (1.0 - self.anchor_progress) * done

    def ending_at(self, last_step: int, step: int) -> "Schedule":
        """The same, with another end, planned after `step` steps."""
        return replace(self, last_step=last_step, anchor_step=step, anchor_progress=self.progress(step))

    def going_on_to(self, last_step: int) -> "Schedule":
        """The same with a later end, planned when the last step was taken. The anchor stays: from there
        progress is less than it was, and the learning rate is no longer at its lowest."""
        return replace(self, last_step=last_step)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """Everything a training goes on from besides tensors."""

    counters: Counters
    schedule: Schedule
    micro_batch: Size = 1
    average_updates: Count = 0
    gradient_scale: Positive = 1.0
    """Of float16."""
    steps_without_overflow: Count = 0
    ended: Text | None = None
    """Why there is no next step; None where there is one."""
    seconds_left: Finite | None = None
    """To the end of the training's minutes, below 0 after it; None where its length is not a time."""
    revision: Count = 0
    """How often the run grew or was given another text before this checkpoint."""
    is_initial: bool = False
    """Whether no step was taken yet on the text the run is trained on."""
    config: Mapping[str, object] | None = None
    """Of a checkpoint that changes what the run is: its config.json, with the version of its format."""
    datasets: object | None = None
    """The same of datasets.json."""
    version: Text | None = None
    """Of a checkpoint that makes the run an earlier version again: the name of that version, which has the
    best weights, the evaluation and the replay samples."""
    foreign: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def initial(cls) -> Self:
        """The state before the first step."""
        return cls(counters=Counters(), schedule=Schedule.over(0, 1), is_initial=True)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises MismatchError with what is wrong."""
        return read_record(cls, value)

    def to_json(self) -> JsonObject:
        return to_json(self)
