"""A thread that owns a model and writes the texts that other threads submit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from data.errors import RlmError
from models.device import prepare_process
from models.generation.batch_decoder import BatchDecoder
from models.generation.continuation import Continuation, QueueFullError, Result, StoppedError

if TYPE_CHECKING:
    from models.generation.row import GeneratedToken

MAX_WAITING = 128
"""Texts that may wait, unless another number is given."""

Deliver = Callable[[list[Result]], None]


class DecodingThread:
    """Runs a BatchDecoder. `submit` and `stop` can be called from any thread.

    An exception that is not ours ends the texts that are being written, goes to `report`, and the thread
    goes on with the next ones.
    """

    def __init__(
        self,
        decoder: BatchDecoder,
        max_waiting: int = MAX_WAITING,
        report: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._decoder = decoder
        self._max_waiting = max_waiting
        self._report = report
        self._changed = threading.Condition()
        self._submitted: list[Continuation] = []
        self._deliver: dict[Continuation, Deliver] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, continuations: Sequence[Continuation], deliver: Deliver) -> None:
        """Write these texts. `deliver` gets their tokens, step by step, in this object's thread.

        Raises QueueFullError, StoppedError, and UsageError for a prompt with a token outside the
        vocabulary; then none of them is written.
        """
        for text in continuations:
            self._decoder.check(text)
        with self._changed:
            if self._stopping:
                raise StoppedError("The server is stopping.", hint="Ask again when it is back.")
            waiting = len(self._submitted) + self._decoder.waiting
            if waiting and waiting + len(continuations) > self._max_waiting:
                raise QueueFullError(f"{waiting} texts wait already.", hint="Ask again in some seconds.")
            self._submitted += continuations
            self._deliver.update(dict.fromkeys(continuations, deliver))
            self._changed.notify()

    @property
    def load(self) -> tuple[int, int]:
        """The numbers of texts that are being written and that wait."""
        return self._decoder.active, self._decoder.waiting + len(self._submitted)

    def stop(self) -> None:
        """End all texts with a StoppedError after the step that is computed now. Does not wait."""
        self._stopping = True  # without the lock: a signal handler may interrupt a thread that holds it

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended, after `stop`."""
        self._thread.join(timeout)

    def _run(self) -> None:
        prepare_process()  # a part of its settings is each thread's own
        while self._take_submitted():
            try:
                results = self._decoder.step()
            except Exception as error:  # one text must not end the server
                self._report(error)
                failure = RlmError("The server failed to compute this text.", hint="Its log says why.")
                # Not those that the decoder returns: the step may have lost some of them.
                self._decoder.clear()
                with self._changed:
                    results = [(text, failure) for text in self._deliver if text not in self._submitted]
            self._hand_over(results)
        stopped = StoppedError("The server is stopping.", hint="Ask again when it is back.")
        with self._changed:
            ended = list(self._deliver)
        self._hand_over([(text, stopped) for text in ended])

    def _take_submitted(self) -> bool:
        """Wait for texts and give them to the decoder. False once the thread must stop."""
        with self._changed:
            while not self._stopping and not (
                self._submitted or self._decoder.active or self._decoder.waiting
            ):
                self._changed.wait(0.1)
            submitted, self._submitted = self._submitted, []
            for text in submitted:
                if not text.cancelled:
                    self._decoder.add(text)
            # What was cancelled gets no result, so nothing else would remove it.
            self._deliver = {text: take for text, take in self._deliver.items() if not text.cancelled}
        return not self._stopping

    def _hand_over(self, results: list[Result]) -> None:
        grouped: dict[Deliver, list[Result]] = {}
        for text, outcome in results:
            deliver = self._deliver.get(text)
            if deliver is None or text.cancelled:
                continue
            grouped.setdefault(deliver, []).append((text, outcome))
            if _is_last(outcome):
                del self._deliver[text]
        for deliver, found in grouped.items():
            try:
                deliver(found)
            except Exception as error:
                self._report(error)
                for text, _ in found:
                    text.cancelled = True


def _is_last(outcome: GeneratedToken | RlmError) -> bool:
    return isinstance(outcome, RlmError) or outcome.finished is not None
