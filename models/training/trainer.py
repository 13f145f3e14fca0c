"""The training loop, as a generator of events. The order of events is the order of lines.

One call trains a new run, goes on with a paused one, and goes on after a crash: the run's newest
checkpoint says which.
"""

from collections.abc import Iterator

from models.processes.group import noticing_lost_processes
from models.runs.events import Event
from models.runs.recording import paused_while_opening
from models.runs.run import Run
from models.training.control import Control, until_paused
from models.training.grow import grow, growths_due
from models.training.open import open_session
from models.training.reports import run_paused, run_started, step_finished
from models.training.session import Session
from models.training.team import Team


def train(run: Run, control: Control | None = None, team: Team | None = None) -> Iterator[Event]:
    """Train `run` from where it stands to its end, or until `control` asks for a pause or a stop.

    With a `team`, this is process 0 of several. The last event is RunFinished or RunPaused. Raises RlmError:
    DivergedError where training diverged, StorageError, CheckpointError, CorpusError, UsageError where the
    run is finished, ProcessLostError.
    """
    control = control or Control()
    with run.lock(), noticing_lost_processes():
        control.listen(run)
        session = yield from until_paused(open_session(run, control, team), control)
        if session is None:
            yield paused_while_opening(run)
            return
        yield from training_loop(session)


def training_loop(session: Session) -> Iterator[Event]:
    """The training of an open session, from RunStarted on. The caller holds the run's lock."""
    task, control = session.task, session.control
    yield run_started(session)
    if session.counters.step == 0:
        begun = yield from until_paused(task.begin(session), control)
        if begun is None:
            session.team.require_all()
            yield paused_while_opening(session.run)
            return
        yield session.save("interval")

    while True:
        # once in a while: evaluate, write a sample, keep the best weights
        if session.evaluation_due():
            yield from task.evaluate(session)
        if control.wants("sample"):
            yield from task.sample(session)
        if session.team.was_interrupted:
            control.pause()
        if control.wants("pause"):
            yield session.save("pause")
            session.team.require_all()
            yield run_paused(session)
            return
        # once in a while: plan again how many steps fit into the time
        if session.replan_due():
            yield from session.time_budget.replan(session)
        if session.has_ended():
            break
        # once in a while: save
        if reason := session.save_due():
            yield session.save(reason)

        # one optimizer step
        depth = task.depth_at(session, session.counters.step)
        batch = yield from session.backward(depth)
        gradient = session.optimizers.clip_gradient()
        problem = session.problem(batch, gradient)
        rate_factor = session.learning_rate_factor()
        if problem is None and not gradient.overflowed:
            session.take_step(rate_factor)
        session.advance(batch, depth)
        if problem is not None:
            # the weights were not touched; too many bad batches return to the latest checkpoint
            yield from session.skip(batch, gradient, problem)
        elif not gradient.overflowed:
            session.update_mean_loss(batch.loss)
            yield step_finished(session, batch, gradient.norm, rate_factor, str(depth))

        yield from task.after_step(session, batch.drawn)

        # once in a while: grow
        if number := growths_due(session):
            yield from grow(session, number)

    yield session.save("final")
    finished = yield from until_paused(task.finish(session), control)
    if finished is None:
        session.team.require_all()
        yield run_paused(session)
