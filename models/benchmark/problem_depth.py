"""What passes buy a model of problems, by their difficulty."""

import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from data.problems.problem import ProblemTask
from data.wording import counted
from models.benchmark.environment import environment
from models.benchmark.report import Column, Plot, Report, Table, Value
from models.depth import Depth, depth_name, effective_depth, has_steps, is_trained, mode_at
from models.evaluation.problems import ProblemScores, ProblemSets, problem_sets, score_problems
from models.evaluation.puzzles import rank_correlation
from models.generation.problem_solver import ProblemSolver
from models.recursive_lm import RecursiveLM
from models.runs.events import Event

PROBLEMS = 512
"""Of each difficulty."""
_SEED = 2
"""Other problems than those that a training measures."""
_CYCLES = (1, 2, 3, 4, 6, 8, 12)
_SOLVED = 0.95
"""The share of right answers from which a difficulty counts as solved."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers at one depth."""

    name: str
    """Cycles x steps, or cycles alone."""
    mode: str | None
    trained: bool
    accuracy: dict[int, float]
    """Shares from 0 to 1, by difficulty."""
    problem_s: float
    """Seconds per problem, on average over all difficulties."""


@dataclass(frozen=True, slots=True)
class LeavingEarly:
    """The same problems, of the difficulties in training, at the trained depth: without and with tokens that
    leave early."""

    threshold: float
    full: ProblemScores
    early: ProblemScores

    def table(self, unit: str) -> Table:
        """A row for each difficulty."""
        columns = (
            Column("difficulty"),
            Column("right", ".1%"),
            Column("right, leaving early", ".1%"),
            Column("passes", ".2f"),
            Column("passes, leaving early", ".2f"),
        )
        early, full = self.early, self.full
        rows = [
            (counted(one, unit), share, early.accuracy[one], full.passes[one], early.passes[one])
            for one, share in full.accuracy.items()
        ]
        title = f"Tokens that leave early, at a threshold of {self.threshold:g}"
        return Table("halting", title, columns, tuple(rows))

    def verdict(self) -> str:
        """What leaving early saves and costs, over all problems."""
        taken = [passes for each in self.early.spent.values() for passes in each]
        whole = [passes for each in self.full.spent.values() for passes in each]
        difficulties = [one for one, each in self.early.spent.items() for _ in each]
        saved = 1 - sum(taken) / sum(whole)
        lost = 100 * (_mean(self.full.accuracy) - _mean(self.early.accuracy))
        change = "costs" if lost >= 0 else "gains"
        correlation = rank_correlation(taken, difficulties)
        correlated = (
            f" Passes and difficulty have a rank correlation of {correlation:.2f}."
            if math.isfinite(correlation)
            else ""
        )
        return (
            f"Leaving early saves {saved:.1%} of the passes and {change} {abs(lost):.1f} points.{correlated}"
        )


def benchmark_problem_depth(solver: ProblemSolver) -> Generator[Event, None, Report]:
    """The share of held-out problems that are answered rightly at every depth, by difficulty; also deeper
    than in training."""
    loaded, task = solver.loaded, solver.task
    model, config = loaded.model, loaded.config
    problems = problem_sets(task, PROBLEMS, _SEED)
    answered = []
    for depth in depths(model):
        began = time.perf_counter()
        scoring = score_problems(model, loaded.tokenizer, problems, task.most, depth, "float32")
        scores = yield from scoring
        spent = time.perf_counter() - began
        answered.append(
            Answered(
                name=depth_name(model, depth),
                mode=mode_at(model, depth),
                trained=is_trained(model, depth),
                accuracy=dict(scores.accuracy),
                problem_s=spent / scores.read,
            )
        )
    tables, found = [table_of(answered, task.unit, task.most)], verdicts(answered, task.unit)
    if model.early_exit == "on_request":
        leaving = yield from _leaving_early(solver, problems)
        tables.append(leaving.table(task.unit))
        found.append(leaving.verdict())
    assert config.data is not None
    device = next(model.parameters()).device
    return Report(
        kind="depth",
        subject=loaded.run.name,
        environment=environment(device, number_format="float32", corpus=config.data.content_hash),
        tables=tuple(tables),
        verdicts=tuple(found),
        notes=(
            f"The same {PROBLEMS:,} problems of each difficulty at every depth. {_seen(task)} "
            f"It had problems of up to {counted(task.most, task.unit)}.",
        ),
    )


def _leaving_early(solver: ProblemSolver, problems: ProblemSets) -> Generator[Event, None, LeavingEarly]:
    model, tokenizer, most = solver.loaded.model, solver.loaded.tokenizer, solver.task.most
    problems = {difficulty: posed for difficulty, posed in problems.items() if difficulty <= most}
    depth, threshold = model.trained_depth, model.default_halt
    full = yield from score_problems(model, tokenizer, problems, most, depth, "float32")
    halted = replace(depth, halt=threshold)
    early = yield from score_problems(model, tokenizer, problems, most, halted, "float32")
    return LeavingEarly(threshold, full, early)


def _seen(task: ProblemTask) -> str:
    if task.held_out_from == 1:
        return "The training never saw their answers."
    least = counted(task.held_out_from, task.unit)
    return f"From {least} up, the training never saw their answers; of easier ones there are too few."


def _mean(shares: Mapping[int, float]) -> float:
    return sum(shares.values()) / len(shares)


def depths(model: RecursiveLM) -> list[Depth]:
    """From one cycle to twelve, with as many steps as in training, without those that come to the same."""
    steps = model.trained_depth.steps if has_steps(model) else 1
    found = {effective_depth(model, Depth(cycles, steps)): Depth(cycles, steps) for cycles in _CYCLES}
    return list(found.values())


def table_of(answered: Sequence[Answered], unit: str, most: int) -> Table:
    """A row for each depth, and a column for each difficulty."""
    difficulties = list(answered[0].accuracy)
    columns = (
        Column("depth"),
        Column("mode"),
        *(Column(counted(difficulty, unit), ".1%", "higher") for difficulty in difficulties),
        Column("ms per problem", ".2f", "lower"),
        Column("trained"),
    )
    rows: list[tuple[Value, ...]] = [
        (one.name, one.mode, *one.accuracy.values(), 1e3 * one.problem_s, one.trained) for one in answered
    ]
    plot = Plot("ms per problem", counted(most, unit))
    title = "Right answers at each depth, by difficulty"
    return Table("depth", title, columns, tuple(rows), plot, rivals=True)


def verdicts(answered: Sequence[Answered], unit: str) -> list[str]:
    """The least depth that solves each difficulty, and where depth decides most."""
    if len(answered) == 1:
        return ["This model does not recur: it has one depth."]
    first, found = answered[0], list[str]()
    for difficulty in first.accuracy:
        enough = next((one for one in answered if one.accuracy[difficulty] >= _SOLVED), None)
        if enough is not None and enough is not first:
            here, there = enough.accuracy[difficulty], first.accuracy[difficulty]
            found.append(
                f"{counted(difficulty, unit)}: depth {_named(enough)} answers {here:.1%}, "
                f"and depth {_named(first)} {there:.1%}."
            )
    if not found:
        best = max(answered, key=lambda one: sum(one.accuracy.values()))
        found.append(
            f"No difficulty is solved by a greater depth alone. Most answers are right at {_named(best)}."
        )
    return found


def _named(one: Answered) -> str:
    return f"{one.name} ({one.mode})" if one.mode else one.name
