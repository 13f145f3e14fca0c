"""A model without training: a configuration, fresh weights, and what it costs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from data.errors import UsageError
from data.tokenizer import Tokenizer, load_tokenizer
from models.architectures import DEFAULT_ARCHITECTURE, build_model, model_config
from models.config import ModelConfig, TrainingConfig, from_dict
from models.device import choose_device
from models.presets import preset_named
from models.run import Run
from models.training.checkpoint import save_weights
from models.training.estimate import Estimate, estimate

SECTIONS = ("model", "training")
DEFAULT_VOCAB_SIZE = 96


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """What a user said; None is what they left open."""

    name: str
    preset: str | None = None
    architecture: str | None = None
    d_model: int | None = None
    n_heads: int | None = None
    context_length: int | None = None
    vocab_size: int | None = None
    tokenizer: str | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CreationPlan:
    """A model that can be made."""

    name: str
    model: ModelConfig
    training: Mapping[str, Any]
    tokenizer: Tokenizer | None
    estimate: Estimate

    def rows(self) -> list[tuple[str, str]]:
        """The model as a short table."""
        cost, model = self.estimate, self.model
        blocks = cost.parameters - cost.embedding_parameters
        return [
            ("run", self.name),
            ("model", f"{model.architecture}, width {model.d_model}, {model.n_heads} heads"),
            ("vocabulary", f"{model.vocab_size:,} tokens"),
            ("context", f"{model.context_length:,} tokens"),
            (
                "parameters",
                f"{cost.parameters:,} ({blocks:,} in blocks, {cost.embedding_parameters:,} in embeddings)",
            ),
            ("weights", f"{cost.parameters * 4 / 1e6:,.1f} MB"),
            ("training memory", f"about {cost.training_bytes / 1e6:,.0f} MB"),
            ("training speed", f"about {cost.tokens_per_second:,.0f} tokens/s on this machine"),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The model as JSON has it."""
        return {
            "model": {"architecture": self.model.architecture, **asdict(self.model)},
            "parameters": self.estimate.parameters,
            "embedding_parameters": self.estimate.embedding_parameters,
            "memory_bytes": self.estimate.training_bytes,
            "tokens_per_second": round(self.estimate.tokens_per_second, 1),
        }

    def start(self, runs_dir: Path) -> Run:
        """Make the run, weights included. Raises UsageError, StorageError."""
        run = Run.create(self.name, runs_dir)
        torch.manual_seed(int(self.training.get("seed", 0)))
        model = build_model(self.model)
        metadata = {"format": "rlm", "config": json.dumps(self.to_dict()["model"])}
        if self.tokenizer is not None:
            self.tokenizer.save(run.tokenizer_path)
            metadata["tokenizer"] = self.tokenizer.to_json()
        save_weights(run, model.state_dict(), metadata)
        run.write_config(
            {
                "name": run.name,
                "parameters": self.estimate.parameters,
                "embedding_parameters": self.estimate.embedding_parameters,
                "model": self.to_dict()["model"],
                "training": dict(self.training),
            }
        )
        return run


def plan_creation(request: CreateRequest) -> CreationPlan:
    """Settle what the request leaves open. Raises UsageError, TokenizerError."""
    preset = preset_named(request.preset) if request.preset is not None else None
    settings = settings_of(request.settings)
    tokenizer = load_tokenizer(request.tokenizer) if request.tokenizer is not None else None
    architecture = request.architecture or (preset.architecture if preset else DEFAULT_ARCHITECTURE)
    if preset is not None and preset.architecture != architecture.replace("-", "_"):
        raise UsageError(
            f"Preset '{preset.name}' is of architecture {preset.architecture}, not {architecture}.",
            hint="Keep one of --preset and --arch.",
        )
    values: dict[str, Any] = {"architecture": architecture, **(preset.model if preset else {})}
    names = ("d_model", "n_heads", "context_length")
    values |= settings["model"]
    values |= {name: getattr(request, name) for name in names if getattr(request, name) is not None}
    values["vocab_size"] = _vocab_size(request, tokenizer)
    training = {**(preset.training if preset else {}), **settings["training"]}
    if request.seed is not None:
        training["seed"] = request.seed
    checked = from_dict(TrainingConfig, training, "training")
    model = model_config(values)
    return CreationPlan(
        name=request.name,
        model=model,
        training=training,
        tokenizer=tokenizer,
        estimate=estimate(model, checked, choose_device(checked.device)),
    )


def settings_of(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`section.field` settings by section. Raises UsageError for a section there is not."""
    by_section: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for path, value in settings.items():
        section, _, name = path.partition(".")
        if section not in by_section or not name:
            raise UsageError(
                f"There is no setting '{path}'.",
                hint="Write model.FIELD or training.FIELD, as in model.dropout=0.1.",
            )
        by_section[section][name] = value
    return by_section


def _vocab_size(request: CreateRequest, tokenizer: Tokenizer | None) -> int:
    if tokenizer is None:
        return request.vocab_size if request.vocab_size is not None else DEFAULT_VOCAB_SIZE
    if request.vocab_size not in (None, tokenizer.vocab_size):
        raise UsageError(
            f"The tokenizer has {tokenizer.vocab_size} tokens, not {request.vocab_size}.",
            hint="Leave --vocab-size out: the tokenizer says it.",
        )
    return tokenizer.vocab_size
