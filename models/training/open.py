"""From a run's folder to a training in memory, wherever the run stands."""

import math
from collections.abc import Generator
from dataclasses import replace

import torch

from data.errors import UsageError
from data.wording import counted
from models.architectures import build_model, skeleton
from models.cost.estimate import require_memory
from models.device import core_count, machine_name, prepare_process
from models.errors import CheckpointError
from models.growth.transaction import recover
from models.runs.best_weights import restore_best_weights
from models.runs.checkpoint import Snapshot, has_checkpoints, load_checkpoint
from models.runs.compatibility import model_config_of, require_matching_shapes
from models.runs.events import Event, NoticeGiven
from models.runs.machine import choose_machine
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.run_names import refuse_version
from models.training.control import Control
from models.training.session import Session
from models.training.several_processes import require_trainable_in
from models.training.sharding import calibration_to_measure, measured, require_fit
from models.training.tasks import open_task
from models.training.team import Team
from models.training.time_budget import Length, TimeBudget, plan_steps


def open_session(run: Run, control: Control, team: Team | None = None) -> Generator[Event, None, Session]:
    """Everything before the next step, read or made. The caller holds the run's lock.

    Raises UsageError where there is nothing to go on with, CheckpointError, CorpusError.
    """
    refuse_version(run.path)
    config = recover(run)
    restored_step = yield from restore_best_weights(run, config)
    if config.data is None:
        raise UsageError(
            f"Run '{run.name}' has no text yet.", hint=f"Train it: {{train FILE name={run.in_command}}}"
        )
    training = config.training_config()
    run.datasets(config)  # a damaged file is found now, not when all steps are done
    # Before any tensor is touched: threads that run already keep their old settings.
    team = team or Team()
    machine = choose_machine(training, config.calibration, team.count, team.on_this_machine)
    processes, solves_puzzles = team.processes, config.solves_puzzles
    require_trainable_in(processes, training, machine.device, solves_puzzles=solves_puzzles)
    prepare_process(machine.threads)
    snapshot = yield from _newest_snapshot(run, config)
    length = Length.of(config, training, None if snapshot is None else snapshot.state, control.began)
    ended = None if snapshot is None or length.extends else snapshot.state.ended
    if ended is not None and restored_step is None and _is_evaluated(run, snapshot):
        raise finished(run)
    if machine.notice is not None:
        yield NoticeGiven(message=machine.notice)
    if machine.device.type == "cpu" and team.on_this_machine > core_count():
        yield NoticeGiven(
            message=f"{team.on_this_machine} processes share {counted(core_count(), 'core')}, "
            "which makes them slower than fewer would be."
        )
    model_config = model_config_of(run, config)
    if snapshot is not None:
        require_matching_shapes(model_config, snapshot.model, f"The checkpoint of step {snapshot.step}")
    layout = skeleton(model_config)
    require_memory(layout, training, machine.device, shards=team.processes.shards)

    task, config = yield from open_task(run, config, training, layout, machine.device)
    torch.manual_seed(training.seed)
    model = build_model(model_config)
    if not team.shards:
        model = model.to(machine.device)
    initial = model.state_dict()
    calibration = machine.calibration
    if calibration is None and team.shards:
        threads = prepare_process(machine.threads)
        calibration = calibration_to_measure(layout, training, machine.device, threads, team.count)
        calibration = replace(calibration, machine=machine_name(machine.device))
    elif calibration is None:
        threads = prepare_process(machine.threads)
        share = replace(training, batch_size=-(-training.batch_size // team.count))
        calibration = yield from task.calibrate(model, share, threads, length)
        calibration = replace(calibration, machine=machine_name(machine.device), processes=team.count)
        config = replace(config, calibration=calibration)
        run.save_config(config)

    if team.shards:
        require_fit(calibration)
        if calibration.compiled or training.compile == "yes":
            yield NoticeGiven(message="Not compiled: the model is divided among processes.")
    session = Session(run, config, model, training, calibration, task, control, team)
    if team.shards and machine.calibration is None:
        team.load(session, initial, session.learner.fresh(initial))
        calibration = measured(session)
        session.calibration, session.run_config = calibration, replace(config, calibration=calibration)
        run.save_config(session.run_config)
    session.time_budget = TimeBudget(
        model,
        training,
        calibration,
        length,
        max_step=None if config.extension is not None else task.max_step(training),
    )
    if snapshot is None:
        team.load(session, initial, session.learner.fresh(initial))
    else:
        session.restore(snapshot)
        if machine.calibration is None:
            session.calibration = calibration  # not the micro-batch that another machine had room for
        if restored_step is not None and restored_step != session.counters.best_step:
            # These weights may not be the best: the next evaluation is compared with none before.
            session.counters.best_loss, session.counters.best_step = math.inf, restored_step
    session.began = control.now() - session.counters.elapsed_s
    session.ended = ended
    yield from plan_steps(session, length)
    return session


def finished(run: Run) -> UsageError:
    """The error where no step of `run` is left."""
    return UsageError(
        f"Run '{run.name}' is finished.",
        hint=f"Go on with it: {{resume {run.in_command} training.minutes=5}}",
    )


def _newest_snapshot(run: Run, config: RunConfig) -> Generator[Event, None, Snapshot | None]:
    """The checkpoint to go on from, or None for a run that has none yet.

    Raises CheckpointError where only checkpoints from before the run's last change are intact.
    """
    if not has_checkpoints(run):
        return None
    snapshot, notes = load_checkpoint(run)
    for note in notes:
        yield NoticeGiven(message=note)
    if snapshot.state.revision != config.revision:
        raise CheckpointError(
            f"Run '{run.name}' has no intact checkpoint since it last grew or was given another text.",
            hint="Its weights can be used; its training cannot go on.",
        )
    return snapshot


def _is_evaluated(run: Run, snapshot: Snapshot | None) -> bool:
    """Whether the last evaluation belongs to `snapshot`: a crash can come between the two."""
    evaluation = run.evaluation()
    return snapshot is not None and evaluation is not None and evaluation.after_steps == snapshot.step
