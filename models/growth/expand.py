"""Grows a run into a new one, which continues where the old one stands."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from data.errors import UsageError
from data.replay import sample_name
from data.tokenizer import Tokenizer
from data.wording import byte_size
from models.architectures import skeleton
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import pieces_for_larger, require_memory, training_bytes
from models.cost.number_format import choose_number_format
from models.device import prepare_process, this_or_best_device
from models.growth.axes import AXES, differences, grow_config
from models.growth.check import require_same_model
from models.growth.new_run_files import NewRunFiles
from models.growth.parent import Parent, read_parent
from models.growth.planner import nearest
from models.growth.vocabulary import TokenParts, grow_vocabulary
from models.growth.weights import grow_snapshot, grow_weights
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import Snapshot
from models.runs.datasets import Dataset, with_growths
from models.runs.new_run import new_run
from models.runs.run import Run
from models.runs.run_config import Calibration, ModelSection, RunConfig
from models.runs.run_names import require_name, suggest_name
from models.runs.typed_json import JsonObject


@dataclass(frozen=True, kw_only=True)
class ExpansionPlan:
    """The new run that a run grows into. Nothing is written before `start`."""

    parent: Parent
    name: str
    runs_dir: Path
    model: ModelConfig
    tokenizer: Tokenizer | None
    parts: TokenParts | None
    parameters: tuple[int, int]
    embedding_parameters: tuple[int, int]
    training_bytes: tuple[int, int]
    """An estimate of the memory that training takes, as in `models.cost.estimate`."""
    notes: tuple[str, ...]
    """Sentences the user should see."""
    is_named: bool = True
    """Whether the user chose the name. If not, another may be used where it is taken by then."""

    @property
    def grown(self) -> dict[str, tuple[int, int]]:
        """The old and the new size, by axis."""
        return differences(self.parent.model, self.model)

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        before, after = self.parameters
        blocks, embedding = after - self.embedding_parameters[1], self.embedding_parameters[1]
        snapshot = self.parent.snapshot
        return [
            ("run", self.name),
            ("grown from", self.parent.run.name),
            *((AXES[axis], f"{now:,} to {then:,}") for axis, (now, then) in self.grown.items()),
            ("parameters", f"{before:,} to {after:,} ({blocks:,} in blocks, {embedding:,} in embeddings)"),
            ("training memory", f"about {' to '.join(map(byte_size, self.training_bytes))}"),
            ("goes on from", "the beginning" if snapshot is None else f"step {snapshot.step:,}"),
        ]

    def to_dict(self) -> JsonObject:
        """The plan as JSON."""
        return {
            "name": self.name,
            "grown_from": self.parent.run.name,
            "grown": {axis: list(change) for axis, change in self.grown.items()},
            "parameters": list(self.parameters),
            "embedding_parameters": list(self.embedding_parameters),
            "training_bytes": list(self.training_bytes),
            "model": ModelSection.of(self.model).dials,
        }

    def start(self) -> Run:
        """Make the new run, all or nothing, after a check that its model gives the same output.

        The old run is not changed. The new one gets another name where the user chose none and this one is
        taken by now. Raises UsageError for a taken name, RunBusyError where another process is making a run
        of that name, StorageError, and CheckpointError where the output differs.
        """
        require_name(self.name)
        parent = self.parent
        change = self.largest_logit_change()
        weights = None if parent.weights is None else self._grow(parent.weights)
        files = NewRunFiles(
            config=self._config(change),
            tokenizer=self.tokenizer,
            weights=weights,
            snapshot=self._snapshot(),
            datasets=self._datasets(),
            evaluation=parent.evaluation if self.keeps_tokenizer else None,
            generation=parent.generation,
            samples=self._samples(),
            finished=parent.finished if self.keeps_tokenizer else None,
        )
        suggested_from = None if self.is_named else _default_name(parent.run)
        with new_run(self.name, self.runs_dir, suggested_from=suggested_from) as run:
            replace(files, config=replace(files.config, name=run.name)).write(run)
        return run

    def largest_logit_change(self) -> float:
        """How much any logit of the larger model differs. Raises CheckpointError where it is too much."""
        prepare_process()
        old, new = self.parent.model, self.model
        return max(
            require_same_model(old, new, weights, self._grow(weights))
            for weights in self.parent.weight_sets()
        )

    @property
    def keeps_tokenizer(self) -> bool:
        """Whether texts have the same tokens as before, so that losses stay comparable."""
        return self.tokenizer is self.parent.tokenizer

    def _grow(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return grow_weights(self.parent.model, self.model, weights, parts=self.parts, seed=self.parent.seed)

    def _snapshot(self) -> Snapshot | None:
        parent = self.parent
        if parent.snapshot is None:
            return None
        snapshot = grow_snapshot(
            parent.snapshot, parent.model, self.model, parts=self.parts, seed=parent.seed
        )
        # A finished change of the parent is no pending change of the new run.
        state = replace(
            snapshot.state,
            config=None,
            datasets=None,
            version=None,
            micro_batch=self._micro_batch(snapshot.state.micro_batch),
        )
        if not self.keeps_tokenizer:  # losses are now per other tokens
            state = replace(state, counters=replace(state.counters, best_loss=math.inf, without_better=0))
        return replace(snapshot, state=state)

    def _datasets(self) -> list[Dataset] | None:
        """The texts, with this growth. With another tokenizer their losses no longer hold and are dropped."""
        datasets = self.parent.datasets
        if datasets is None:
            return None
        if not self.keeps_tokenizer:
            datasets = [
                replace(entry, loss_when_learned=None, loss_before=None, loss_now=None, tokens=None)
                for entry in datasets
            ]
        return with_growths(datasets, self.parent.config.learned_hashes, self.grown)

    def _samples(self) -> dict[str, bytes]:
        """The replay samples. With another tokenizer that of the present text is dropped and drawn again."""
        samples = dict(self.parent.samples)
        if not self.keeps_tokenizer:
            for content_hash in self.parent.config.learned_hashes:
                samples.pop(sample_name(content_hash), None)
        return samples

    def _config(self, change: float) -> RunConfig:
        config = replace(
            self.parent.config,
            name=self.name,
            parameters=self.parameters[1],
            embedding_parameters=self.embedding_parameters[1],
            model=ModelSection.of(self.model),
            lineage=(*self.parent.config.lineage, self._lineage_entry(change)),
        )
        if config.calibration is not None:
            config = replace(config, calibration=self._slower_steps(config.calibration))
        if not self.keeps_tokenizer and self.tokenizer is not None and config.data is not None:
            data = replace(config.data, tokenizer_hash=self.tokenizer.hash, prepared=None)
            config = replace(config, data=data)
        return config

    def _lineage_entry(self, change: float) -> JsonObject:
        """What config.json records of the parent."""
        parent = self.parent
        return {
            "run": parent.run.name,
            "path": str(parent.run.path),
            "weights_sha256": parent.weights_sha256,
            "step": None if parent.snapshot is None else parent.snapshot.step,
            "grown": self.to_dict()["grown"],
            "parameters": list(self.parameters),
            "largest_logit_change": change,
            "time": time.time(),
        }

    def _slower_steps(self, calibration: Calibration) -> Calibration:
        """The parent's calibration, with step times scaled by the number of block parameters."""
        before, after = (
            whole - embedding
            for whole, embedding in zip(self.parameters, self.embedding_parameters, strict=True)
        )
        return replace(
            calibration,
            shallow_step_s=calibration.shallow_step_s * after / max(1, before),
            deep_step_s=calibration.deep_step_s * after / max(1, before),
            micro_batch=self._micro_batch(calibration.micro_batch),
        )

    def _micro_batch(self, before: int) -> int:
        """Sequences per piece of a batch, so that the larger model fits into memory."""
        training = self.parent.config.training_config()
        return pieces_for_larger(skeleton(self.model), training, this_or_best_device(training.device), before)


