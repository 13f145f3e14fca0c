"""What is asked of a training from outside, and the one place where decisions are shared."""

import contextlib
import time
from collections.abc import Generator, Iterator
from typing import TypeVar

from models.runs import control_requests
from models.runs.control_requests import Request
from models.runs.events import EvaluationAdvanced, Event, PreparationAdvanced
from models.runs.run import Run

Outcome = TypeVar("Outcome")

PAUSE_OR_STOP: tuple[Request, ...] = ("pause", "stop")
POLL_S = 0.5
"""Seconds between two looks for requests in the run's folder."""


class Control:
    """Requests to one training, by the process that runs it or by another through the run's folder.

    A signal handler sets `interrupted`; the front end asks its user, while the generator of events
    waits, and answers with `pause`, `stop` or `go_on`. The training looks at `wants` in steps, and
    between the events of evaluation, sampling, tokenising and compiling.
    """

    def __init__(self, began: float | None = None) -> None:
        """`began` is when the user started to wait, on the clock of time.monotonic(); now if not given."""
        self.began = time.monotonic() if began is None else began
        self.interrupted = False
        self._requests: dict[Request, str] = {}
        """Each with its prompt; empty but for a sample."""
        self._run: Run | None = None
        self._polled_at = -POLL_S
        self._waited_s = 0.0

    def pause(self) -> None:
        """Save, and end with RunPaused."""
        self._requests["pause"] = ""

    def stop(self) -> None:
        """End with RunFinished and the best weights so far."""
        self._requests["stop"] = ""

    def save(self) -> None:
        """Save a checkpoint after the step, and go on."""
        self._requests["save"] = ""

    def sample(self, prompt: str = "") -> None:
        """Write a sample after the step, and go on. An empty prompt: that of the other samples."""
        self._requests["sample"] = prompt

    def go_on(self) -> None:
        """Withdraw an interrupt, and a pause or stop that followed it."""
        self.interrupted = False
        for kind in PAUSE_OR_STOP:
            self._requests.pop(kind, None)

    def listen(self, run: Run) -> None:
        """Take requests from the folder of `run` too. The caller holds the run's lock, which removed
        those of before."""
        self._run = run

    def wants(self, request: Request) -> bool:
        """Whether `request` was made and not yet done."""
        now = time.monotonic()
        if self._run is not None and now - self._polled_at >= POLL_S:
            self._polled_at = now
            self._requests |= control_requests.take(self._run)
        return request in self._requests

    def done(self, request: Request) -> None:
        """Forget `request`: it was carried out."""
        self._requests.pop(request, None)

    def take_sample(self) -> str:
        """The prompt of the sample that is wanted, which counts as written from now on."""
        prompt = self._requests.get("sample", "")
        self.done("sample")
        return prompt

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """For a front end that asks its user something: time in here does not count as training time."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._waited_s += time.monotonic() - began

    def now(self) -> float:
        """Seconds on the training's clock, which stands still in `waiting`."""
        return time.monotonic() - self._waited_s


def until_paused(
    work: Generator[Event, None, Outcome], control: Control
) -> Generator[Event, None, Outcome | None]:
    """The events of `work` and what it returns, or None where a pause was wanted before its end.

    It is left after an event that only tells progress: such work can be done again.
    """
    try:
        while True:
            event = next(work)
            yield event
            if isinstance(event, (PreparationAdvanced, EvaluationAdvanced)) and control.wants("pause"):
                work.close()
                return None
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
