"""From the losses of trained models to a verdict on each of them. Torch-free."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from models.benchmark.candidates import BEST_DENSE_PRESET, MOST_BLOCKS, Candidate
from models.benchmark.report import Column, Plot, Report, Table, Value
from models.depth import DEFAULT_MODE, MODES
from models.runs.evaluation import Evaluation
from models.runs.events import RunFinished

_SAME = 5e-5
"""Nats per token that are not shown as a difference."""
_EQUAL = 1.1
"""Two models are called equal up to this ratio."""
_COLUMNS = (
    Column("model"),
    Column("loss", ".4f", "lower"),
    Column("spread", ".4f"),
    Column("bits per byte", ".3f", "lower"),
    Column("best mode"),
    Column("in blocks", ",d"),
    Column("in embeddings", ",d"),
    Column("tokens read", ",d"),
    Column("seconds", ".0f"),
    Column("MFLOP per token", ".2f"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One training that has ended."""

    candidate: str
    seed: int
    finished: RunFinished
    evaluation: Evaluation

    @property
    def mode(self) -> str:
        """The mode with the lowest loss, none beyond training."""
        losses = self.evaluation.trained_mode_losses
        return min(losses, key=lambda mode: losses[mode], default=DEFAULT_MODE)

    @property
    def loss(self) -> float:
        """Nats per token at that mode."""
        return self.evaluation.validation_loss_by_mode.get(self.mode, self.evaluation.validation_loss)


def learn_report(
    corpus: str,
    length: str,
    is_equal_time: bool,
    chosen: Sequence[Candidate],
    outcomes: Sequence[Outcome],
    environment: Mapping[str, Value],
) -> Report:
    """The table of what was learned, and for each architecture whether it is better than the dense models."""
    by_name = {one.name: [outcome for outcome in outcomes if outcome.candidate == one.name] for one in chosen}
    ranked = sorted(chosen, key=lambda one: fmean(outcome.loss for outcome in by_name[one.name]))
    modes = [
        mode for mode in MODES if any(mode in one.evaluation.validation_loss_by_mode for one in outcomes)
    ]
    mode_columns = (Column("model"), *(Column(mode, ".4f", "lower") for mode in modes))
    equal = "time" if is_equal_time else "number of steps"
    return Report(
        kind="learn",
        subject=f"{corpus}, {length}",
        environment=environment,
        tables=(
            Table(
                "learned",
                f"Held-out loss at each model's best trained mode, after the same {equal}",
                _COLUMNS,
                tuple(_row(one, by_name[one.name]) for one in ranked),
                Plot("MFLOP per token", "loss", _groups(ranked)),
                rivals=True,
            ),
            Table(
                "modes",
                "Loss at every mode",
                mode_columns,
                tuple((one.name, *(_loss_at(mode, by_name[one.name]) for mode in modes)) for one in ranked),
                rivals=True,
            ),
        ),
        verdicts=tuple(_verdicts(chosen, by_name, is_equal_time)),
        notes=(
            f"dense-N has N unshared blocks, at most {MOST_BLOCKS}, and is otherwise built as the others.",
            "Loss is in nats per token; spread is the distance between the best and the worst seed.",
            f"All models share width and context, but {BEST_DENSE_PRESET} has its own width.",
        ),
    )


def _groups(ranked: Sequence[Candidate]) -> dict[str, list[str]]:
    """The names of the architectures, and those of the dense models beside them."""
    return {
        "architectures": [one.name for one in ranked if one.equal_parameters is not None],
        "dense": [one.name for one in ranked if one.equal_parameters is None],
    }


