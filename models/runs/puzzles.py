"""The puzzles of a run: their kind, and those that it learns from and those held out. Torch-free."""

from collections.abc import Generator

from data.errors import CorpusError
from data.puzzle_kind import PuzzleKind
from data.puzzle_kinds import kind_of
from data.puzzles import PuzzleSet, open_puzzles, split
from models.runs.events import Event
from models.runs.progress import with_progress_events
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.text_search import find_content


def puzzle_kind(config: RunConfig) -> PuzzleKind:
    """The kind of puzzles that a run solves. Raises UsageError for a configuration of another version."""
    return kind_of(config.puzzle_task or "", config.data.symbols if config.data is not None else None)


def load_puzzles(run: Run, config: RunConfig) -> Generator[Event, None, tuple[PuzzleSet, PuzzleSet]]:
    """The puzzles that a run was trained on, to learn from and held out. Raises CorpusError where they are
    gone or have changed, UsageError, StorageError."""
    data, task = config.data, config.puzzle_task
    assert data is not None and task is not None
    count, seed = data.count, data.seed or 0
    found = find_content(
        run, data.paths, data.content_hash, lambda paths: open_puzzles(paths[0], count, seed, task=task)
    )
    puzzles = yield from with_progress_events(found)
    if puzzles is None:
        raise CorpusError(
            f"The puzzles of {data.paths[0]} are gone, or no longer the ones this run was trained on.",
            hint=f"Give them as they were: {{resume {run.in_command} text=FILE}}",
        )
    return split(puzzles, data.held_out, seed)
