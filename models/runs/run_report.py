"""What there is to say of one run, read without torch."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import RlmError
from data.format import format_accuracy, format_age, format_loss, format_puzzle_scores
from data.puzzle_words import PLURALS, PUZZLES_IN_WORDS
from data.wording import byte_size, counted
from models.depth import DEFAULT_MODE, MODES, best_mode_words
from models.runs.checkpoint_folder import SavedCheckpoint, complete_checkpoints, pointers_in
from models.runs.datasets import Dataset
from models.runs.evaluation import Evaluation, PuzzleEvaluation
from models.runs.listing import RunSummary, summarize
from models.runs.mix_shares import SourceShare, source_shares
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.versions import versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Details of a run. The part of a damaged file is None, and a note gives the reason."""

    summary: RunSummary
    config: RunConfig
    is_busy: bool
    datasets: Sequence[Dataset] | None
    evaluation: Evaluation | PuzzleEvaluation | None
    checkpoints: Sequence[SavedCheckpoint]
    pointers: dict[str, str]
    """Checkpoint folder by pointer name."""
    versions: Sequence[RunSummary]
    """What the run was before each text, and before each return to such a version."""
    run_bytes: int
    weights_bytes: int
    notes: tuple[str, ...]
    """They may hold settings and commands in braces."""

    @property
    def best_step(self) -> int | None:
        best = self.pointers.get("best")
        step = next((one.step for one in self.checkpoints if one.name == best), None)
        return self.evaluation.step if step is None and self.evaluation is not None else step

    @property
    def measured_step(self) -> int | None:
        """The step of the current text at which the losses on all texts were measured last; None where they
        never were."""
        texts = [one for one in self.datasets or () if one.loss_now is not None]
        if not texts:
            return None
        if all(one.loss_now == one.loss_before for one in texts):
            return 0
        learned = self.config.learned_hashes
        return next((one.steps for one in texts if one.content_hash in learned), None)

    @property
    def mix(self) -> Sequence[SourceShare]:
        """The sources of the mix that the run is trained on; none for one text."""
        return source_shares(self.config, self.datasets or (), self._position)

    @property
    def _position(self) -> int:
        """Sequences that were drawn up to the newest checkpoint."""
        newest = max(self.checkpoints, key=lambda one: one.serial, default=None)
        return 0 if newest is None else newest.state.counters.position

    @property
    def is_measured_now(self) -> bool:
        """Whether no step was taken since."""
        return self.measured_step in (None, self.summary.step)

    def pointers_to(self, checkpoint: SavedCheckpoint) -> list[str]:
        return sorted(name for name, target in self.pointers.items() if target == checkpoint.name)


def describe_run(run: Run) -> Report:
    """Read the details of a run. Raises RunError if its config.json is damaged."""
    config, summary = run.config(), summarize(run.path)
    datasets: Sequence[Dataset] | None = None
    evaluation: Evaluation | PuzzleEvaluation | None = None
    notes = []
    try:
        datasets = run.datasets(config)
    except RlmError as error:
        notes.append(_sentence(error))
    try:
        evaluation = run.evaluation()
    except RlmError as error:
        notes.append(_sentence(error))
    return Report(
        summary=summary,
        versions=[summarize(version.path) for version in versions(run, config)],
        config=config,
        is_busy=run.is_busy(),
        datasets=datasets,
        evaluation=evaluation,
        checkpoints=complete_checkpoints(run.checkpoints_path),
        pointers=pointers_in(run.checkpoints_path),
        run_bytes=summary.bytes,
        weights_bytes=_size_of_file(run.weights_path),
        notes=tuple(notes),
    )


def _sentence(error: RlmError) -> str:
    return f"{error.message} {error.hint}" if error.hint else error.message


def _size_of_file(path: Path) -> int:
    try:
        return int(path.stat().st_size)
    except OSError:  # a training may have removed this checkpoint
        return 0


