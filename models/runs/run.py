"""A run: the folder that holds one model, its training and everything said about it.

    runs/<name>/
        config.json  tokenizer.json  model.safetensors
        events.jsonl  training.log  datasets.json  evaluation.json
        checkpoints/step_000500/…  replay/  versions/before-a-text/…  conversations/  control/

Everything here works without torch, so that listing and completing names is quick.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from data.storage import clear_temporaries, replace_json, storing
from models.errors import RunError, in_command
from models.runs import control_requests
from models.runs.datasets import (
    DATASETS_FILE,
    Dataset,
    completed,
    datasets_from_json,
    datasets_to_json,
)
from models.runs.evaluation import Evaluation, PuzzleEvaluation, evaluation_from_json
from models.runs.event_log import read_events
from models.runs.events import Event
from models.runs.history import History, text_started_at
from models.runs.incomplete import is_incomplete
from models.runs.live_progress import clear_progress
from models.runs.lock import (
    holding_lock,
    holding_lock_throughout,
    is_locked,
    require_in_place,
    require_unlocked,
)
from models.runs.migrations import migrated, stamped
from models.runs.read_files import read_json
from models.runs.recording import record_events
from models.runs.run_config import RunConfig
from models.runs.run_names import (
    CONFIG_FILE,
    NAME,
    is_there,
    name_is_taken,
    require_name,
    run_names,
    unknown_run,
)
from models.runs.typed_json import JsonObject, MismatchError, to_json

EVALUATION_FILE = "evaluation.json"
_LARGEST_CONFIG = 4 << 20
_LARGEST_JSON = 64 << 20
_CORRECT = "Correct it, or remove it."
_OTHER_FOLDERS = ("replay", "conversations")
_FORGOTTEN_AFTER_S = 60.0  # a temporary file this old belongs to nobody any more
_JSON_NAME = re.compile(r"[a-z][a-z_]*\.json", re.ASCII)

Typed = TypeVar("Typed")


@dataclass(frozen=True, slots=True)
class Run:
    """One run, by its resolved folder. Made by `create` and `open`."""

    path: Path

    @classmethod
    def create(cls, name: str, runs_dir: Path) -> "Run":
        """Make the folder of a new run. It counts as a run once `save_config` was called.

        A folder that a kill left before that is taken over; whoever fills it holds its lock.
        Raises UsageError for an impossible or taken name, StorageError.
        """
        require_name(name)
        path = runs_dir / name
        with storing(f"run '{name}'"):
            runs_dir.mkdir(parents=True, exist_ok=True)
            try:
                path.mkdir()
            except FileExistsError:
                if not is_incomplete(path):
                    raise name_is_taken(name, runs_dir) from None
        return cls(_resolved(path))

    @classmethod
    def open(cls, name_or_path: str | Path | None, runs_dir: Path) -> "Run":
        """The run of that name, or in that folder; None means the one changed last.

        Raises UsageError for a name nothing has, with the nearest names, and RunError for a
        folder that is not a run or is damaged.
        """
        if name_or_path is None:
            names = run_names(runs_dir)
            if not names:
                raise RunError("There is no run yet.", hint="Train one: {train FILE}")
            name_or_path = names[0]
        text = str(name_or_path)
        path = runs_dir / text
        if not (NAME.fullmatch(text) and is_there(path, follow_links=False)):
            path = Path(os.path.expanduser(text))
            if not text or not is_there(path):
                raise unknown_run(text, runs_dir)
        elif not (target := _resolved(path)).is_relative_to(_resolved(runs_dir)):
            raise RunError(f"Run '{text}' is a link that leads elsewhere.", hint=f"Give its path: {target}")
        run = cls(_resolved(path))
        run._refuse_links()
        run.config()  # raises where it is damaged
        return run

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def in_command(self) -> str:
        """How a command in a hint names the run."""
        return in_command(self.path)

    @property
    def config_path(self) -> Path:
        return self.path / CONFIG_FILE

    @property
    def tokenizer_path(self) -> Path:
        return self.path / "tokenizer.json"

    @property
    def weights_path(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def events_path(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def training_log_path(self) -> Path:
        return self.path / "training.log"

    @property
    def checkpoints_path(self) -> Path:
        return self.path / "checkpoints"

    @property
    def versions_path(self) -> Path:
        return self.path / "versions"

    def config(self) -> RunConfig:
        """The run's configuration, as this version of rlm has it. Raises RunError."""
        if os.path.exists(self.path) and not os.path.isdir(self.path):
            raise RunError(f"'{self.path}' is not a folder.", hint="Give the folder of a run, or its name.")
        try:
            config = read_json(self.config_path, _LARGEST_CONFIG)
        except FileNotFoundError:
            raise RunError(
                f"'{self.path}' is not a run: it has no {CONFIG_FILE}.", hint="See what there is: {ls}"
            ) from None
        version = config.get("format_version") if isinstance(config, dict) else None
        if type(version) is not int or version < 1:
            raise RunError(
                f"'{self.path}' is not a run: its {CONFIG_FILE} is of another kind.",
                hint="See what there is: {ls}",
            )
        try:
            return RunConfig.from_json(migrated(CONFIG_FILE, config, self.config_path))
        except MismatchError as error:
            raise RunError(
                f"'{self.config_path}' is damaged: {error}.", hint="See the others: {ls}"
            ) from error

    def save_config(self, config: RunConfig) -> None:
        """Replace the configuration in one step. Raises StorageError."""
        require_in_place(self.path)
        replace_json(self.config_path, stamped(CONFIG_FILE, config.to_json()))

    def datasets(self, config: RunConfig | None = None) -> list[Dataset]:
        """The texts of the run in the order it learned them; `config` is its configuration, if at hand.

        Texts that the file has lost are there as far as the configuration tells. Raises RunError.
        """
        config = self.config() if config is None else config
        return completed(self._typed(DATASETS_FILE, datasets_from_json) or [], config)

    def save_datasets(self, datasets: Sequence[Dataset]) -> None:
        """Replace datasets.json in one step. Raises StorageError."""
        self.write_json(DATASETS_FILE, datasets_to_json(datasets))

    def evaluation(self) -> Evaluation | PuzzleEvaluation | None:
        """What the last evaluation found, or None where there was none. Raises RunError."""
        return self._typed(EVALUATION_FILE, evaluation_from_json)

    def save_evaluation(self, evaluation: Evaluation | PuzzleEvaluation) -> None:
        """Replace evaluation.json in one step. Raises StorageError."""
        self.write_json(EVALUATION_FILE, to_json(evaluation))

    def _typed(self, name: str, read: Callable[[object], Typed]) -> Typed | None:
        """What `read` makes of one of the run's other JSON files; None where there is no such file."""
        path = self._json_path(name)
        try:
            return read(migrated(name, read_json(path, _LARGEST_JSON, _CORRECT), path))
        except FileNotFoundError:
            return None
        except MismatchError as error:
            raise RunError(f"'{path}' is damaged: {error}.", hint=_CORRECT) from error

    def read_json(self, name: str) -> JsonObject | None:
        """The object in one of the run's other JSON files; None where there is no such file.

        Raises RunError where the file is damaged, or of a later version.
        """
        return self._typed(name, _require_object)

    def write_json(self, name: str, value: Any) -> None:
        """Replace one of the run's other JSON files, its version added, in one step. Raises StorageError."""
        require_in_place(self.path)
        replace_json(self._json_path(name), stamped(name, value))

    def record(self, events: Iterable[Event]) -> Iterator[Event]:
        """Write each lasting event to the event log and the training log, and pass every event on.

        An error that ends `events` is recorded and passed on as RunFailed, and then raised. Raises
        StorageError where a log cannot be written. `events`, if a generator, is closed at the end.
        """
        return record_events(events, self.events_path, self.training_log_path)

    def events(self) -> Iterator[Event]:
        """Every event recorded so far; torn and foreign lines are passed over."""
        return read_events(self.events_path)

    def history(self) -> History:
        """What the event log says is true now, of the text the run is at. Raises RunError."""
        history = History(since=text_started_at(self.config()))
        for event in self.events():
            history.add(event)
        return history

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the one process that writes to this run. The system lets go of it if we die.

        What an interrupted write left behind is cleared, and so are requests to an earlier training and its
        progress. Raises RunBusyError that names the process which has it, StorageError.
        """
        with holding_lock(self.path) as is_taken:
            if not is_incomplete(self.path):  # else its staging folder is what shows that it is
                clear_temporaries(self.path, _FORGOTTEN_AFTER_S)
            clear_temporaries(self.path / "conversations", _FORGOTTEN_AFTER_S)
            for folder in (self.checkpoints_path, self.versions_path, self.path / "replay"):
                clear_temporaries(folder)  # written only under the lock
            if is_taken:
                self._forget_earlier_process()
            yield

    @contextlib.contextmanager
    def hold(self, *, reserved: bool = False) -> Iterator[None]:
        """Hold the lock over several steps that each take it, so that no other process comes between two.

        Requests that come meanwhile stay, for the training among these steps. With `reserved`, another
        process reserved the lock for this one, and the requests since then stay too. Raises as `lock`.
        """
        with holding_lock_throughout(self.path, is_reserved_for_us=reserved) as is_taken:
            if is_taken and not reserved:
                self._forget_earlier_process()
            yield

    def _forget_earlier_process(self) -> None:
        control_requests.clear(self)
        clear_progress(self.path)

    def is_busy(self) -> bool:
        """Whether a process holds the lock right now."""
        return is_locked(self.path)

    def require_idle(self) -> None:
        """Raise RunBusyError where a process holds the lock right now. Nothing is written."""
        require_unlocked(self.path)

    def _refuse_links(self) -> None:
        # These are written or cleaned up in place, and a link would take that out of the run.
        folders = (self.checkpoints_path, self.versions_path, *(self.path / name for name in _OTHER_FOLDERS))
        for path in (self.events_path, self.training_log_path, *folders):
            if os.path.islink(path):
                raise RunError(f"'{path}' is a link, and a run keeps everything in its own folder.")

    def _json_path(self, name: str) -> Path:
        assert _JSON_NAME.fullmatch(name) and name != CONFIG_FILE, name
        return self.path / name


def _resolved(path: Path) -> Path:
    """The path without links. Raises RunError where they lead in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise RunError(f"'{path}' is a link that leads to itself.", hint="Remove it.") from error


def _require_object(value: object) -> JsonObject:
    if not isinstance(value, dict):
        raise MismatchError("it is not an object with names")
    return value
