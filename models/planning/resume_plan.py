"""A run that is given the text it is at: it goes on as it is, for so much longer."""

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data.corpus import Corpus
from data.errors import UsageError
from data.mixes.mixed_corpus import MixedCorpus
from data.wording import counted
from models.config import TrainingConfig
from models.growth.transaction import recover
from models.planning.defaults import suggested_minutes
from models.planning.extend import extend
from models.planning.mix_plan import paths_of
from models.planning.relocate import choose_other_machine
from models.planning.request import TrainRequest
from models.planning.text_plan import record_notes
from models.planning.text_rows import filter_row
from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.datasets import source_paths, with_files, with_paths
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.run_folder import copy_run
from models.runs.run_names import VERSIONS
from models.runs.text_search import save_paths
from models.runs.typed_json import JsonObject
from models.settings import from_dict

_WHERE = ("device", "threads")
"""Settings that a run which goes on may be given anew."""


@dataclass(frozen=True, kw_only=True)
class ResumePlan:
    """A run that goes on with the text it is at, for so many minutes or steps more."""

    run: Run
    corpus: Corpus
    status: str
    minutes: float | None
    steps: int | None
    device: str | None
    threads: int | None
    copy_name: str | None
    """Of the copy that goes on in the place of the run; None where the run itself does."""
    runs_dir: Path
    started_at: float | None
    """When planning of new minutes began, in seconds since the epoch; None without new minutes. What is left
    of earlier ones counts from the start of the training."""

    @property
    def training(self) -> TrainingConfig:
        """How the run was trained, on the device that it goes on with."""
        training = self.run.config().training_config()
        return training if self.device is None else replace(training, device=self.device)

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        length = "what is left of it"
        if self.minutes is not None:
            length = f"{counted(self.minutes, 'minute')} more"
        elif self.steps is not None:
            length = f"{counted(self.steps, 'step')} more"
        return [
            (
                "run",
                self.run.name if self.copy_name is None else f"{self.copy_name}, a copy of {self.run.name}",
            ),
            (_what(self.corpus), f"{self.corpus.name} (already training on it)"),
            *filter_row(self.corpus),
            ("status", self.status),
            ("length", length),
        ]

    def to_dict(self) -> JsonObject:
        """The plan as JSON has it."""
        return {
            "name": self.run.name if self.copy_name is None else self.copy_name,
            "resumes": True,
            "copy_of": None if self.copy_name is None else self.run.name,
            "minutes": self.minutes,
            "steps": self.steps,
        }

    def start(self) -> Run:
        """Give the run, or a copy of it, its new length, the place of its text, and where it goes on.

        Raises as `extend` and `copy_run` do.
        """
        if self.copy_name is not None:
            copy = copy_run(self.run, self.copy_name, self.runs_dir, without=(VERSIONS,))
            return replace(self, run=copy, copy_name=None).start()
        self._save_files()
        if self.device is not None or self.threads is not None:
            choose_other_machine(self.run, device=self.device, threads=self.threads)
        if self.minutes is not None or self.steps is not None:
            extend(self.run, minutes=self.minutes, steps=self.steps)
        return self.run

    def _save_files(self) -> None:
        """Have the run find its text where it was given now, unless that was a stream and it has a file, and
        record what was assumed of it."""
        with self.run.lock():
            config, paths = recover(self.run), tuple(source_paths(self.corpus))
            assert config.data is not None
            record_notes(self.run, self.corpus.notes)
            if isinstance(self.corpus, MixedCorpus):
                self._save_sources(config, self.corpus)
                return
            if self.corpus.name == "stdin" and all(map(os.path.exists, config.data.paths)):
                return
            if config.content_hash == self.corpus.content_hash:
                known = self.run.datasets(config)
                if (found := with_files(known, self.corpus)) != known:
                    self.run.save_datasets(found)
                if config.data.paths != paths:
                    save_paths(self.run, config, config.content_hash, paths)

    def _save_sources(self, config: RunConfig, corpus: MixedCorpus) -> None:
        """Have the run find the sources of its mix where they were given now."""
        data, paths = config.data, {part.corpus.content_hash: part.source.path for part in corpus.mix}
        if data is None or data.mix is None or config.content_hash != corpus.content_hash:
            return
        sources = tuple(replace(one, path=paths[one.content_hash]) for one in data.mix.sources)
        found = replace(data, paths=paths_of(corpus), mix=replace(data.mix, sources=sources))
        if found == data:
            return
        datasets = self.run.datasets(config)
        for content_hash, path in paths.items():
            datasets = with_paths(datasets, content_hash, () if path is None else (path,))
        self.run.save_datasets(datasets)
        self.run.save_config(replace(config, data=found))


def plan_resume(
    run: Run, config: RunConfig, corpus: Corpus, request: TrainRequest, started_at: float, runs_dir: Path
) -> ResumePlan:
    """The plan of going on with the text that `run` is at, where planning began at `started_at`. Raises
    UsageError for what would change more than how long it trains."""
    for path in _changes(config, request):
        raise UsageError(
            f"Run '{run.name}' is already training on this {_what(corpus)}; drop {{{path}}}.",
            hint="For a new model: {fresh}, and no {continue_run}.",
            field=path,
        )
    length = request.overrides.length
    if "epochs" in length and "training.epochs" in request.ambient:
        length = {}
    if "epochs" in length:
        raise UsageError(
            f"More of a {_what(corpus)} is given in minutes or steps.",
            hint="For example: {training.minutes=5}",
            field="training.epochs",
        )
    finished = _is_finished(run, config)
    if finished and not length:
        length = {"minutes": suggested_minutes(corpus)}
    checked = from_dict(TrainingConfig, length, "training")
    return ResumePlan(
        run=run,
        corpus=corpus,
        status="finished" if finished else "paused",
        minutes=checked.minutes,
        steps=checked.steps,
        device=request.overrides.training.get("device"),
        threads=request.overrides.training.get("threads"),
        copy_name=request.name,
        runs_dir=runs_dir,
        started_at=None if checked.minutes is None else started_at,
    )


def _what(corpus: Corpus) -> str:
    return "mix" if isinstance(corpus, MixedCorpus) else "text"


def _is_finished(run: Run, config: RunConfig) -> bool:
    """Whether the newest checkpoint is the last and was evaluated, and no more was asked for since."""
    newest = newest_checkpoint(run.checkpoints_path)
    if newest is None or newest.state.ended is None:
        return False
    if config.extension is not None and config.extension.from_step == newest.step:
        return False
    evaluation = run.evaluation()
    return evaluation is not None and evaluation.after_steps == newest.step


def _changes(config: RunConfig, request: TrainRequest) -> list[str]:
    """The settings and fields that were typed and are not what the run is trained with now; its length and
    where it is trained are none of them."""
    now = {"training": asdict(config.training_config()), "model": config.model.dials}
    changes = []
    for section, values in (("training", request.overrides.training), ("model", request.overrides.model)):
        for name, value in sorted(values.items()):
            # What was left open has been chosen by calibration.
            if name not in _WHERE and value not in (
                now[section].get(name),
                getattr(config.calibration, name, None),
            ):
                changes.append(f"{section}.{name}")
    share = config.replay.share if config.replay is not None else 0.0
    if request.replay not in (None, share):
        changes.append("replay")
    if request.grow_vocab is not None:
        changes.append("grow_vocab")
    return [path for path in changes if path not in request.ambient]
