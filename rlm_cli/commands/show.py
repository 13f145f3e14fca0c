"""`rlm show`: details of one run."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from data.format import format_loss
from data.wording import byte_size, percent
from rlm_cli.options import JsonOption, RunArgument, RunsDirOption
from rlm_cli.output import Output
from rlm_cli.program import program
from rlm_cli.run_reference import new_name_flags, quoted_reference
from rlm_cli.run_report import report_json
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.runs.datasets import Dataset, Growth
    from models.runs.mix_shares import SourceShare
    from models.runs.run_report import Report


def show(run_name: RunArgument = None, runs_dir: RunsDirOption = None, json: JsonOption = False) -> None:
    """Show details of one run.

    Shows the model, its texts, the loss at each mode, checkpoints, what it was before
    each text (its versions), and sizes.

    Examples:
      rlm show
      rlm show book
      rlm show book --json
    """
    from models.runs.run import Run
    from models.runs.run_report import describe_run, summary_rows
    from rlm_cli.environment import runs_dir as find_runs_dir

    output = Output.of(json=json)
    run = Run.open(run_name, find_runs_dir(runs_dir))
    report = describe_run(run)
    for note in report.notes:
        output.warn(in_cli_words(note))
    output.json(report_json(report))
    output.pairs(summary_rows(report, in_cli_words))
    if report.mix:
        _show_mix(report, output)
    if len(report.datasets or ()) > max(1, len(report.mix)):
        _show_losses(report, output)
    if report.checkpoints:
        _show_checkpoints(report, output)
    name = quoted_reference(run)
    if report.versions:
        _show_versions(report, output)
        output.say(f"\nGo back to a version:  {program()} resume {name} --from {report.versions[-1].name}")
    output.say(f"\n{_next_step(report, name)}")


def _show_mix(report: "Report", output: Output) -> None:
    output.result()
    output.table(
        ("source", "asked", "trained", "tokens", "read", "loss"),
        list(mix_rows(report.mix)),
        right=("asked", "trained", "tokens", "read", "loss"),
        optional=("read", "tokens"),
    )


def _show_losses(report: "Report", output: Output) -> None:
    """Show the loss on each text of a run that knows several."""
    output.result()
    now = "now" if report.is_measured_now else f"at step {report.measured_step:,}"
    output.table(
        ("corpus", "when learned", now, "change", "grown"),
        list(loss_rows(report.datasets or ())),
        right=("when learned", now, "change"),
        optional=("grown",),
    )


def _show_checkpoints(report: "Report", output: Output) -> None:
    output.result()
    output.table(
        ("checkpoint", "step", "size", "pointers"),
        [
            (one.name, f"{one.step:,}", byte_size(one.size), ", ".join(report.pointers_to(one)))
            for one in report.checkpoints
        ],
        right=("step", "size"),
        optional=("step", "size"),
    )


def _show_versions(report: "Report", output: Output) -> None:
    """Show what the run was before each further text."""
    output.result()
    output.table(
        ("version", "step", "loss", "text", "size"),
        [
            (one.name, f"{one.step:,}", format_loss(one.validation_loss), one.corpus or "-",
             byte_size(one.bytes))
            for one in report.versions
        ],
        right=("step", "loss", "size"),
        optional=("size", "text"),
    )  # fmt: skip


def mix_rows(shares: "Sequence[SourceShare]") -> Iterator[tuple[str, ...]]:
    """For each source of a mix: its share of the tokens as asked for and as trained, the tokens that came
    from it, how often it was read, and the validation loss on it in nats per token."""
    for one in shares:
        yield (
            one.name,
            percent(one.asked),
            "-" if one.trained is None else percent(one.trained),
            f"{one.trained_tokens:,}",
            f"{one.times_read:.2f} times",
            format_loss(one.loss),
        )


def loss_rows(datasets: "Sequence[Dataset]") -> Iterator[tuple[str, ...]]:
    """For each corpus: its validation loss in nats per token after learning it and now."""
    from models.runs.datasets import labels

    names = labels(datasets)
    for one in datasets:
        learned, now = one.loss_when_learned, one.loss_now
        yield (
            names[str(one.content_hash)],
            format_loss(learned),
            format_loss(now),
            "-" if learned is None or now is None else _change(learned, now),
            _growths(one.grown) or "-",
        )


def _growths(steps: "Sequence[Growth]") -> str:
    """The growth during a text. Several steps of the same kind are shown as one."""
    sizes: dict[str, tuple[int, int]] = {}
    for one in steps:
        first, _ = sizes.get(one.what, (one.before, one.after))
        sizes[one.what] = (first, one.after)
    return ", ".join(f"{what} {first} to {last}" for what, (first, last) in sizes.items())


def _change(before: float, now: float) -> str:
    return f"{100 * (now / before - 1):+.1f} %" if before > 0 else "-"


def _next_step(report: "Report", name: str) -> str:
    match report.summary.status:
        case "finished" if report.config.solves_puzzles:
            return f"Solve a puzzle:  {program()} solve {name} --random"
        case "finished" if report.config.answers_problems:
            return f"Let it answer:  {program()} solve {name} --random"
        case "finished":
            return f"Talk to it:  {program()} chat {name}"
        case "paused":
            return f"Continue:  {program()} resume {name}"
        case "created":
            return f"Train it:  {program()} train FILE {new_name_flags(report.summary.path)}"
        case "training":
            return "It is in training now."
        case _:
            return f"List the runs:  {in_cli_words('{ls}')}"
