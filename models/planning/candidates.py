"""The models of a folder that could go on with a text, for a person to choose from. Torch-free."""

from dataclasses import dataclass, replace
from pathlib import Path

from data.errors import RlmError
from models.runs.datasets import labels
from models.runs.listing import RunSummary, list_runs
from models.runs.run import Run


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that has learned some text, or begun to."""

    summary: RunSummary
    knows: dict[str, float | None]
    """By the name of each text, the validation loss on it now in nats per token; None where it was not
    measured yet. That of the text the run is at is the one which every list of runs shows."""
    hashes: frozenset[str]
    """Of the content of these texts."""


def candidates(runs_dir: Path) -> tuple[list[Candidate], list[RunSummary]]:
    """Every model that has learned, or begun to learn, a text, the one last trained first; and the runs that
    are damaged, which cannot go on before they are repaired."""
    found, damaged = [], []
    for summary in list_runs(runs_dir):
        try:
            if summary.status == "damaged":
                damaged.append(summary)
            elif summary.status != "created" and (candidate := _candidate(summary)) is not None:
                found.append(candidate)
        except RlmError as error:
            damaged.append(replace(summary, status="damaged", problem=error.message))
    return found, damaged


def suited_first(found: list[Candidate], content_hash: str) -> list[Candidate]:
    """Those that do not know the text yet before those that do."""
    return sorted(found, key=lambda one: content_hash in one.hashes)


def _candidate(summary: RunSummary) -> Candidate | None:
    run = Run(summary.path)
    config = run.config()
    if config.solves_puzzles or config.answers_problems:
        return None
    datasets = run.datasets(config)
    names = labels(datasets)
    knows = {names[str(one.content_hash)]: one.loss_now for one in datasets}
    if (current := names.get(config.content_hash)) is not None and summary.validation_loss is not None:
        knows[current] = summary.validation_loss
    return Candidate(summary, knows, frozenset(names))
