"""From a run directory to a puzzle training in memory."""

from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from data.errors import CorpusError
from data.puzzles import PuzzleSet, open_puzzles, split
from models.architectures.puzzle_model import PuzzleModel
from models.device import prepare_process
from models.errors import CheckpointError
from models.runs.events import Event
from models.runs.progress import with_progress_events
from models.training.open import Opened, Start
from models.training.puzzles.calibrate import measure_puzzles
from models.training.puzzles.sampler import PuzzleDraws
from models.training.puzzles.session import PuzzleSession
from models.training.puzzles.time_budget import PuzzlePace


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The puzzles a training is measured on, and how much it learns from."""

    puzzles: PuzzleSet
    train_cells: int

    @property
    def validation_cells(self) -> int:
        return len(self.puzzles) * self.puzzles.size**2


def open_puzzle_training(start: Start) -> Generator[Event, None, Opened]:
    """What `open_training` leaves to be done for puzzles. Raises CorpusError where they have changed."""
    run, config, training = start.run, start.config, start.training
    start.note_opened()
    learned, held_out = yield from known_puzzles(config["data"])
    model = start.new_model()
    if not isinstance(model, PuzzleModel) or model.config.context_length != learned.size**2:
        raise CheckpointError(
            f"The config.json of run '{run.name}' describes no model for its puzzles.",
            hint="Put the config.json back that it was trained with.",
        )
    draws = PuzzleDraws(learned, training.seed, held_out)
    measured = start.known
    if measured is None:
        measured = yield from measure_puzzles(model, training, draws, prepare_process(training.threads))
        config["measured"] = asdict(measured)
        run.write_config(config)
    prepare_process(measured.threads)
    session = PuzzleSession(model, training, draws, measured)
    judged = HeldOut(held_out, len(learned) * learned.size**2)
    length = start.length
    pace = PuzzlePace(model, training, measured, judged.validation_cells, length.budget_s, length.deadline)
    return Opened(run, config, session, pace, puzzles=judged)


def known_puzzles(data: Mapping[str, Any]) -> Generator[Event, None, tuple[PuzzleSet, PuzzleSet]]:
    """The puzzles that the `data` of a config.json names, to learn from and to measure on."""
    source = data["paths"][0]
    puzzles = yield from with_progress_events(open_puzzles(source, data.get("count"), data.get("seed", 0)))
    if puzzles.content_hash != data["content_hash"]:
        raise CorpusError(
            f"The puzzles of {source} are no longer the ones this run was trained on.",
            hint="Put the old ones back, or train a new run on the new ones.",
        )
    return split(puzzles, data.get("held_out"), data.get("seed", 0))