def summary_rows(report: Report, words: Callable[[str], str] = str) -> Iterator[tuple[str, str]]:
    """Names and values for a screen. Unknown values are left out. `words` turns settings and commands in
    braces into what a user can type."""
    summary, evaluation = report.summary, report.evaluation
    yield "run", summary.name
    yield "folder", str(summary.path)
    progress = f", step {summary.step:,} of {summary.total_steps:,}" if summary.total_steps else ""
    problem = summary.problem or ""
    in_notes = any(problem in note for note in report.notes) or not problem
    yield "status", summary.status + progress + ("" if in_notes else f" ({words(problem)})")
    if summary.failure is not None:
        failure = summary.failure
        yield "stopped by", words(" ".join(part for part in (failure.message, failure.hint) if part))
    yield "model", ", ".join(_model_words(report))
    if (text := _corpus_words(report)) is not None:
        yield "trained on" if summary.step > 0 else "text", text
    if report.config.solves_puzzles:
        yield from _solving_rows(evaluation, PLURALS.get(report.config.puzzle_task or "", "grids"))
    elif summary.validation_loss is not None:
        best = "" if report.best_step is None else f", best at step {report.best_step:,}"
        per = "character of an answer" if report.config.answers_problems else "token"
        yield "validation loss", f"{format_loss(summary.validation_loss)} nats per {per}{best}"
    yield from _mode_rows(evaluation)
    yield from _accuracy_rows(evaluation)
    for one in report.datasets or ():
        for note in one.notes:
            yield "text warning", words(note)
    weights = f", weights {byte_size(report.weights_bytes)}" if report.weights_bytes else ""
    yield "on disk", byte_size(report.run_bytes) + weights
    yield "changed", format_age(summary.modified)


def setting_rows(report: Report) -> Iterator[tuple[str, str]]:
    """The settings of the model and of the training by their dotted path, as they are kept."""
    sections = (("model", report.config.model.dials), ("training", report.config.training))
    for section, settings in sections:
        for name, value in settings.items():
            if value is not None:
                yield f"{section}.{name}", f"{value:g}" if isinstance(value, float) else str(value)


def _solving_rows(evaluation: Evaluation | PuzzleEvaluation | None, grids: str) -> Iterator[tuple[str, str]]:
    """The puzzle scores, also by supervision steps. Nothing before the first evaluation."""
    if isinstance(evaluation, PuzzleEvaluation):
        exact, cells, steps = evaluation.exact_accuracy, evaluation.cell_accuracy, evaluation.mean_exit_step
        yield "solves", format_puzzle_scores(exact, cells, steps, grids)
        by_steps = evaluation.exact_accuracy_by_steps.items()
        yield "  by steps", "   ".join(f"{step}: {100 * share:.1f} %" for step, share in by_steps)


def _mode_rows(evaluation: Evaluation | PuzzleEvaluation | None) -> Iterator[tuple[str, str]]:
    """What the loss was measured on where it is a part, the loss at each mode, and the passes per token."""
    if not isinstance(evaluation, Evaluation):
        return
    if part := evaluation.part_in_words:
        yield "measured on", part
    for mode, loss in evaluation.validation_loss_by_mode.items():
        deeper = ", deeper than trained" if mode in evaluation.extrapolated_modes else ""
        if math.isfinite(loss):
            yield f"  {mode}", f"{loss:.4f}" + (f"  ({MODES[mode]}{deeper})" if mode in MODES else "")
    if words := best_mode_words(evaluation.trained_mode_losses):
        yield "best mode", words
    if (passes := evaluation.passes_per_token) is not None:
        where = "the trained depth" if evaluation.accuracy_by_mode else f"mode {DEFAULT_MODE}"
        yield "recursion", f"{counted(float(f'{passes:.3g}'), 'pass')} per token at {where}"


def _accuracy_rows(evaluation: Evaluation | PuzzleEvaluation | None) -> Iterator[tuple[str, str]]:
    """Of problems: the right answers at each mode, by difficulty."""
    if not isinstance(evaluation, Evaluation) or not evaluation.accuracy_by_mode:
        return
    trained = evaluation.trained_difficulty
    up_to = "" if trained is None else f" (trained up to {trained})"
    each = f"{evaluation.problems_each or 0:,} problems each"
    yield "right answers", f"by difficulty{up_to}, of {each}, held out where there are enough"
    for mode, accuracy in evaluation.accuracy_by_mode.items():
        yield f"  {mode}", format_accuracy(accuracy)


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
    """The learned texts with their sizes; the mix that is learned now is last."""
    texts, mix = [], report.config.mix
    sources = report.config.learned_hashes if mix is not None else ()
    puzzles = PUZZLES_IN_WORDS.get(report.config.puzzle_task or "", "puzzles")
    for one in report.datasets or ():
        if one.content_hash in sources:
            continue
        counts = ((puzzles, one.puzzles), ("characters", one.characters), ("tokens", one.tokens))
        sizes = [f"{count:,} {what}" for what, count in counts if count is not None]
        texts.append(one.name + (f" ({', '.join(sizes)})" if sizes else ""))
    if mix is not None:
        characters = sum(one.characters or 0 for one in report.datasets or () if one.content_hash in sources)
        count = counted(len(mix.sources), "source")
        texts.append(f"the mix {mix.name} of {count}, {characters:,} characters")
    return "; ".join(texts) or report.summary.corpus
