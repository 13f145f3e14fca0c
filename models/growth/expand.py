"""From a run and what is to grow to a new run, which goes on where the old one stands."""

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.errors import UsageError
from data.replay import sample_name
from data.tokenizer import Tokenizer
from models.architectures import build_model
from models.config import ModelConfig, TrainingConfig, from_dict
from models.cost import pieces_for_larger, require_memory, skeleton
from models.device import choose_device, prepare_process
from models.growth.axes import WAYS, differences, grown
from models.growth.check import proven_change, tokens_to_check
from models.growth.new_run_files import Newborn
from models.growth.parent import Parent, read_parent
from models.growth.planner import nearest
from models.growth.vocabulary import Parts, grown_vocabulary
from models.growth.weights import grow_snapshot, grow_weights
from models.layers.initialise import Undrawn
from models.runs.checkpoint import Snapshot
from models.runs.datasets import DATASETS_FILE, with_growths
from models.runs.new_run import fresh_run
from models.runs.run import Run, require_name, suggest_name


@dataclass(frozen=True, kw_only=True)
class ExpansionPlan:
    """What a run is to grow into; nothing is written until it starts."""

    parent: Parent
    name: str
    runs_dir: Path
    model: ModelConfig
    tokenizer: Tokenizer | None
    parts: Parts | None
    parameters: tuple[int, int]
    embedding_parameters: tuple[int, int]
    notes: tuple[str, ...]
    """Sentences the user should see."""
    is_named: bool = True
    """Whether the user chose the name: another may be taken in the place of one that was not."""

    @property
    def grown(self) -> dict[str, tuple[int, int]]:
        """By way, from what to what."""
        return differences(self.parent.model, self.model)

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        before, after = self.parameters
        blocks, embedding = after - self.embedding_parameters[1], self.embedding_parameters[1]
        snapshot = self.parent.snapshot
        return [
            ("run", self.name),
            ("grown from", self.parent.run.name),
            *((WAYS[way], f"{now:,} to {then:,}") for way, (now, then) in self.grown.items()),
            ("parameters", f"{before:,} to {after:,} ({blocks:,} in blocks, {embedding:,} in embeddings)"),
            ("goes on from", "the beginning" if snapshot is None else f"step {snapshot.step:,}"),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return {
            "name": self.name,
            "grown_from": self.parent.run.name,
            "grown": {way: list(change) for way, change in self.grown.items()},
            "parameters": list(self.parameters),
            "embedding_parameters": list(self.embedding_parameters),
            "model": {"architecture": self.model.architecture, **asdict(self.model)},
        }

    def start(self) -> Run:
        """Make the grown run, once it is proved to say what the old one says, whole or not at all.

        The old run is not touched. The new one may have another name where none was chosen and this one
        is taken by now. Raises UsageError for a name that is taken, RunBusyError where
        another process is making a run of that name, StorageError, and CheckpointError where the grown
        model says something else.
        """
        require_name(self.name)
        prepare_process()
        parent = self.parent
        change = max(self._change(weights) for weights in parent.every_weights())
        weights = None if parent.weights is None else self._grown(parent.weights)
        newborn = Newborn(
            config=self._config(change),
            tokenizer=self.tokenizer,
            weights=weights,
            snapshot=self._snapshot(),
            files=self._files(),
            samples=self._samples(),
            finished=parent.finished if self.tokenizer_is_kept else None,
        )
        unchosen = None if self.is_named else _called_after(parent.run)
        with fresh_run(self.name, self.runs_dir, unchosen=unchosen) as run:
            config = {**newborn.config, "name": run.name}
            dataclasses.replace(newborn, config=config).write(run)
        return run

    @property
    def tokenizer_is_kept(self) -> bool:
        """Whether texts are cut into the tokens they were, so that what was judged still holds."""
        return self.tokenizer is self.parent.tokenizer

    def _grown(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return grow_weights(self.parent.model, self.model, weights, parts=self.parts, seed=self.parent.seed)

    def _change(self, weights: Mapping[str, Tensor]) -> float:
        """The proof for these old weights. Raises CheckpointError where it fails."""
        before, after = _model(self.parent.model, weights), _model(self.model, self._grown(weights))
        return proven_change(before, after, tokens_to_check(self.parent.model))

    def _snapshot(self) -> Snapshot | None:
        parent = self.parent
        if parent.snapshot is None:
            return None
        snapshot = grow_snapshot(
            parent.snapshot, parent.model, self.model, parts=self.parts, seed=parent.seed
        )
        # A change of the parent that is done is none of the new run's.
        state = {key: value for key, value in snapshot.state.items() if key not in ("config", "datasets")}
        if "micro_batch" in state:
            state["micro_batch"] = self._pieces(state["micro_batch"])
        if not self.tokenizer_is_kept:  # losses are of other tokens from now on
            state["counters"] = {**state["counters"], "best_loss": math.inf, "without_better": 0}
        return dataclasses.replace(snapshot, state=state)

    def _files(self) -> dict[str, Any]:
        """The other JSON files. The function is the same, and so is what was judged of it; but for texts
        that are cut into other tokens it has to be judged again."""
        files = dict(self.parent.files)
        if not self.tokenizer_is_kept:
            files.pop("evaluation.json", None)
        if DATASETS_FILE in files:
            datasets = files[DATASETS_FILE]
            if not self.tokenizer_is_kept:
                unknown = dict.fromkeys(("loss_when_learned", "loss_before", "loss_now", "tokens"))
                datasets = [{**entry, **unknown} for entry in datasets]
            current = self.parent.config.get("data", {}).get("content_hash")
            files[DATASETS_FILE] = with_growths(datasets, current, self.grown)
        return files

    def _samples(self) -> dict[str, bytes]:
        """What is replayed. The text it is at is drawn anew where its tokens are others from now on: the
        loss on it is compared over the same."""
        samples = dict(self.parent.samples)
        if not self.tokenizer_is_kept and "data" in self.parent.config:
            samples.pop(sample_name(self.parent.config["data"]["content_hash"]), None)
        return samples

    def _config(self, change: float) -> dict[str, Any]:
        parent = self.parent
        config = {
            **parent.config,
            "name": self.name,
            "parameters": self.parameters[1],
            "embedding_parameters": self.embedding_parameters[1],
            "model": self.to_dict()["model"],
            "lineage": [*parent.config.get("lineage", []), self._descent(change)],
        }
        if "measured" in config:
            config["measured"] = self._slower(config["measured"])
        if "data" in config:
            config["opened"] = True  # what passed since the parent was planned was not training
        if not self.tokenizer_is_kept and self.tokenizer is not None:
            data = {key: value for key, value in config["data"].items() if key != "prepared"}
            config["data"] = {**data, "tokenizer_hash": self.tokenizer.hash}
        return config

    def _descent(self, change: float) -> dict[str, Any]:
        """What the lineage says of the parent."""
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

    def _slower(self, measured: Mapping[str, Any]) -> dict[str, Any]:
        """What was measured of the parent, with steps that take longer as there is more to compute."""
        before, after = (
            whole - embedding
            for whole, embedding in zip(self.parameters, self.embedding_parameters, strict=True)
        )
        times = {key: measured[key] * after / max(1, before) for key in ("shallow_step_s", "deep_step_s")}
        return {**measured, **times, "micro_batch": self._pieces(measured["micro_batch"])}

    def _pieces(self, micro_batch: int) -> int:
        training = from_dict(TrainingConfig, self.parent.config["training"], "training")
        device = choose_device(training.device)
        return pieces_for_larger(skeleton(self.model), training, device, micro_batch)


def plan_expansion(
    run: Run,
    wanted: Mapping[str, int],
    *,
    target_parameters: int | None = None,
    name: str | None = None,
    runs_dir: Path,
) -> ExpansionPlan:
    """Settle what `run` grows into: as large as `wanted` says, by way (models/growth/axes.py), or
    the nearest to `target_parameters`. Without a name it is called after the run.

    Raises UsageError for what cannot be meant, RunBusyError while another process has the run, and
    RunError, CheckpointError, TokenizerError or CorpusError where something it needs is damaged.
    """
    if wanted and target_parameters is not None:
        raise UsageError(
            "--target-params plans what is to grow, and something else was said to grow too.",
            hint="Give either of them.",
        )
    if name is not None:
        require_name(name)
    parent = read_parent(run)
    tokenizer, parts, notes = parent.tokenizer, None, list(parent.notes)
    if target_parameters is not None:
        model = nearest(parent.model, target_parameters)
    else:
        # New characters come with a text, and are no way to grow from here.
        closed = () if tokenizer is None or tokenizer.kind == "bpe" else ("vocab",)
        model = grown(parent.model, wanted, closed)
        if "vocab" in wanted:
            tokenizer, parts = grown_vocabulary(parent, wanted["vocab"])
        if tokenizer is not None and tokenizer.vocab_size != model.vocab_size:
            model = grown(parent.model, {**wanted, "vocab": tokenizer.vocab_size})
            notes.append(f"The text has pairs for no more than {tokenizer.vocab_size:,} tokens.")
    training = from_dict(TrainingConfig, parent.config.get("training", {}), "training")
    before, after = skeleton(parent.model), skeleton(model)
    require_memory(after, training, torch.device("cpu"), pieces=False)
    counts = before.parameter_counts(), after.parameter_counts()
    return ExpansionPlan(
        parent=parent,
        name=name if name is not None else suggest_name(_called_after(run), runs_dir),
        is_named=name is not None,
        runs_dir=runs_dir,
        model=model,
        tokenizer=tokenizer,
        parts=parts,
        parameters=(counts[0][0], counts[1][0]),
        embedding_parameters=(counts[0][1], counts[1][1]),
        notes=tuple(notes),
    )


def _called_after(parent: Run) -> str:
    return f"{parent.name}-grown"


def _model(config: ModelConfig, weights: Mapping[str, Tensor]) -> Any:
    with Undrawn():
        model = build_model(config)
    model.load_state_dict(dict(weights))
    return model.eval()
