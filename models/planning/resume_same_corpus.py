"""A run that is given the text it is at: it goes on as it is, for as long as was said."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from data.corpus import Corpus
from data.errors import UsageError
from models.config import LENGTHS, TrainingConfig, from_dict
from models.planning.continuation import MoreOfTheSame
from models.planning.defaults import suggested_minutes
from models.planning.request import Said, TrainRequest, is_same, lengths_in
from models.runs.run import Run
from models.runs.status import is_finished


def more_of_the_same(
    run: Run, config: Mapping[str, Any], corpus: Corpus, said: Said, request: TrainRequest
) -> MoreOfTheSame:
    """The plan of going on with the text that `run` is at. Raises UsageError for what would change more
    than how long it trains."""
    changes = _changes(config, said, request)
    if changes:
        raise UsageError(
            f"Run '{run.name}' goes on with this text as it began, and {changes[0]} would change that.",
            hint=f"Leave {changes[0]} out. For a new model: --fresh, and no --continue.",
        )
    length = lengths_in(said.training)
    if "epochs" in length and request.is_standing("training.epochs"):
        length = {}
    if "epochs" in length:
        raise UsageError("More of a text is given in minutes or steps.", hint="For example: --minutes 5")
    finished = is_finished(run)
    if finished and not length:
        length = {"minutes": suggested_minutes(corpus)}
    checked = from_dict(TrainingConfig, length, "training")
    return MoreOfTheSame(
        run=run,
        text=corpus.name,
        status="finished" if finished else "paused",
        minutes=checked.minutes,
        steps=checked.steps,
    )


def _changes(config: Mapping[str, Any], said: Said, request: TrainRequest) -> list[str]:
    """What was typed, as it was typed, that a run is not trained with now; lengths are none of it."""
    measured = config.get("measured", {})
    now = {
        "training": asdict(from_dict(TrainingConfig, config["training"], "training")),
        "model": config["model"],
    }
    changes = []
    for section, values in (("training", said.training), ("model", said.model)):
        for name in sorted(set(values) - set(LENGTHS)):
            path = f"{section}.{name}"
            of_run = [now[section].get(name), *([measured[name]] if name in measured else [])]
            if not request.is_standing(path) and not any(is_same(has, values[name]) for has in of_run):
                changes.append(request.flag_of(path))
    replayed = config.get("replay", {}).get("share", 0.0)
    if "replay" not in request.standing and request.replay not in (None, replayed):
        changes.append("--replay")
    if "grow_vocab" not in request.standing and request.grow_vocab is not None:
        changes.append("--grow-vocab")
    return changes
