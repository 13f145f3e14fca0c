"""What a training reports of itself, as events."""

from typing import TYPE_CHECKING

from models.evaluation.loss import perplexity
from models.runs.events import EvaluationFinished, RunFinished, RunPaused, RunStarted, StepFinished

if TYPE_CHECKING:
    from models.training.session import Session
    from models.training.tasks import BatchLoss


def run_started(session: "Session") -> RunStarted:
    """The plan of a training whose next step follows."""
    model, calibration = session.model, session.calibration
    parameters, embedding = model.parameter_counts()
    return RunStarted(
        run=session.run.name,
        architecture=model.config.architecture,
        parameters=parameters,
        embedding_parameters=embedding,
        vocab_size=model.config.vocab_size,
        context_length=model.config.context_length,
        batch_size=session.config.batch_size,
        device=calibration.device,
        number_format=calibration.number_format,
        compiled=calibration.compiled,
        threads=calibration.threads,
        start_step=session.counters.step,
        total_steps=session.schedule.last_step,
        train_tokens=session.task.train_tokens,
        validation_tokens=session.task.validation_tokens,
        processes=session.team.count,
    )


def step_finished(
    session: "Session", batch: "BatchLoss", gradient_norm: float, rate_factor: float, depth: str
) -> StepFinished:
    """A step that was taken, and the speed of the last ones."""
    counters = session.counters
    # The first steps of a sitting warm up caches; the estimate does without them.
    settled = session.step_seconds[3:] or session.step_seconds
    seconds, each = sum(settled) / len(settled), session.team.seconds
    return StepFinished(
        step=counters.step,
        total_steps=session.schedule.last_step,
        epoch=session.epoch,
        loss=batch.loss,
        learning_rate=rate_factor * session.config.learning_rate,
        gradient_norm=gradient_norm,
        depth=depth,
        passes_per_token=batch.passes,
        tokens_seen=counters.tokens_seen,
        tokens_per_second=session.tokens_per_step / max(1e-9, seconds),
        elapsed_s=counters.elapsed_s,
        eta_s=seconds * (session.schedule.last_step - counters.step),
        slowest_process=each.index(max(each)) if each else None,
        waited_for_s=max(each) - min(each) if each else None,
    )


def evaluation_finished(
    session: "Session",
    loss: float,
    bits_per_byte: float,
    *,
    best: bool,
    passes_per_token: float | None = None,
    exact_accuracy: float | None = None,
    cell_accuracy: float | None = None,
    mean_exit_step: float | None = None,
    accuracy: dict[str, float] | None = None,
    losses: dict[str, float] | None = None,
) -> EvaluationFinished:
    """An evaluation on the way. `loss` is in nats per token, or per asked cell of a puzzle."""
    return EvaluationFinished(
        step=session.counters.step,
        epoch=session.epoch,
        train_loss=session.counters.mean_loss,
        validation_loss=loss,
        perplexity=perplexity(loss),
        bits_per_byte=bits_per_byte,
        best=best,
        passes_per_token=passes_per_token,
        exact_accuracy=exact_accuracy,
        cell_accuracy=cell_accuracy,
        mean_exit_step=mean_exit_step,
        accuracy=accuracy,
        losses=losses,
    )


def run_finished(
    session: "Session",
    loss: float,
    bits_per_byte: float,
    *,
    by_mode: dict[str, float],
    passes_per_token: float | None = None,
    exact_accuracy: float | None = None,
    cell_accuracy: float | None = None,
    mean_exit_step: float | None = None,
    accuracy_by_mode: dict[str, dict[str, float]] | None = None,
) -> RunFinished:
    """The end of a training, with what its last evaluation found."""
    counters = session.counters
    return RunFinished(
        run=session.run.name,
        reason=session.ended or "steps",
        step=counters.step,
        best_step=counters.best_step,
        validation_loss=loss,
        validation_loss_by_mode=by_mode,
        perplexity=perplexity(loss),
        bits_per_byte=bits_per_byte,
        parameters=session.model.parameter_counts()[0],
        tokens_seen=counters.tokens_seen,
        tokens_per_second=counters.tokens_seen / max(1e-9, counters.elapsed_s),
        elapsed_s=session.elapsed_s + counters.finish_s,
        path=str(session.run.path),
        sitting_s=session.control.now() - session.sitting_began,
        passes_per_token=passes_per_token,
        exact_accuracy=exact_accuracy,
        cell_accuracy=cell_accuracy,
        mean_exit_step=mean_exit_step,
        accuracy_by_mode=accuracy_by_mode,
    )


def run_paused(session: "Session") -> RunPaused:
    """A pause after the step that was just saved."""
    return RunPaused(
        step=session.counters.step, total_steps=session.schedule.last_step, path=str(session.run.path)
    )
