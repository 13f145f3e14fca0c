"""A run that is given the text it is at: it goes on as it is, for so much longer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from data.corpus import Corpus
from data.errors import UsageError
from models.config import TrainingConfig, from_dict
from models.planning.defaults import suggested_minutes
from models.planning.extend import extend
from models.planning.request import TrainRequest
from models.runs.run import Run
from models.runs.status import is_finished
from models.wording import counted


@dataclass(frozen=True, kw_only=True)
class ResumePlan:
    """A run that goes on with the text it is at, for so many minutes or steps more."""

    run: Run
    text: str
    status: str
    minutes: float | None
    steps: int | None

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        length = "what is left of it"
        if self.minutes is not None:
            length = f"{counted(self.minutes, 'minute')} more"
        elif self.steps is not None:
            length = f"{counted(self.steps, 'step')} more"
        return [
            ("run", self.run.name),
            ("text", f"{self.text}, which it is at already"),
            ("status", self.status),
            ("length", length),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return {"name": self.run.name, "resumes": True, "minutes": self.minutes, "steps": self.steps}

    def start(self) -> Run:
        """Give the run its new length. Raises as `extend` does."""
        if self.minutes is not None or self.steps is not None:
            extend(self.run, minutes=self.minutes, steps=self.steps)
        return self.run


def plan_resume(run: Run, config: Mapping[str, Any], corpus: Corpus, request: TrainRequest) -> ResumePlan:
    """The plan of going on with the text that `run` is at. Raises UsageError for what would change more
    than how long it trains."""
    for path in _changes(config, request):
        raise UsageError(
            f"Run '{run.name}' goes on with this text as it began, and {{{path}}} would change that.",
            hint=f"Leave {{{path}}} out. For a new model: {{fresh}}, and no {{continue_run}}.",
            field=path,
        )
    length = request.overrides.length
    if "epochs" in length and "training.epochs" in request.ambient:
        length = {}
    if "epochs" in length:
        raise UsageError(
            "More of a text is given in minutes or steps.",
            hint="For example: {training.minutes=5}",
            field="training.epochs",
        )
    finished = is_finished(run)
    if finished and not length:
        length = {"minutes": suggested_minutes(corpus)}
    checked = from_dict(TrainingConfig, length, "training")
    return ResumePlan(
        run=run,
        text=corpus.name,
        status="finished" if finished else "paused",
        minutes=checked.minutes,
        steps=checked.steps,
    )


def _changes(config: Mapping[str, Any], request: TrainRequest) -> list[str]:
    """The settings and fields that were typed and are not what the run is trained with now; its length is
    none of them."""
    measured = config.get("measured", {})
    now = {
        "training": asdict(from_dict(TrainingConfig, config["training"], "training")),
        "model": config["model"],
    }
    changes = []
    for section, values in (("training", request.overrides.training), ("model", request.overrides.model)):
        for name in sorted(values):
            of_run = [now[section].get(name), *([measured[name]] if name in measured else [])]
            if values[name] not in of_run:
                changes.append(f"{section}.{name}")
    if request.replay not in (None, config.get("replay", {}).get("share", 0.0)):
        changes.append("replay")
    if request.grow_vocab is not None:
        changes.append("grow_vocab")
    return [path for path in changes if path not in request.ambient]
