"""From what was typed and what the text is to a plan: nothing is written until it starts."""

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data.bpe_tokenizer import train_bpe_tokenizer
from data.character_tokenizer import train_character_tokenizer
from data.corpus import Corpus, scan_corpus
from data.errors import CorpusError, UsageError
from data.tokenizer import Tokenizer, load_tokenizer, suggested_tokenizer
from models.architectures import DEFAULT_ARCHITECTURE, model_config
from models.config import ModelConfig, TrainingConfig, from_dict
from models.device import choose_device
from models.events import Event, NoticeGiven, PreparationAdvanced
from models.presets import Preset, preset_named
from models.run import Run, suggest_name
from models.training.creation import CreateRequest, CreationPlan, plan_creation, settings_of
from models.training.estimate import Estimate, estimate
from models.training.opening import advancing
from models.training.sizing import suggested_minutes, suggested_model, suggested_training

__all__ = ["CreateRequest", "CreationPlan", "Plan", "TrainRequest", "plan_creation", "plan_training"]

LENGTHS = ("minutes", "steps", "epochs")
BYTE_PAIRS_PER_S = 2e6
"""Bytes of text a CPU cuts into byte pairs in a second."""
BYTE_PAIR_SHARE = 0.25
"""The most of the time asked for that may go into that."""
MOST_CHARACTERS = 512
"""Distinct characters above which a character vocabulary is no way out."""


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """What a user said; None is what they left open."""

    paths: tuple[str, ...]
    name: str | None = None
    preset: str | None = None
    architecture: str | None = None
    minutes: float | None = None
    steps: int | None = None
    epochs: float | None = None
    seed: int | None = None
    batch_size: int | None = None
    context_length: int | None = None
    tokenizer: str | None = None
    vocab_size: int | None = None
    d_model: int | None = None
    n_heads: int | None = None
    optimizer: str | None = None
    target_loss: float | None = None
    patience: int | None = None
    device: str | None = None
    number_format: str | None = None
    threads: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """`section.field` to value: what `--set` and configuration files give."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything settled but what only a measurement can settle."""

    name: str
    runs_dir: Path
    created: Run | None
    corpus: Corpus
    tokenizer: Tokenizer
    reason: str
    model: ModelConfig
    training: TrainingConfig
    estimate: Estimate
    started_at: float

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        corpus, model, training, cost = self.corpus, self.model, self.training, self.estimate
        embedding, blocks = cost.embedding_parameters, cost.parameters - cost.embedding_parameters
        return [
            ("run", self.name),
            ("text", f"{corpus.name}: {corpus.characters:,} characters, nine tenths to learn from"),
            ("tokenizer", f"{self.tokenizer.kind}, {self.tokenizer.vocab_size:,} tokens"),
            ("model", f"{model.architecture}, width {model.d_model}, {model.n_heads} heads, {self._depth()}"),
            ("parameters", f"{cost.parameters:,} ({blocks:,} in blocks, {embedding:,} in embeddings)"),
            ("batch", f"{training.batch_size} sequences of {model.context_length} tokens"),
            ("optimizer", training.optimizer if training.optimizer == "adamw" else "muon and adamw"),
            ("memory", f"about {cost.training_bytes / 1e6:,.0f} MB"),
            ("length", self._length()),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return {
            "name": self.name,
            "corpus": {
                "name": self.corpus.name,
                "kind": self.corpus.kind,
                "characters": self.corpus.characters,
                "documents": self.corpus.documents,
                "bytes": self.corpus.bytes,
                "content_hash": self.corpus.content_hash,
            },
            "tokenizer": {
                "kind": self.tokenizer.kind,
                "vocab_size": self.tokenizer.vocab_size,
                "reason": self.reason,
            },
            "model": {"architecture": self.model.architecture, **asdict(self.model)},
            "training": asdict(self.training),
            "parameters": self.estimate.parameters,
            "embedding_parameters": self.estimate.embedding_parameters,
            "memory_bytes": self.estimate.training_bytes,
            "expected_tokens": round(self._expected_tokens()),
            "expected_seconds": round(self._expected_s(), 1),
        }

    def start(self) -> Run:
        """Make the run directory, with all that training needs to begin. Raises UsageError."""
        run = self.created or Run.create(self.name, self.runs_dir)
        corpus = self.corpus
        self.tokenizer.save(run.tokenizer_path)
        run.write_json(
            "datasets.json",
            [
                {
                    "name": corpus.name,
                    "content_hash": corpus.content_hash,
                    "kind": corpus.kind,
                    "characters": corpus.characters,
                    "documents": corpus.documents,
                    "bytes": corpus.bytes,
                }
            ],
        )
        run.write_config(
            {
                "name": run.name,
                "corpus": corpus.name,
                "parameters": self.estimate.parameters,
                "embedding_parameters": self.estimate.embedding_parameters,
                "started_at": self.started_at,
                "model": {"architecture": self.model.architecture, **asdict(self.model)},
                "training": asdict(self.training),
                "data": {
                    "paths": [str(Path(source.path).resolve()) for source in corpus.sources],
                    "content_hash": corpus.content_hash,
                    "kind": corpus.kind,
                    "tokenizer": self.tokenizer.kind,
                    "tokenizer_hash": self.tokenizer.hash,
                },
            }
        )
        return run

    def _depth(self) -> str:
        from models.training.estimate import skeleton

        model = skeleton(self.model)
        calls = model.attention_calls(model.trained_depth)
        return f"up to {calls} block passes" if model.recursive else f"{calls} blocks, no recursion"

    def _length(self) -> str:
        training, tokens = self.training, f"about {self._expected_tokens() / 1e6:.1f}M tokens"
        if training.minutes is not None:
            return f"{training.minutes:g} minutes at most, {tokens}"
        unit = "steps" if training.steps is not None else "epochs"
        number = training.steps if training.steps is not None else training.epochs
        return f"{number:g} {unit}, {tokens}, about {self._expected_s() / 60:.1f} minutes"

    def _expected_tokens(self) -> float:
        training = self.training
        if training.steps is not None:
            return training.steps * training.batch_size * self.model.context_length
        of_text = self.corpus.characters if self.tokenizer.kind == "character" else self.corpus.bytes / 4
        if training.minutes is None:
            return (training.epochs or 1.0) * 0.9 * of_text
        fitting = training.minutes * 60 * self.estimate.tokens_per_second
        return min(fitting, (training.most_epochs or math.inf) * 0.9 * of_text)

    def _expected_s(self) -> float:
        return self._expected_tokens() / self.estimate.tokens_per_second


def plan_training(request: TrainRequest, runs_dir: Path) -> Generator[Event, None, Plan]:
    """Look at the text and settle everything the request leaves open.

    Raises UsageError for what cannot be meant, CorpusError for text that cannot be used.
    """
    started_at = time.time()
    preset = preset_named(request.preset) if request.preset is not None else None
    created = _created_run(request, runs_dir)
    settings = settings_of(request.settings)
    corpus = yield from advancing(scan_corpus(request.paths))
    for note in corpus.notes:
        yield NoticeGiven(message=note)
    length = _length_of(request, preset, settings, corpus)
    yield PreparationAdvanced(stage="tokenizing", done=0, total=1)
    tokenizer, reason = _tokenizer(request, preset, created, corpus, length)
    yield PreparationAdvanced(stage="tokenizing", done=1, total=1)
    model = _model(request, preset, created, settings, corpus, tokenizer, length)
    training = _training(request, preset, created, settings, corpus, model, length)
    _require_enough(corpus, tokenizer, model)
    return Plan(
        name=request.name or suggest_name(corpus.name, runs_dir),
        runs_dir=runs_dir,
        created=created,
        corpus=corpus,
        tokenizer=tokenizer,
        reason=reason,
        model=model,
        training=training,
        estimate=estimate(model, training, choose_device(training.device)),
        started_at=started_at,
    )


def _created_run(request: TrainRequest, runs_dir: Path) -> Run | None:
    """The untrained run that `--name` means, if it is one. Raises UsageError for a trained one."""
    if request.name is None or not (runs_dir / request.name / "config.json").exists():
        return None
    run = Run.open(request.name, runs_dir)
    if "data" in run.read_config():
        raise UsageError(
            f"There is a run '{request.name}' already.",
            hint=f"Go on with it: rlm resume {request.name}   Or choose another --name.",
        )
    return run


def _length_of(
    request: TrainRequest, preset: Preset | None, settings: Mapping[str, Mapping[str, Any]], corpus: Corpus
) -> dict[str, Any]:
    """The one length that counts: typed, else set, else the preset's, else what suits the text."""
    typed = {name: getattr(request, name) for name in LENGTHS if getattr(request, name) is not None}
    for source in (typed, settings["training"], preset.training if preset is not None else {}):
        found = {name: source[name] for name in LENGTHS if source.get(name) is not None}
        if found:
            typed_values = from_dict(TrainingConfig, found, "training")
            return {name: getattr(typed_values, name) for name in found}
    return {"minutes": suggested_minutes(corpus)}


def _tokenizer(
    request: TrainRequest,
    preset: Preset | None,
    created: Run | None,
    corpus: Corpus,
    length: Mapping[str, Any],
) -> tuple[Tokenizer, str]:
    wanted = request.tokenizer or (preset.tokenizer if preset is not None else None)
    if wanted is None and created is not None and created.tokenizer_path.exists():
        return load_tokenizer(created.tokenizer_path), "the one the model was created with"
    if wanted is not None and wanted not in ("character", "bpe"):
        return load_tokenizer(wanted), f"the one in {wanted}"
    kind, vocab_size, reason = suggested_tokenizer(corpus)
    if request.vocab_size is not None and wanted is None:
        wanted = "bpe"
    if kind == "bpe" and wanted is None and _too_slow(corpus, length):
        return train_character_tokenizer(corpus), "byte pairs would take too much of the time there is"
    if wanted is not None and wanted != kind:
        kind, reason = ("bpe" if wanted == "bpe" else "character"), "as asked for"
        vocab_size = 1024
    if kind == "character":
        return train_character_tokenizer(corpus), reason
    return train_bpe_tokenizer(corpus, request.vocab_size or vocab_size), reason


def _too_slow(corpus: Corpus, length: Mapping[str, Any]) -> bool:
    """Whether cutting the text into byte pairs would eat the minutes asked for."""
    minutes = length.get("minutes")
    few = len(corpus.character_counts) <= MOST_CHARACTERS
    return minutes is not None and few and corpus.bytes / BYTE_PAIRS_PER_S > BYTE_PAIR_SHARE * 60 * minutes


def _model(
    request: TrainRequest,
    preset: Preset | None,
    created: Run | None,
    settings: Mapping[str, Mapping[str, Any]],
    corpus: Corpus,
    tokenizer: Tokenizer,
    length: dict[str, Any],
) -> ModelConfig:
    values: dict[str, Any] = {}
    if created is not None:
        values |= created.read_config()["model"]
    else:
        architecture = request.architecture or (preset.architecture if preset else DEFAULT_ARCHITECTURE)
        if preset is not None and preset.architecture != architecture.replace("-", "_"):
            raise UsageError(
                f"Preset '{preset.name}' is of architecture {preset.architecture}, not {architecture}.",
                hint="Keep one of --preset and --arch.",
            )
        values |= suggested_model(corpus, tokenizer.vocab_size, length, architecture)
        values |= {"architecture": architecture, **(preset.model if preset else {})}
    typed = {"d_model": request.d_model, "n_heads": request.n_heads, "context_length": request.context_length}
    values |= {name: value for name, value in typed.items() if value is not None}
    values |= settings["model"]
    return model_config({**values, "vocab_size": tokenizer.vocab_size})


def _training(
    request: TrainRequest,
    preset: Preset | None,
    created: Run | None,
    settings: Mapping[str, Mapping[str, Any]],
    corpus: Corpus,
    model: ModelConfig,
    length: Mapping[str, Any],
) -> TrainingConfig:
    values: dict[str, Any] = suggested_training(corpus, length, model)
    if preset is not None:
        values |= preset.training
    if created is not None:
        values |= created.read_config().get("training", {})
    names = (
        "seed",
        "batch_size",
        "optimizer",
        "target_loss",
        "patience",
        "device",
        "number_format",
        "threads",
    )
    values |= {name: getattr(request, name) for name in names if getattr(request, name) is not None}
    values |= settings["training"]
    for name in LENGTHS:
        values.pop(name, None)
    return from_dict(TrainingConfig, {**values, **length}, "training")


def _require_enough(corpus: Corpus, tokenizer: Tokenizer, model: ModelConfig) -> None:
    """Both splits must hold something to predict, the training one a whole context."""
    first_tenth = corpus.characters * 9 // 10
    tokens = first_tenth if tokenizer.kind == "character" else first_tenth // 2
    if tokens <= model.context_length:
        raise CorpusError(
            f"The text is too short: {corpus.characters:,} characters do not fill one context of "
            f"{model.context_length} tokens.",
            hint="Give it more text, or a shorter context: --context 32.",
        )
