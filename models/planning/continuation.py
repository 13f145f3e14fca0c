"""The plan of a run that goes on: with another text, or with more of the one it is at."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from data.corpus import Corpus
from data.errors import UsageError
from data.prepare import PreparedData
from data.tokenizer import Tokenizer
from models.config import ModelConfig, TrainingConfig
from models.cost import Estimate
from models.errors import RunError
from models.growth.transaction import commit, revision_of
from models.planning.extend import extend
from models.planning.replay_share import Replay
from models.planning.text_plan import data_section, growth_row, length_in_words
from models.runs.checkpoint import Snapshot
from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.datasets import Dataset, described_corpus, labels
from models.runs.run import Run
from models.training.length import REWARMED_FOR_ANOTHER_TEXT
from models.wording import counted


@dataclass(frozen=True, kw_only=True)
class MoreOfTheSame:
    """The text is the one the run is at: it goes on where it stands, for as long as was said."""

    run: Run
    text: str
    status: str
    minutes: float | None
    steps: int | None

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        length = "what is left of it"
        if self.minutes is not None:
            length = f"{counted(self.minutes, 'minute')} more"
        elif self.steps is not None:
            length = f"{counted(self.steps, 'step')} more"
        return [
            ("run", self.run.name),
            ("text", f"{self.text}, which it is at already"),
            ("status", self.status),
            ("length", length),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return {"name": self.run.name, "resumes": True, "minutes": self.minutes, "steps": self.steps}

    def start(self) -> Run:
        """Ask the run for so much more. Raises as `extend` does."""
        if self.minutes is not None or self.steps is not None:
            extend(self.run, minutes=self.minutes, steps=self.steps)
        return self.run


@dataclass(frozen=True, kw_only=True)
class Continuation:
    """A run and the next text for it; nothing is written until it starts."""

    run: Run
    before: Mapping[str, Any]
    """The run's config.json as it was when this was planned."""
    serial: int
    """Of the newest checkpoint there was then."""
    corpus: Corpus
    data: PreparedData
    tokenizer: Tokenizer
    old_model: ModelConfig
    model: ModelConfig
    training: TrainingConfig
    snapshot: Snapshot
    replay: Replay
    datasets: list[Dataset]
    known: tuple[str, ...]
    """What the earlier texts are called."""
    estimate: Estimate
    started_at: float

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        name = labels(self.datasets)[self.corpus.content_hash]
        old, new = self.old_model.vocab_size, self.model.vocab_size
        vocabulary = f"{old:,} tokens, as before" if old == new else f"{old:,} tokens grow to {new:,}"
        replayed = f"{100 * self.replay.share:.3g} % of every batch" if self.replay.share else "none"
        expected = self.estimate.tokens_per_second
        return [
            ("run", self.run.name),
            ("knows", ", ".join(self.known)),
            ("text", f"{name}: {self.corpus.characters:,} characters"),
            ("vocabulary", vocabulary),
            ("parameters", f"{self.estimate.parameters:,}"),
            ("replay", f"{replayed}: {self.replay.reason}"),
            ("learning rate", f"rises again to {100 * REWARMED_FOR_ANOTHER_TEXT:.0f} % of its peak"),
            *growth_row(self.training),
            ("length", length_in_words(self.training, self.model, self.data, expected)),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return {
            "name": self.run.name,
            "resumes": False,
            "corpus": described_corpus(self.corpus),
            "known_corpora": list(self.known),
            "vocab_size": [self.old_model.vocab_size, self.model.vocab_size],
            "replay": asdict(self.replay),
            "model": {"architecture": self.model.architecture, **asdict(self.model)},
            "training": asdict(self.training),
            "parameters": self.estimate.parameters,
        }

    def start(self) -> Run:
        """Make the run one that is at the new text. Raises StorageError, RunBusyError, and RunError
        where the run has changed since this was planned; the run is then as it was."""
        with self.run.lock():
            if (self.run.read_config(), serial_of(self.run)) != (self.before, self.serial):
                raise RunError(
                    f"Run '{self.run.name}' was changed by another process meanwhile.", hint="Try again."
                )
            commit(self.run, self.snapshot, self._config(), self.tokenizer, datasets=self.datasets)
        return self.run

    def _config(self) -> dict[str, Any]:
        kept = {key: value for key, value in self.before.items() if key not in ("opened", "extension")}
        if not self._measured_still_holds():
            kept.pop("measured", None)
        hashes = (one.get("content_hash") for one in self.datasets)
        earlier = [found for found in hashes if found not in (None, self.corpus.content_hash)]
        return {
            **kept,
            "revision": revision_of(self.before) + 1,
            "vocab_size_before": self.old_model.vocab_size,
            "corpus": self.corpus.name,
            "parameters": self.estimate.parameters,
            "embedding_parameters": self.estimate.embedding_parameters,
            "started_at": self.started_at,
            "model": {"architecture": self.model.architecture, **asdict(self.model)},
            "training": asdict(self.training),
            "data": data_section(self.corpus, self.tokenizer, self.data),
            "replay": {**asdict(self.replay), "corpora": earlier},
        }

    def _measured_still_holds(self) -> bool:
        """Whether a step costs what it did, and may be taken as it was."""
        before = self.before["training"]
        asked = ("batch_size", "micro_batch", "device", "number_format", "compile", "threads", "optimizer")
        return all(before.get(name) == getattr(self.training, name) for name in asked)


def serial_of(run: Run) -> int:
    """Of the newest checkpoint of a run; 0 for one that has none."""
    newest = newest_checkpoint(run.checkpoints_path)
    return 0 if newest is None else newest.serial


def require_fitting_length(data: PreparedData, model: ModelConfig, name: str) -> None:
    """Raise UsageError where the text does not fill one context of the model it is for."""
    if not data.fills_context(model.context_length):
        raise UsageError(
            f"The text is too short for run '{name}': {data.train_tokens:,} tokens to learn from do not "
            f"fill one of its contexts of {model.context_length}.",
            hint="Give it more text, or train a new model on it: --fresh",
        )
