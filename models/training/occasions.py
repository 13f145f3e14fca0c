"""When the things done once in a while are due: spread evenly over a run, however long it is.

Everything here is a function of the schedule and the counters, so a resumed run finds the same
occasions.
"""

import math

from models.training.session import Session


def falls_due(session: Session, times: int) -> bool:
    """Whether something done `times` times over the run falls on the step just taken."""
    schedule, step = session.schedule, session.counters.step
    if step == schedule.first_step:
        return False
    return _occasions(session, step, times) > _occasions(session, step - 1, times)


def evaluation_due(session: Session) -> bool:
    """Whether one of the evaluations spread over the run falls on this step; the last step has one."""
    counters = session.counters
    if counters.step == counters.last_evaluated:
        return False
    return counters.step >= session.schedule.last_step or falls_due(session, session.config.evaluations)


def sample_due(session: Session) -> bool:
    """Whether a passage is to be written with this evaluation: as many as asked for, or one each."""
    counters, times = session.counters, session.config.samples
    before = max(session.schedule.first_step, counters.last_evaluated)
    return _occasions(session, counters.step, times) > _occasions(session, before, times)


def _occasions(session: Session, step: int, times: int) -> int:
    """How many of `times` occasions have passed by `step`."""
    return math.floor(session.schedule.progress(step) * times + 1e-9)
