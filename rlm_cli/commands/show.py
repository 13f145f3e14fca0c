"""`rlm show`: details of one run."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from data.format import format_age, format_loss, format_puzzle_scores
from data.wording import byte_size, counted
from models.depth import DEFAULT_MODE, MODES
from models.generation.depth_notes import best_mode_words
from rlm_cli.options import JsonOption, RunArgument, RunsDirOption
from rlm_cli.output import Output
from rlm_cli.program import program
from rlm_cli.run_reference import new_name_flags, quoted_reference
from rlm_cli.run_report import Report, describe_run
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.runs.datasets import Dataset, Growth
    from models.runs.evaluation import Evaluation, PuzzleEvaluation


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
    from rlm_cli.environment import runs_dir as find_runs_dir

    output = Output.of(json=json)
    run = Run.open(run_name, find_runs_dir(runs_dir))
    report = describe_run(run)
    for note in report.notes:
        output.warn(note)
    output.json(report.to_dict())
    output.pairs(summary_rows(report))
    if len(report.datasets or ()) > 1:
        output.result()
        now = "now" if report.is_measured_now else f"at step {report.measured_step:,}"
        output.table(
            ("corpus", "when learned", now, "change", "grown"),
            list(loss_rows(report.datasets or ())),
            right=("when learned", now, "change"),
            optional=("grown",),
        )
    if report.checkpoints:
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
    if report.versions:
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
        name = quoted_reference(run)
        output.say(f"\nGo back to a version:  {program()} resume {name} --from {report.versions[-1].name}")
    output.say(f"\n{_next_step(report, quoted_reference(run))}")


def summary_rows(report: Report) -> Iterator[tuple[str, str]]:
    """Names and values for the screen. Unknown values are left out."""
    summary, evaluation = report.summary, report.evaluation
    yield "run", summary.name
    yield "folder", str(summary.path)
    progress = f", step {summary.step:,} of {summary.total_steps:,}" if summary.total_steps else ""
    problem = in_cli_words(summary.problem or "")
    in_notes = any(problem in note for note in report.notes) or not problem
    yield "status", summary.status + progress + ("" if in_notes else f" ({problem})")
    if summary.failure is not None:
        failure = summary.failure
        words = " ".join(part for part in (failure.message, failure.hint) if part)
        yield "stopped by", in_cli_words(words)
    yield "model", ", ".join(_model_words(report))
    if (text := _corpus_words(report)) is not None:
        yield "trained on" if summary.step > 0 else "text", text
    if report.config.solves_puzzles:
        yield from _solving_rows(evaluation)
    elif summary.validation_loss is not None:
        best = "" if report.best_step is None else f", best at step {report.best_step:,}"
        yield "validation loss", f"{format_loss(summary.validation_loss)} nats per token{best}"
    yield from _mode_rows(evaluation)
    for one in report.datasets or ():
        for note in one.notes:
            yield "text warning", in_cli_words(note)
    weights = f", weights {byte_size(report.weights_bytes)}" if report.weights_bytes else ""
    yield "on disk", byte_size(report.run_bytes) + weights
    yield "changed", format_age(summary.modified)


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


def _solving_rows(evaluation: "Evaluation | PuzzleEvaluation | None") -> Iterator[tuple[str, str]]:
    """The puzzle scores, also by supervision steps. Nothing before the first evaluation."""
    from models.runs.evaluation import PuzzleEvaluation

    if isinstance(evaluation, PuzzleEvaluation):
        exact, cells, steps = evaluation.exact_accuracy, evaluation.cell_accuracy, evaluation.mean_exit_step
        yield "solves", format_puzzle_scores(exact, cells, steps)
        by_steps = evaluation.exact_accuracy_by_steps.items()
        yield "  by steps", "   ".join(f"{step}: {100 * share:.1f} %" for step, share in by_steps)


def _mode_rows(evaluation: "Evaluation | PuzzleEvaluation | None") -> Iterator[tuple[str, str]]:
    """The loss at each mode, and the passes per token."""
    from models.runs.evaluation import Evaluation

    if not isinstance(evaluation, Evaluation):
        return
    for mode, loss in evaluation.validation_loss_by_mode.items():
        deeper = ", deeper than trained" if mode in evaluation.extrapolated_modes else ""
        if math.isfinite(loss):
            yield f"  {mode}", f"{loss:.4f}" + (f"  ({MODES[mode]}{deeper})" if mode in MODES else "")
    if words := best_mode_words(evaluation.trained_mode_losses):
        yield "best mode", words
    if (passes := evaluation.passes_per_token) is not None:
        yield "recursion", f"{counted(float(f'{passes:.3g}'), 'pass')} per token at mode {DEFAULT_MODE}"


def _model_words(report: Report) -> Iterator[str]:
    yield report.summary.architecture or "unknown architecture"
    if report.summary.parameters is not None:
        embedding = report.config.embedding_parameters
        of_which = f" ({embedding:,} in embeddings)" if embedding is not None else ""
        yield f"{report.summary.parameters:,} parameters{of_which}"
    dials = report.config.model.dials
    for key, word in (("d_model", "width"), ("n_heads", "heads"), ("context_length", "context")):
        if isinstance(dials.get(key), int):
            yield f"{word} {dials[key]:,}"
    if report.summary.vocab_size is not None:
        yield f"vocabulary {report.summary.vocab_size:,}"


def _corpus_words(report: Report) -> str | None:
    """The learned texts with their sizes."""
    texts = []
    for one in report.datasets or ():
        counts = (("puzzles", one.puzzles), ("characters", one.characters), ("tokens", one.tokens))
        sizes = [f"{count:,} {what}" for what, count in counts if count is not None]
        texts.append(one.name + (f" ({', '.join(sizes)})" if sizes else ""))
    return "; ".join(texts) or report.summary.corpus


def _next_step(report: Report, name: str) -> str:
    match report.summary.status:
        case "finished" if report.config.solves_puzzles:
            return f"Solve a puzzle:  {program()} solve {name} --random"
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
