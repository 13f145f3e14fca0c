"""Which evaluations and samples of a training are shown: few in a short run."""

import time
from collections.abc import Callable

from models.runs import events
from models.runs.events import Event

_EVALUATION_INTERVAL_S = 5.0
_SAMPLE_INTERVAL_S = 15.0


class Pace:
    """Leaves out evaluations and samples that follow the one before too soon.

    The last evaluation and its sample are always shown, and so is a sample that the user asked for. All of
    them are in the event log. `clock` gives seconds from any start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._evaluated_at: float | None = None
        self._sampled_at: float | None = None
        self._last_step = 0
        self._evaluated_step = -1
        """The step of the newest evaluation, shown or not."""

    def shows(self, event: Event) -> bool:
        """Whether to show `event`. Call it with every event, in order."""
        match event:
            case events.StepFinished():
                self._last_step = event.total_steps
                if self._evaluated_at is None:
                    self._evaluated_at = self._sampled_at = self._clock()
            case events.EvaluationFinished():
                self._evaluated_step = event.step
                if not self._is_due(event.step, self._evaluated_at, _EVALUATION_INTERVAL_S):
                    return False
                self._evaluated_at = self._clock()
            case events.SampleGenerated() if event.step == self._evaluated_step:
                if not self._is_due(event.step, self._sampled_at, _SAMPLE_INTERVAL_S):
                    return False
                self._sampled_at = self._clock()
        return True

    def _is_due(self, step: int, last_at: float | None, interval_s: float) -> bool:
        return last_at is None or step >= self._last_step or self._clock() - last_at >= interval_s
