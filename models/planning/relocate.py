"""Records where the texts of a run are now, and the device and threads that it goes on with."""

import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

from data.corpus import scan_corpus
from data.errors import CorpusError, UsageError
from data.progress import Progress
from data.puzzles import open_puzzles
from models.device import choose_device, has_device
from models.growth.transaction import recover
from models.runs.datasets import source_paths
from models.runs.events import Event
from models.runs.machine import is_of_this_machine
from models.runs.progress import with_progress_events
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.text_search import known_reading, save_paths


def relocate(run: Run, paths: Sequence[str]) -> Generator[Event, None, None]:
    """Have `run` find the text that is at `paths` there from now on.

    It is the text that the run is at, or one it learned before. Raises CorpusError for any other, UsageError,
    RunError, StorageError; the run is then as it was.
    """
    config = run.config()
    if config.answers_problems:
        raise UsageError(
            f"The problems of run '{run.name}' are made here, and have no file.",
            hint=f"Go on without one: {{resume {run.in_command}}}",
        )
    if config.mix is not None:
        raise UsageError(
            f"Run '{run.name}' is trained on a mix, and a mix has several sources.",
            hint=f"Say where they are in its mix file: {{train mix=FILE continue_run={run.in_command}}}",
        )
    content_hash, found = yield from with_progress_events(_read(run, config, paths))
    with run.lock():
        config = recover(run)
        known = {config.content_hash, *(one.content_hash for one in run.datasets(config))}
        if content_hash not in known:
            raise CorpusError(
                f"'{paths[0]}' is not what run '{run.name}' was trained on.",
                hint=f"Give it as it was. A new text: {{train FILE continue_run={run.in_command}}}",
            )
        save_paths(run, config, content_hash, found)


def choose_other_machine(run: Run, *, device: str | None = None, threads: int | None = None) -> None:
    """Have `run` go on with this device and so many threads. It is measured when it does.

    Where it was measured with these, nothing changes. Raises UsageError for a device this machine has not and
    for an impossible number of threads, RunError, StorageError; the run is then as it was.
    """
    if device is not None:
        choose_device(device)
    with run.lock():
        config = recover(run)
        training, held = config.training_config(), config.calibration
        if (
            held is not None
            and is_of_this_machine(held)
            and device in (None, held.device, held.device.partition(":")[0])
            and threads in (None, held.threads)
        ):
            return
        kept = training.device if has_device(training.device) else "auto"
        values = {"device": device or kept, "threads": training.threads if threads is None else threads}
        changed = replace(config, training={**config.training, **values}, calibration=None)
        changed.training_config()  # a value out of bounds is refused before it is saved
        run.save_config(changed)


def _read(
    run: Run, config: RunConfig, paths: Sequence[str]
) -> Generator[Progress, None, tuple[str, list[str]]]:
    """The content hash and the absolute paths of what is at `paths`."""
    data = config.data
    if data is not None and config.solves_puzzles:
        puzzles = yield from open_puzzles(paths[0], data.count, data.seed or 0, task=config.puzzle_task or "")
        return puzzles.content_hash, [str(Path(os.path.expanduser(paths[0])).resolve())]
    corpus = yield from scan_corpus(paths, *known_reading(run, config.content_hash or ""))
    return corpus.content_hash, source_paths(corpus)
