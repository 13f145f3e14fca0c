"""What a training says of itself: its beginning and its steps, as events."""

from models.runs.events import RunStarted, StepFinished
from models.training.open import Opened
from models.training.session import Session, StepResult


def run_started(opened: Opened) -> RunStarted:
    """The settled plan of a training that is about to take its next step."""
    session, measured = opened.session, opened.session.measured
    parameters, embedding = session.model.parameter_counts()
    return RunStarted(
        run=opened.run.name,
        architecture=session.model.config.architecture,
        parameters=parameters,
        embedding_parameters=embedding,
        vocab_size=session.model.config.vocab_size,
        context_length=session.model.config.context_length,
        batch_size=session.config.batch_size,
        device=measured.device,
        number_format=measured.number_format,
        compiled=measured.compiled,
        threads=measured.threads,
        start_step=session.counters.step,
        total_steps=session.schedule.last_step,
        train_tokens=opened.train_tokens,
        validation_tokens=opened.validation_tokens,
    )


def step_finished(session: Session, result: StepResult, step_seconds: list[float]) -> StepFinished:
    """One step, and the pace of the last ones; `step_seconds` are theirs, the newest last."""
    counters = session.counters
    # The first steps of a session warm caches up; the estimate does without them.
    settled = step_seconds[3:] or step_seconds
    seconds = sum(settled) / len(settled)
    return StepFinished(
        step=counters.step,
        total_steps=session.schedule.last_step,
        epoch=session.epoch,
        loss=result.loss,
        learning_rate=result.learning_rate,
        gradient_norm=result.gradient_norm,
        depth=str(result.depth),
        passes_per_token=result.passes,
        tokens_seen=counters.tokens_seen,
        tokens_per_second=session.tokens_per_step / seconds,
        elapsed_s=counters.elapsed_s,
        eta_s=seconds * (session.schedule.last_step - counters.step),
    )
