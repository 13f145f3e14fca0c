"""The plan of a run that goes on with another text."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data.corpus import Corpus
from data.errors import UsageError
from data.mixes.mixed_corpus import MixedCorpus
from data.prepare import TokenCounts
from data.replay import ReplaySample, save_sample
from data.tokenizer import Tokenizer
from data.wording import counted, percent
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import Estimate
from models.errors import RunError
from models.growth.transaction import commit, recover, write_change
from models.planning.mix_plan import datasets_of, mix_in_plan, mix_rows
from models.planning.replay_share import Replay
from models.planning.run_content import RunContent
from models.planning.text_plan import data_section, record_notes
from models.planning.text_rows import (
    attention_row,
    filter_row,
    growth_row,
    length_in_words,
    loss_row,
    number_format_row,
)
from models.runs.checkpoint import Snapshot
from models.runs.datasets import Dataset, described_corpus, labels
from models.runs.lock import holding_lock_to_read
from models.runs.machine import is_of_this_machine
from models.runs.replay_samples import replay_folder
from models.runs.run import Run
from models.runs.run_config import ModelSection, ReplaySection, RunConfig
from models.runs.run_folder import copying
from models.runs.run_names import VERSIONS
from models.runs.typed_json import JsonObject
from models.runs.versions import save_version, version_name
from models.training.length import REWARM_OTHER_TEXT


@dataclass(frozen=True, kw_only=True)
class ContinuationPlan:
    """A run and the next text for it; nothing is written until it starts."""

    content: RunContent
    """The run as it is."""
    corpus: Corpus
    """The text or the mix."""
    data: TokenCounts
    tokenizer: Tokenizer
    model: ModelConfig
    training: TrainingConfig
    snapshot: Snapshot
    """What the run starts from."""
    replay: Replay
    new_samples: Sequence[ReplaySample]
    """Of earlier texts, drawn while this was planned and not yet stored."""
    datasets: list[Dataset]
    known: tuple[str, ...]
    """What the earlier texts are called."""
    estimate: Estimate
    started_at: float
    copy_name: str | None
    """Of the copy that goes on in the place of the run; None where the run itself does."""
    runs_dir: Path

    @property
    def run(self) -> Run:
        """The run that goes on, or of which a copy does."""
        return self.content.run

    @property
    def version(self) -> str | None:
        """The name under which the run keeps what it is now; None where a copy goes on."""
        if self.copy_name is not None:
            return None
        return version_name(self.run, f"before-{self.corpus.name}", self.content.config)

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        old, new = self.content.model.vocab_size, self.model.vocab_size
        vocabulary = f"{old:,} tokens, as before" if old == new else f"{old:,} tokens grow to {new:,}"
        replayed = f"{percent(self.replay.share)} old text" if self.replay.share else "none"
        expected = self.estimate.tokens_per_second
        return [
            ("run", self.run.name if self.copy_name is None else self.copy_name),
            self._row_of_before(),
            ("knows", ", ".join(self.known)),
            *self._text_rows(),
            *filter_row(self.corpus),
            *loss_row(self.training),
            *attention_row(self.training, self.corpus),
            ("vocabulary", vocabulary),
            ("parameters", f"{self.estimate.parameters:,}"),
            ("replay", f"{replayed} ({self.replay.reason})"),
            ("learning rate", f"rises again to {percent(REWARM_OTHER_TEXT)} of its peak"),
            self._number_format_row(),
            *growth_row(self.training),
            ("length", length_in_words(self.training, self.model, self.data, expected)),
        ]

    def _text_rows(self) -> list[tuple[str, str]]:
        if isinstance(self.corpus, MixedCorpus):
            return mix_rows(self.corpus, self.data)
        name = labels(self.datasets)[self.corpus.content_hash]
        return [("text", f"{name}: {counted(self.corpus.characters, 'character')}")]

    def _number_format_row(self) -> tuple[str, str]:
        calibration = self._config().calibration
        if calibration is not None and is_of_this_machine(calibration):
            return "number format", f"{calibration.number_format}: as before"
        return number_format_row(self.estimate)

    def to_dict(self) -> JsonObject:
        """The plan as JSON has it."""
        return {
            "name": self.run.name if self.copy_name is None else self.copy_name,
            "resumes": False,
            "copy_of": None if self.copy_name is None else self.run.name,
            "version": self.version,
            "corpus": described_corpus(self.corpus),
            **mix_in_plan(self.corpus, self.data),
            "known_corpora": list(self.known),
            "vocab_size": [self.content.model.vocab_size, self.model.vocab_size],
            "replay": asdict(self.replay),
            "model": ModelSection.of(self.model).dials,
            "training": asdict(self.training),
            "parameters": self.estimate.parameters,
        }

    def start(self) -> Run:
        """Switch the run, or a copy of it, to the new text on disk; training does not start here.

        The run as it is becomes a version; then come new replay samples, and one checkpoint that holds the
        whole change. Raises StorageError, RunBusyError, UsageError where the name of the copy is taken, and
        RunError where the run has changed since this was planned. The run is then as it was, and there is
        no copy.
        """
        with self.run.lock() if self.copy_name is None else holding_lock_to_read(self.run.path):
            if not self.content.is_current():
                raise RunError(
                    f"Run '{self.run.name}' was changed by another process meanwhile.", hint="Try again."
                )
            if self.copy_name is not None:
                with copying(self.run, self.copy_name, self.runs_dir, without=(VERSIONS,)) as (run, staged):
                    self._save_samples(staged)
                    write_change(
                        staged, self.snapshot, self._config(), self.tokenizer, datasets=self.datasets
                    )
                    recover(staged)
                    record_notes(staged, self.corpus.notes)
                return run
            if (version := self.version) is not None:
                recover(self.run)
                save_version(self.run, version)
            self._save_samples(self.run)
            commit(self.run, self.snapshot, self._config(), self.tokenizer, datasets=self.datasets)
            record_notes(self.run, self.corpus.notes)
        return self.run

    def _save_samples(self, run: Run) -> None:
        for sample in self.new_samples:
            save_sample(replay_folder(run), sample)

    def _row_of_before(self) -> tuple[str, str]:
        if self.copy_name is not None:
            return "copy of", f"{self.run.name}, which stays as it is"
        return "before this", f"kept as version {self.version}"

    def _config(self) -> RunConfig:
        before = self.content.config
        learned = {one.content_hash for one in datasets_of(self.corpus, self.data)}
        hashes = (one.content_hash for one in self.datasets)
        earlier = tuple(found for found in hashes if found is not None and found not in learned)
        replay = ReplaySection(share=self.replay.share, reason=self.replay.reason, corpora=earlier)
        return replace(
            before,
            name=before.name if self.copy_name is None else self.copy_name,
            revision=before.revision + 1,
            vocab_size_before=self.content.model.vocab_size,
            corpus=self.corpus.name,
            parameters=self.estimate.parameters,
            embedding_parameters=self.estimate.embedding_parameters,
            started_at=self.started_at,
            model=ModelSection.of(self.model),
            training=asdict(self.training),
            data=data_section(self.corpus, self.tokenizer, self.data),
            calibration=before.calibration if self._calibration_holds() else None,
            replay=replay,
            extension=None,
        )

    def _calibration_holds(self) -> bool:
        """Whether a step costs what it did, and may be taken as it was."""
        before = self.content.config.training
        names = ("batch_size", "micro_batch", "device", "number_format", "compile", "threads", "optimizer")
        return all(before.get(name) == getattr(self.training, name) for name in names)


def require_full_context(data: TokenCounts, model: ModelConfig, name: str) -> None:
    """Raise UsageError where the text does not fill one context of the model it is for."""
    if not data.fills_context(model.context_length):
        raise UsageError(
            f"The text is too short for run '{name}': it has {counted(data.train_tokens, 'token')} to learn "
            f"from, and one context is {model.context_length}.",
            hint="Give it more text, or train a new model on it: {fresh}",
        )
