"""What workers tell the screens. Messages of high rate are nudges: a later one replaces those that wait."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from data.errors import RlmError
from models.generation.saved_conversations import SavedConversation
from models.runs.loss_curves import LossCurves
from tui.chat_entries import Speed
from tui.expansion import Expansion
from tui.machine_figures import Machine
from tui.planner import PlanAnswer
from tui.run_feed import RunView
from tui.run_list import RunRow

if TYPE_CHECKING:
    from models.growth.expand import ExpansionPlan
    from models.runs.load import LoadedModel
    from tui.puzzle_solve import PuzzleSolve
    from tui.puzzle_source import Posed, PuzzleSource


class RunsRead(Message):
    """The folder of the runs was read. `problem` says why it could not be."""

    def __init__(self, rows: Sequence[RunRow], problem: str | None = None) -> None:
        super().__init__()
        self.rows = rows
        self.problem = problem

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunsRead)


class CurvesRead(Message):
    """The logs of runs were read for their curves, by name. `problem` says which could not be."""

    def __init__(self, curves: Mapping[str, LossCurves], problem: str) -> None:
        super().__init__()
        self.curves = curves
        self.problem = problem


class RunAdvanced(Message):
    """The log of the run on the screen has new lines, or a process took or left the run."""

    def __init__(self, view: RunView) -> None:
        super().__init__()
        self.view = view

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunAdvanced)


class RunLost(Message):
    """The run on the screen can no longer be followed."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class MachineRead(Message):
    """How busy the machine is; None where nobody trains the run on the screen."""

    def __init__(self, machine: Machine | None) -> None:
        super().__init__()
        self.machine = machine

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, MachineRead)


class PlanAdvanced(Message):
    """The process that plans has answered."""

    def __init__(self, answer: PlanAnswer) -> None:
        super().__init__()
        self.answer = answer


class ModelLoaded(Message):
    """The weights of a run were loaded, or `error` says why not. `changed` is when they were written."""

    def __init__(self, loaded: "LoadedModel | None", changed: float, error: RlmError | None = None) -> None:
        super().__init__()
        self.loaded = loaded
        self.changed = changed
        self.error = error


class AnswerAdvanced(Message):
    """The answer of a model has grown."""

    def __init__(self, speed: Speed) -> None:
        super().__init__()
        self.speed = speed

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, AnswerAdvanced)


class AnswerEnded(Message):
    """No answer is being written any more; `error` says why, where one failed."""

    def __init__(self, error: RlmError | None) -> None:
        super().__init__()
        self.error = error


class WorkAdvanced(Message):
    """A measurement of a model has come so far. `share` is from 0 to 1; None where it is not known."""

    def __init__(self, stage: str, share: float | None) -> None:
        super().__init__()
        self.stage = stage
        self.share = share

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, WorkAdvanced)


class WorkEnded(Message):
    """A measurement of a model has ended. `found` is its result; None where it was stopped or failed."""

    def __init__(self, name: str, found: object, error: RlmError | None = None) -> None:
        super().__init__()
        self.name = name
        self.found = found
        self.error = error


class ExpansionRead(Message):
    """A run that is to grow was read, or `error` says why not."""

    def __init__(self, expansion: Expansion | None, error: RlmError | None = None) -> None:
        super().__init__()
        self.expansion = expansion
        self.error = error


class ExpansionPlanned(Message):
    """What is to grow was planned, or `error` says why not."""

    def __init__(self, plan: "ExpansionPlan | None", error: RlmError | None = None) -> None:
        super().__init__()
        self.plan = plan
        self.error = error


class ExpansionChecked(Message):
    """The outputs before and after were compared: the largest change of a logit, or why it is too large."""

    def __init__(self, plan: "ExpansionPlan", change: float | None, error: RlmError | None = None) -> None:
        super().__init__()
        self.plan = plan
        self.change = change
        self.error = error


class SolverLoaded(Message):
    """The model of a puzzle run was loaded, or `error` says why not."""

    def __init__(self, source: "PuzzleSource | None", error: RlmError | None = None) -> None:
        super().__init__()
        self.source = source
        self.error = error


class HeldOutRead(Message):
    """The held-out puzzles of a run were read, or `error` says why not."""

    def __init__(self, error: RlmError | None = None) -> None:
        super().__init__()
        self.error = error


class PuzzlePosed(Message):
    """There is a puzzle for the model, or `error` says why not."""

    def __init__(self, posed: "Posed | None", error: RlmError | None = None) -> None:
        super().__init__()
        self.posed = posed
        self.error = error


class PuzzleAdvanced(Message):
    """Steps of a puzzle were taken. `is_over`: no more are taken; `error` says why, where one failed."""

    def __init__(self, solve: "PuzzleSolve", *, is_over: bool = False, error: RlmError | None = None) -> None:
        super().__init__()
        self.solve = solve
        self.is_over = is_over
        self.error = error


class ConversationsRead(Message):
    """The saved conversations of a run were read, the newest first. There are `more` older ones."""

    def __init__(self, found: Sequence[SavedConversation], more: int) -> None:
        super().__init__()
        self.found = found
        self.more = more


class TrainingAtWork(Message):
    """A training that was started takes its first step. `run` is the name of its run."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run


class TrainingRefused(Message):
    """A process that was to train a run ended with an error. `reason` is what it wrote."""

    def __init__(self, run: str | None, reason: str) -> None:
        super().__init__()
        self.run = run
        self.reason = reason