def _row(candidate: Candidate, outcomes: Sequence[Outcome]) -> tuple[Value, ...]:
    losses = [one.loss for one in outcomes]
    middle = min(outcomes, key=lambda one: abs(one.loss - fmean(losses)))
    return (
        candidate.name,
        fmean(losses),
        max(losses) - min(losses) if len(losses) > 1 else None,
        fmean(one.finished.bits_per_byte * one.loss / one.finished.validation_loss for one in outcomes),
        middle.mode,
        candidate.parameters - candidate.embedding_parameters,
        candidate.embedding_parameters,
        middle.finished.tokens_seen,
        fmean(one.finished.elapsed_s for one in outcomes),
        candidate.flops_per_token / 1e6,
    )


def _loss_at(mode: str, outcomes: Sequence[Outcome]) -> float | None:
    losses = [one.evaluation.validation_loss_by_mode.get(mode) for one in outcomes]
    known = [loss for loss in losses if loss is not None]
    return fmean(known) if len(known) == len(losses) and known else None


def _verdicts(
    chosen: Sequence[Candidate], by_name: Mapping[str, Sequence[Outcome]], is_equal_time: bool
) -> list[str]:
    found = []
    named = {one.name: one for one in chosen}
    for one in chosen:
        if one.equal_parameters is None or one.equal_compute is None:
            continue
        by_size, by_compute = named[one.equal_parameters], named[one.equal_compute]
        parts = [
            f"{_compared(by_name[one.name], by_name[other.name])} {_described(other, one, nearest)}"
            for other, nearest in _partners(by_size, by_compute, one)
        ]
        dense = [name for name, outcomes in by_name.items() if _is_dense(chosen, name) and outcomes]
        if is_equal_time:
            best = min(dense, key=lambda name: fmean(outcome.loss for outcome in by_name[name]))
            parts.append(
                f"{_compared(by_name[one.name], by_name[best])} {best}, the best dense one in equal time"
            )
        found.append(f"{one.name}: {'; '.join(parts)}.")
    if found and min(len(outcomes) for outcomes in by_name.values()) < 2:
        found.append("One seed each: differences may be chance. Repeat with more seeds.")
    return found


def _partners(
    by_size: Candidate, by_compute: Candidate, one: Candidate
) -> Iterator[tuple[Candidate, str | None]]:
    """The dense models beside `one`, and in what each is not equal, though no other is nearer."""
    if by_size is not by_compute:
        yield by_size, None if _is_equal(by_size.parameters / one.parameters) else "parameters"
    is_equal = _is_equal(by_compute.flops_per_token / one.flops_per_token)
    yield by_compute, None if is_equal else "computation"


def _described(dense: Candidate, one: Candidate, nearest: str | None) -> str:
    """In what a dense model equals `one`, and in what it does not."""
    size = _ratio(dense.parameters / one.parameters, "parameters")
    work = _ratio(dense.flops_per_token / one.flops_per_token, "computation per token")
    remark = "" if nearest is None else f" (no dense model here is nearer in {nearest})"
    return f"{dense.name}, which has {size} and {work}{remark}"


def _ratio(share: float, of: str) -> str:
    return f"equal {of}" if _is_equal(share) else f"{share:.2g} times the {of}"


def _is_equal(share: float) -> bool:
    return 1 / _EQUAL <= share <= _EQUAL


def _is_dense(chosen: Sequence[Candidate], name: str) -> bool:
    return next(one for one in chosen if one.name == name).equal_parameters is None


def _compared(ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> str:
    """ "better by 0.0123 than", with whether that is more than the seeds differ."""
    difference = fmean(one.loss for one in ours) - fmean(one.loss for one in theirs)
    if abs(difference) < _SAME:
        return "as good as"
    word = "better" if difference < 0 else "worse"
    if len(ours) < 2 or len(theirs) < 2:
        return f"{word} by {abs(difference):.4f} than"
    spread = max(max(losses) - min(losses) for losses in ([o.loss for o in ours], [t.loss for t in theirs]))
    sure = "more" if abs(difference) > spread else "not more"
    return f"{word} by {abs(difference):.4f} ({sure} than the spread of {spread:.4f}) than"
