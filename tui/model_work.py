"""What the model of a run is measured with: a trace of a text, scores, and the loss at each depth.

Needs no textual, and no torch before the model is loaded. Everything here runs in a thread.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from models.depth import DEFAULT_MODE, depth_of, next_mode
from models.generation.run_defaults import load_writer
from models.runs.events import EvaluationAdvanced, Event, PreparationAdvanced
from models.runs.run import Run

if TYPE_CHECKING:
    from models.analysis.analyze import RunAnalysis
    from models.analysis.trace import TextTrace
    from models.benchmark.report import Report
    from models.runs.load import LoadedModel

_Found = TypeVar("_Found")
CHARACTERS = 6000
"""That the model writes to be judged."""


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """How a text goes through the model."""

    mode: str = DEFAULT_MODE
    halts: bool = False
    """Whether a token leaves the recursion as soon as the model is sure enough of it."""
    with_ablations: bool = False
    """Whether the parts of the recursion are left out in turn, which takes longer."""

    def with_next_mode(self) -> "TraceSettings":
        return replace(self, mode=next_mode(self.mode))


def found_by(
    steps: Generator[Event, None, _Found], is_stopped: Callable[[], bool], on_event: Callable[[Event], None]
) -> _Found | None:
    """What a generator returns, or None where it was closed because of `is_stopped()`. `on_event` gets each
    event.

    Raises what the generator raises.
    """
    with closing(steps):
        while not is_stopped():
            try:
                event = next(steps)
            except StopIteration as end:
                found: _Found = end.value
                return found
            on_event(event)
    return None


def progress_of(event: Event) -> tuple[str, float | None] | None:
    """What a work is at, and the share that is done, where it is known. None for other events."""
    match event:
        case PreparationAdvanced():
            stage = event.stage
        case EvaluationAdvanced():
            stage = "evaluating"
        case _:
            return None
    return stage, min(1.0, event.done / event.total) if event.total > 1 else None


class ModelWork:
    """Measures the model of one run. It is loaded before the first work, and again where it has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.weights_time: float | None = None
        """When the weights in use were written, in seconds since the epoch. None: no model is loaded."""
        self._loaded: LoadedModel | None = None
        self._loading = threading.Lock()

    def trace(self, text: str, settings: TraceSettings) -> "Generator[Event, None, TextTrace]":
        """`text` through the model. Raises RlmError."""
        loaded = yield from self._model()
        from models.analysis.trace import trace_text

        yield PreparationAdvanced(stage="tracing", done=0, total=0)
        depth = depth_of(settings.mode)
        if settings.halts:
            depth = replace(depth, halt=loaded.model.default_halt)
        return trace_text(loaded, text, depth, with_ablations=settings.with_ablations)

    def scores(self, mode: str) -> "Generator[Event, None, RunAnalysis]":
        """What the model writes at `mode`, judged by the text it learned. Raises RlmError."""
        loaded = yield from self._model()
        from models.analysis.analyze import analyze_run
        from models.analysis.written_text import Writing

        return (yield from analyze_run(loaded, {mode: depth_of(mode)}, Writing(characters=CHARACTERS)))

    def depth(self) -> "Generator[Event, None, Report]":
        """What each depth costs and buys: supervision steps, for a run of puzzles. Raises RlmError."""
        run = Run(self.folder.resolve())
        config = run.config()
        if config.answers_problems:
            yield PreparationAdvanced(stage="loading the model", done=0, total=0)
            from models.benchmark.problem_depth import benchmark_problem_depth
            from models.generation.problem_solver import load_problem_solver

            self.weights_time = weights_written(run)
            return (yield from benchmark_problem_depth(load_problem_solver(run)))
        if config.solves_puzzles:
            yield PreparationAdvanced(stage="loading the model", done=0, total=0)
            from models.benchmark.puzzle_depth import benchmark_puzzle_depth
            from models.generation.solver import load_solver

            changed = weights_written(run)
            solver = load_solver(run)
            self.weights_time = changed
            return (yield from benchmark_puzzle_depth(solver))
        loaded = yield from self._model()
        from models.benchmark.depth import benchmark_depth

        return (yield from benchmark_depth(loaded))

    def _model(self) -> "Generator[Event, None, LoadedModel]":
        """The weights that the run has now."""
        run = Run(self.folder.resolve())
        yield PreparationAdvanced(stage="loading the model", done=0, total=0)
        with self._loading:  # a load that nobody waits for any more may be under way
            changed = weights_written(run)
            if self._loaded is None or changed != self.weights_time:
                self._loaded = load_writer(run)
                self.weights_time = changed
            return self._loaded


def weights_written(run: Run) -> float:
    """When the weights of a run were written, in seconds since the epoch; 0 where there are none."""
    try:
        return run.weights_path.stat().st_mtime
    except OSError:
        return 0.0
