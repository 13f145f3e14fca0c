"""From a run's folder to a training in memory, wherever the run stands."""

import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from data.errors import UsageError
from data.wording import counted
from models.architectures import build_model, skeleton
from models.config import TrainingConfig
from models.cost.estimate import require_memory
from models.device import core_count, machine_name, prepare_process
from models.errors import CheckpointError
from models.growth.transaction import recover
from models.recursive_lm import RecursiveLM
from models.runs.best_weights import restore_best_weights
from models.runs.checkpoint import Snapshot, has_checkpoints, load_checkpoint
from models.runs.compatibility import model_config_of, require_matching_shapes
from models.runs.events import Event, NoticeGiven, RunFinished
from models.runs.machine import Machine, choose_machine
from models.runs.run import Run
from models.runs.run_config import Calibration, RunConfig
from models.runs.run_names import refuse_version
from models.training.control import Control
from models.training.length import Length, plan_steps
from models.training.session import Session
from models.training.several_processes import require_trainable_in
from models.training.sharding import calibration_to_measure, measured, require_fit
from models.training.tasks import Task, open_task
from models.training.team import Team
from models.training.time_budget import TimeBudget


@dataclass(frozen=True, slots=True)
class _StartingPoint:
    """Where the training of a run goes on: what its folder says, on this machine."""

    config: RunConfig
    training: TrainingConfig
    machine: Machine
    snapshot: Snapshot | None
    """The newest checkpoint; None for a run that has none yet."""
    length: Length
    ended: str | None
    """Why there are no steps left; None while there are some."""
    restored_step: int | None
    """The step of the best weights, where they were missing and come from a checkpoint."""


def open_session(run: Run, control: Control, team: Team | None = None) -> Generator[Event, None, Session]:
    """Everything before the next step, read or made. The caller holds the run's lock.

    Raises UsageError where there is nothing to go on with, CheckpointError, CorpusError.
    """
    team = team or Team()
    start = yield from _starting_point(run, control, team)
    yield from _machine_notices(start.machine, team)
    config, training, device = start.config, start.training, start.machine.device
    layout = _layout(run, start, team)
    task, config = yield from open_task(run, config, training, layout, device)
    torch.manual_seed(training.seed)
    model = build_model(layout.config)
    if not team.shards:
        model = model.to(device)
    initial = model.state_dict()
    calibration = start.machine.calibration
    if calibration is None and not team.shards:
        calibration = yield from _calibrate(model, task, start, team)
        config = _save_calibration(run, config, calibration)
    elif calibration is None:
        calibration = _calibration_without_times(layout, start, team)
    if team.shards:
        require_fit(calibration)
        if calibration.compiled or training.compile == "yes":
            yield NoticeGiven(message="Not compiled: the model is divided among processes.")

    session = Session(run, config, model, training, calibration, task, control, team)
    if team.shards and start.machine.calibration is None:
        _send_initial(session, initial)
        session.calibration = measured(session)
        session.run_config = _save_calibration(run, config, session.calibration)
    max_step = None if config.extension is not None else task.max_step(training)
    session.time_budget = TimeBudget(model, training, session.calibration, start.length, max_step=max_step)
    if start.snapshot is None:
        _send_initial(session, initial)
    else:
        _restore(session, start.snapshot, start)
    session.began = control.now() - session.counters.elapsed_s
    session.ended = start.ended
    yield from plan_steps(session, start.length)
    return session


def finished(run: Run) -> UsageError:
    """The error where no step of `run` is left."""
    return UsageError(
        f"Run '{run.name}' is finished.",
        hint=f"Go on with it: {{resume {run.in_command} training.minutes=5}}",
    )


# Where the training goes on.