def plan_expansion(
    run: Run,
    new_sizes: Mapping[str, int],
    *,
    target_parameters: int | None = None,
    name: str | None = None,
    runs_dir: Path,
) -> ExpansionPlan:
    """Plan the run that `run` grows into: with `new_sizes`, by axis (models/growth/axes.py), or nearest to
    `target_parameters`. Without a name it is RUN-grown.

    Raises UsageError for impossible sizes, RunBusyError while another process has the run, and RunError,
    CheckpointError, TokenizerError or CorpusError where something it needs is damaged.
    """
    if name is not None:
        require_name(name)
    return plan_growth(
        read_parent(run), new_sizes, target_parameters=target_parameters, name=name, runs_dir=runs_dir
    )


def plan_growth(
    parent: Parent,
    new_sizes: Mapping[str, int],
    *,
    target_parameters: int | None = None,
    name: str | None = None,
    runs_dir: Path,
) -> ExpansionPlan:
    """As `plan_expansion`, of a run that was read before."""
    if new_sizes and target_parameters is not None:
        raise UsageError(
            "{target_parameters} chooses what grows, so no other size can be given.",
            hint="Give one of the two.",
        )
    if name is not None:
        require_name(name)
    run = parent.run
    tokenizer, parts, notes = parent.tokenizer, None, list(parent.notes)
    if target_parameters is not None:
        model = nearest(parent.model, target_parameters)
    else:
        model = grow_config(parent.model, new_sizes, parent.closed_axes)
        if "vocab" in new_sizes:
            tokenizer, parts = grow_vocabulary(parent, new_sizes["vocab"])
        if tokenizer is not None and tokenizer.vocab_size != model.vocab_size:
            model = grow_config(parent.model, {**new_sizes, "vocab": tokenizer.vocab_size})
            notes.append(f"The text has pairs for no more than {tokenizer.vocab_size:,} tokens.")
    training = parent.config.training_config()
    before, after = skeleton(parent.model), skeleton(model)
    require_memory(after, training, torch.device("cpu"), pieces=False, hint="Choose smaller sizes.")
    counts = before.parameter_counts(), after.parameter_counts()
    return ExpansionPlan(
        parent=parent,
        name=name if name is not None else suggest_name(_default_name(run), runs_dir),
        is_named=name is not None,
        runs_dir=runs_dir,
        model=model,
        tokenizer=tokenizer,
        parts=parts,
        parameters=(counts[0][0], counts[1][0]),
        embedding_parameters=(counts[0][1], counts[1][1]),
        training_bytes=(_bytes(before, training), _bytes(after, training)),
        notes=tuple(notes),
    )


def _default_name(parent: Run) -> str:
    return f"{parent.name}-grown"


def _bytes(model: RecursiveLM, training: TrainingConfig) -> int:
    device = this_or_best_device(training.device)
    return training_bytes(model, training, choose_number_format(model.config, training, device).name)
