"""The models of a folder that could go on with a text, for a person to choose from. Torch-free."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from data.errors import RlmError
from models.runs.datasets import labels, read_datasets
from models.runs.listing import RunSummary, list_runs
from models.runs.run import Run
from models.runs.task import solves_puzzles


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that knows some text. `knows` has its loss on each now, in nats per token, by name;
    None where it was not measured yet."""

    summary: RunSummary
    knows: dict[str, float | None]
    hashes: frozenset[str]
    """Of the content of what it knows."""


def candidates(runs_dir: Path) -> list[Candidate]:
    """Every model that has learned, or begun to learn, a text; the one last trained comes first."""
    found = []
    for summary in list_runs(runs_dir):
        if summary.status in ("finished", "paused", "training"):
            with contextlib.suppress(RlmError):
                found.append(_candidate(summary))
    return [one for one in found if one is not None]


def suited_first(found: list[Candidate], content_hash: str) -> list[Candidate]:
    """Those that do not know the text yet before those that do."""
    return sorted(found, key=lambda one: content_hash in one.hashes)


def _candidate(summary: RunSummary) -> Candidate | None:
    run = Run(summary.path)
    if solves_puzzles(run.read_config()):
        return None
    datasets = read_datasets(run)
    names = labels(datasets)
    losses = [entry.get("loss_now") for entry in datasets]
    return Candidate(summary, dict(zip(names.values(), losses, strict=True)), frozenset(names))
