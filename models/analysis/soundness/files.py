"""Checks of a run's files: its checkpoints, its weights and its tokenizer."""

import os
from pathlib import Path

import numpy as np

from data.storage import TEMPORARY_PREFIX
from data.tokenizer import Tokenizer
from data.wording import byte_size, counted
from models.analysis.soundness.held_out import HeldOut
from models.analysis.soundness.result import CheckResult
from models.errors import CheckpointError
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint_folder import open_folder, pointers_in
from models.runs.run import Run


def check_checkpoints(run: Run) -> CheckResult:
    """Whether every byte of every checkpoint is what was written, and every pointer leads to one."""
    folder = run.checkpoints_path
    problems, sizes = [], []
    for name in _checkpoint_names(run):
        size, problem = _size_and_problem(folder / name)
        if problem is None:
            sizes.append(size)
        elif os.path.lexists(folder / name):  # else a training removed it meanwhile
            problems.append(problem)
    for pointer, target in sorted(pointers_in(folder).items()):
        if not os.path.lexists(folder / target):
            problems.append(f"'{pointer}' points to {target}, which is not there")
    if problems:
        return CheckResult(
            check="checkpoints",
            verdict="not sound",
            found="; ".join(problems),
            value=len(problems),
            limit=0,
            advice=f"{{resume {run.in_command}}} goes on from the newest intact one." if sizes else "",
        )
    if not sizes:
        return CheckResult(check="checkpoints", verdict="not applicable", found="the run has none")
    found = f"{counted(len(sizes), 'checkpoint')}, {byte_size(sum(sizes))}, all bytes as written"
    return CheckResult(check="checkpoints", verdict="sound", found=found, value=0, limit=0)


def check_weights(run: Run, model: RecursiveLM) -> CheckResult:
    """Whether every number in the weights of `model` is finite."""
    tensors = model.state_dict()
    counts = {name: int((~tensor.isfinite()).sum()) for name, tensor in tensors.items()}
    bad = {name: count for name, count in counts.items() if count}
    total = sum(tensor.numel() for tensor in tensors.values())
    if not bad:
        found = f"all {total:,} numbers are finite"
        return CheckResult(check="weights", verdict="sound", found=found, value=0, limit=0)
    return CheckResult(
        check="weights",
        verdict="not sound",
        found=f"{sum(bad.values()):,} of {total:,} numbers are not finite, the first in '{next(iter(bad))}'",
        value=sum(bad.values()),
        limit=0,
        advice="Remove its model.safetensors, and make it again from a checkpoint: "
        f"{{resume {run.in_command}}}",
    )


def check_round_trip(tokenizer: Tokenizer, part: HeldOut) -> CheckResult:
    """Whether held-out text is the same after it was encoded and decoded.

    A character that the vocabulary lacks is counted. It is lost by design, and comes back as U+FFFD. With
    NFKC the text is compared in that form.
    """
    characters = unknown = 0
    for stretch in map(tokenizer.normalize, part.stretches()):
        ids = tokenizer.encode(stretch)
        lacks = ids == tokenizer.unk_id
        characters += len(stretch)
        unknown += int(lacks.sum())
        if tokenizer.decode(ids) != _without(stretch, lacks):
            found = f"held-out text is not the same after encoding and decoding: {stretch[:20]!r}…"
            return CheckResult(check="tokenizer", verdict="not sound", found=found)
    if not characters:
        found = "the text that was held out is not there any more"
        return CheckResult(check="tokenizer", verdict="not measured", found=found)
    lost = f", {unknown:,} of them not in the vocabulary" if unknown else ""
    form = "in the form NFKC" if tokenizer.kind == "technical:nfkc" else "unchanged"
    found = f"{characters:,} held-out characters come back {form}{lost}{part.source}"
    return CheckResult(check="tokenizer", verdict="sound", found=found, value=unknown)


def _without(text: str, lacks: np.ndarray) -> str:
    """`text` with U+FFFD for each character whose place in `lacks` (T,) is set."""
    if not lacks.any() or len(lacks) != len(text):
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if gone else c for c, gone in zip(text, lacks, strict=True))


def _checkpoint_names(run: Run) -> list[str]:
    """The folders among the checkpoints, complete or not, in the order of their names."""
    try:
        names = os.listdir(run.checkpoints_path)
    except OSError:
        return []
    folders = (name for name in names if os.path.isdir(run.checkpoints_path / name))
    return sorted(name for name in folders if not name.startswith(TEMPORARY_PREFIX))


def _size_and_problem(path: Path) -> tuple[int, str | None]:
    """The bytes of a checkpoint, and what is wrong with it. Reads all of it."""
    try:
        checkpoint = open_folder(path)
    except CheckpointError as error:
        return 0, error.message.removesuffix(".")
    damage = checkpoint.damage()
    return checkpoint.size, None if damage is None else f"{checkpoint.name}: {damage}"