def _starting_point(run: Run, control: Control, team: Team) -> Generator[Event, None, _StartingPoint]:
    """Read the run's folder, restore what is missing in it, and set up this process for training."""
    refuse_version(run.path)
    config = recover(run)
    restored_step = yield from restore_best_weights(run, config)
    if config.data is None:
        raise UsageError(
            f"Run '{run.name}' has no text yet.", hint=f"Train it: {{train FILE name={run.in_command}}}"
        )
    training = config.training_config()
    run.datasets(config)  # a damaged file is found now, not when all steps are done
    machine = choose_machine(training, config.calibration, team.count, team.on_this_machine)
    require_trainable_in(team.processes, training, machine.device, solves_puzzles=config.solves_puzzles)
    prepare_process(machine.threads)  # before any tensor: threads that run already keep their old settings
    snapshot = yield from _newest_snapshot(run, config)
    state = None if snapshot is None else snapshot.state
    length = Length.of(config, training, state, control.began, control.now())
    ended = None if snapshot is None or length.extends else snapshot.state.ended
    if ended is not None and restored_step is None and _is_evaluated(run, snapshot):
        raise finished(run)
    return _StartingPoint(config, training, machine, snapshot, length, ended, restored_step)


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


def _machine_notices(machine: Machine, team: Team) -> Iterator[Event]:
    """What the user should know of the machine: what is not as it was, and too many processes for it."""
    if machine.notice is not None:
        yield NoticeGiven(message=machine.notice)
    if machine.device.type == "cpu" and team.on_this_machine > core_count():
        yield NoticeGiven(
            message=f"{team.on_this_machine} processes share {counted(core_count(), 'core')}, "
            "which makes them slower than fewer would be."
        )


# The model, and how fast it learns.


def _layout(run: Run, start: _StartingPoint, team: Team) -> RecursiveLM:
    """The model on the meta device. Raises CheckpointError where the checkpoint is of another model,
    UsageError where a training of it does not fit into memory."""
    model_config, snapshot = model_config_of(run, start.config), start.snapshot
    if snapshot is not None:
        require_matching_shapes(model_config, snapshot.model, f"The checkpoint of step {snapshot.step}")
    layout = skeleton(model_config)
    require_memory(
        layout,
        start.training,
        start.machine.device,
        shards=team.processes.shards,
        hint="Close other programs, or train on a machine with more memory.",
    )
    return layout


def _calibrate(
    model: RecursiveLM, task: Task, start: _StartingPoint, team: Team
) -> Generator[Event, None, Calibration]:
    """Measure the steps of this process, with its share of a batch."""
    machine, training = start.machine, start.training
    threads = prepare_process(machine.threads)
    share = replace(training, batch_size=-(-training.batch_size // team.count))
    calibration = yield from task.calibrate(model, share, threads, start.length)
    return replace(calibration, machine=machine_name(machine.device), processes=team.count)


def _calibration_without_times(layout: RecursiveLM, start: _StartingPoint, team: Team) -> Calibration:
    """What is decided before a model that processes divide among them exists: only then it is measured."""
    machine = start.machine
    threads = prepare_process(machine.threads)
    calibration = calibration_to_measure(layout, start.training, machine.device, threads, team.count)
    return replace(calibration, machine=machine_name(machine.device))


def _save_calibration(run: Run, config: RunConfig, calibration: Calibration) -> RunConfig:
    """Write `calibration` into the run's config.json, and return the new configuration."""
    config = replace(config, calibration=calibration)
    run.save_config(config)
    return config


# The weights to begin with.


def _send_initial(session: Session, weights: Mapping[str, Tensor]) -> None:
    """Give the other processes the weights of a model that has not learned yet."""
    session.team.load(session, weights, session.learner.fresh(weights))


def _restore(session: Session, snapshot: Snapshot, start: _StartingPoint) -> None:
    """Go on from `snapshot`. Raises CheckpointError where it does not fit the model."""
    calibration = session.calibration
    session.restore(snapshot)
    session.counters.finish_s = _finish_s(session.run, snapshot)
    if start.machine.calibration is None:
        session.calibration = calibration  # not the micro-batch that another machine had room for
    if start.restored_step is not None and start.restored_step != session.counters.best_step:
        # These weights may not be the best: the next evaluation is compared with none before.
        session.counters.best_loss, session.counters.best_step = math.inf, start.restored_step


def _finish_s(run: Run, snapshot: Snapshot) -> float:
    """Seconds that the sittings until `snapshot` took after their last steps."""
    counters = snapshot.state.counters
    ended = None if snapshot.state.ended is None else run.history().ended
    if not isinstance(ended, RunFinished) or ended.step != snapshot.step:
        return counters.finish_s
    return max(counters.finish_s, ended.elapsed_s - counters.elapsed_s)
