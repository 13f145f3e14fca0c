"""A model without training: a configuration, fresh weights, and what it costs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from data.errors import UsageError
from data.storage import storing
from data.tokenizer import Tokenizer, load_tokenizer
from models.architectures import build_model, model_config
from models.config import ModelConfig, TrainingConfig, from_dict
from models.cost import Estimate, estimate, require_memory, skeleton
from models.device import choose_device
from models.planning.preset_choice import counts_alike, preset_for
from models.planning.request import CreateRequest, drop_lengths, everything_said, lengths_in, shape_of
from models.runs.checkpoint import save_weights
from models.runs.new_run import fresh_run
from models.runs.run import Run
from models.wording import counted

DEFAULT_VOCAB_SIZE = 96
"""For a model that is created without a tokenizer and without a size."""


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
            ("model", f"{model.architecture}, width {model.d_model}, {counted(model.n_heads, 'head')}"),
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
        """Make the run, weights included; where that fails, nothing of it is left.

        Raises UsageError, StorageError.
        """
        with fresh_run(self.name, runs_dir) as run:
            torch.manual_seed(int(self.training.get("seed", 0)))
            model = build_model(self.model)
            metadata = {"format": "rlm", "config": json.dumps(self.to_dict()["model"])}
            if self.tokenizer is not None:
                with storing("the tokenizer"):
                    self.tokenizer.save(run.tokenizer_path)
                metadata["tokenizer"] = self.tokenizer.to_json()
            save_weights(run, model.state_dict(), metadata)
            run.write_config(
                {
                    "name": run.name,
                    "parameters": self.estimate.parameters,
                    "embedding_parameters": self.estimate.embedding_parameters,
                    "model": self.to_dict()["model"],
                    "tokenizer_hash": self.tokenizer.hash if self.tokenizer is not None else None,
                    "training": dict(self.training),
                }
            )
        return run


def plan_creation(request: CreateRequest) -> CreationPlan:
    """Settle what the request leaves open. Raises UsageError, also for a model that could not be
    trained in the memory there is, and TokenizerError."""
    said = everything_said(request)
    preset = preset_for(request.preset, said.training)
    tokenizer = load_tokenizer(request.tokenizer) if request.tokenizer is not None else None
    size = tokenizer.vocab_size if tokenizer is not None else DEFAULT_VOCAB_SIZE
    model = model_config({"vocab_size": size, **shape_of(said, preset)})
    training = dict(preset.training) if preset is not None else {}
    if preset is not None and not counts_alike(preset, tokenizer):
        training.pop("target_loss", None)  # the text to come may be cut into other tokens
    training |= said.training
    if lengths_in(said.training):
        drop_lengths(training)
        training |= lengths_in(said.training)
    checked = from_dict(TrainingConfig, training, "training")
    if tokenizer is not None and model.vocab_size != tokenizer.vocab_size:
        raise UsageError(
            f"The tokenizer has {tokenizer.vocab_size} tokens, not {model.vocab_size}.",
            hint="Leave --vocab-size out: the tokenizer says it.",
        )
    device = choose_device(checked.device)
    require_memory(skeleton(model), checked, device, pieces=False)
    return CreationPlan(
        name=request.name,
        model=model,
        training=training,
        tokenizer=tokenizer,
        estimate=estimate(model, checked, device),
    )
