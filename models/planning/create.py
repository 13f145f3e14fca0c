"""A model without training: a configuration, fresh weights, and what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from data.errors import UsageError
from data.storage import storing
from data.tokenizer import KINDS, Tokenizer, load_tokenizer
from data.wording import byte_size, counted
from models.architectures import build_model, model_config, skeleton
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import Estimate, require_memory
from models.device import choose_device
from models.planning.defaults import DEFAULT_VOCAB_SIZE
from models.planning.measured_speed import expected_estimate
from models.planning.preset_choice import counts_alike, preset_for, size_note
from models.planning.request import CreateRequest, length_in, model_settings, without_length
from models.runs.best_weights import weights_metadata
from models.runs.checkpoint import save_weights
from models.runs.new_run import new_run
from models.runs.run import Run
from models.runs.run_config import ModelSection, RunConfig
from models.runs.typed_json import JsonObject
from models.settings import from_dict


@dataclass(frozen=True, kw_only=True)
class CreationPlan:
    """A model that can be made."""

    name: str
    runs_dir: Path
    model: ModelConfig
    training: Mapping[str, Any]
    tokenizer: Tokenizer | None
    estimate: Estimate
    notes: tuple[str, ...] = ()
    """What the user should know of the preset."""

    def rows(self) -> list[tuple[str, str]]:
        """The model as a short table."""
        cost, model = self.estimate, self.model
        blocks = cost.parameters - cost.embedding_parameters
        return [
            ("run", self.name),
            ("model", f"{model.architecture}, width {model.d_model}, {counted(model.n_heads, 'head')}"),
            ("vocabulary", counted(model.vocab_size, "token")),
            ("context", counted(model.context_length, "token")),
            (
                "parameters",
                f"{cost.parameters:,} ({blocks:,} in blocks, {cost.embedding_parameters:,} in embeddings)",
            ),
            ("weights", byte_size(4 * cost.parameters)),
            ("training memory", f"about {byte_size(cost.training_bytes)}"),
            ("training speed", f"about {cost.tokens_per_second:,.0f} tokens/s on this machine"),
        ]

    def to_dict(self) -> JsonObject:
        """The model as JSON has it."""
        return {
            "model": ModelSection.of(self.model).dials,
            "parameters": self.estimate.parameters,
            "embedding_parameters": self.estimate.embedding_parameters,
            "memory_bytes": self.estimate.training_bytes,
            "tokens_per_second": round(self.estimate.tokens_per_second, 1),
        }

    def start(self) -> Run:
        """Make the run, weights included; where that fails, nothing of it is left.

        Raises UsageError, StorageError.
        """
        with new_run(self.name, self.runs_dir) as run:
            torch.manual_seed(int(self.training.get("seed", 0)))
            model = build_model(self.model)
            if self.tokenizer is not None:
                with storing("the tokenizer"):
                    self.tokenizer.save(run.tokenizer_path)
            config = RunConfig(
                name=run.name,
                parameters=self.estimate.parameters,
                embedding_parameters=self.estimate.embedding_parameters,
                model=ModelSection.of(self.model),
                tokenizer_hash=self.tokenizer.hash if self.tokenizer is not None else None,
                training=self.training,
            )
            save_weights(run, model.state_dict(), weights_metadata(self.tokenizer, config))
            run.save_config(config)
        return run


def plan_creation(request: CreateRequest, runs_dir: Path) -> CreationPlan:
    """Decide what the request leaves open. Raises UsageError, also for a model that could not be
    trained in the memory there is, and TokenizerError."""
    overrides = request.overrides
    preset = preset_for(request.preset, overrides.training)
    if request.tokenizer in KINDS:
        raise UsageError(
            f"A {request.tokenizer} tokenizer is made from a text, and a new model has none yet.",
            hint=f"Make both at once: {{train FILE name={request.name} tokenizer={request.tokenizer}}}",
            field="tokenizer",
        )
    tokenizer = load_tokenizer(request.tokenizer) if request.tokenizer is not None else None
    size = tokenizer.vocab_size if tokenizer is not None else DEFAULT_VOCAB_SIZE
    model = model_config({"vocab_size": size, **model_settings(overrides, preset)})
    recipe = dict(preset.training) if preset is not None else {}
    if preset is not None and not counts_alike(preset, tokenizer):
        recipe.pop("target_loss", None)  # the text to come may be cut into other tokens
    left_open = {name: value for name, value in recipe.items() if f"training.{name}" not in overrides.values}
    training = {
        **without_length(recipe),
        **overrides.training,
        **(overrides.length or length_in(left_open)),
    }
    checked = from_dict(TrainingConfig, training, "training")
    if tokenizer is not None and model.vocab_size != tokenizer.vocab_size:
        raise UsageError(
            f"The tokenizer has {counted(tokenizer.vocab_size, 'token')}, not {model.vocab_size}.",
            hint="Leave {model.vocab_size} out: the tokenizer says it.",
            field="model.vocab_size",
        )
    device, layout = choose_device(checked.device), skeleton(model)
    require_memory(layout, checked, device, pieces=False)
    return CreationPlan(
        name=request.name,
        runs_dir=runs_dir,
        model=model,
        training=training,
        tokenizer=tokenizer,
        estimate=expected_estimate(layout, checked, device),
        notes=() if (note := size_note(preset, model.vocab_size)) is None else (note,),
    )
