"""What each depth of a model of text costs, and what it buys."""

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from data.progress import result_of
from models.analysis.likelihood import STANDARD_ERRORS, blocks_of
from models.analysis.run_texts import texts_of
from models.benchmark.environment import environment
from models.benchmark.report import Column, Plot, Report, Table
from models.depth import Depth, depth_name, distinct_depths, is_trained, mode_at
from models.device import synchronize
from models.evaluation.loss import evaluate
from models.recursive_lm import RecursiveLM
from models.runs.events import Event, PreparationAdvanced
from models.runs.load import LoadedModel

_ROUNDS = 3
"""Times that every depth reads the text. Depths take turns, so that the machine's load meets all alike."""
_COLUMNS = (
    Column("depth"),
    Column("mode"),
    Column("block passes", "d"),
    Column("loss", ".4f", "lower"),
    Column("gains", ".4f", "above zero"),
    Column("±", ".4f"),
    Column("µs per token", ".1f", "lower"),
    Column("trained"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One depth on the same blocks as the others."""

    name: str
    """Cycles x steps, or cycles alone."""
    mode: str | None
    block_passes: int
    """Of a token."""
    trained: bool
    nats: tuple[float, ...]
    """Of each block, per token."""
    seconds: tuple[float, ...]
    """Of each round, per token."""

    @property
    def loss(self) -> float:
        """Nats per token."""
        return float(np.mean(self.nats))

    @property
    def token_s(self) -> float:
        """Seconds per token, the median over rounds."""
        return float(np.median(self.seconds))

    def gain_over(self, other: "Measured") -> tuple[float, float]:
        """Nats per token less than `other`, and 1.96 standard errors of that over the blocks. The two read
        the same blocks, so the choice of the text cancels out. Infinite where there is one block."""
        differences = np.subtract(other.nats, self.nats)
        if len(differences) < 2:
            return float(differences.mean()), math.inf
        error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
        return float(differences.mean()), STANDARD_ERRORS * error


def benchmark_depth(loaded: LoadedModel) -> Generator[Event, None, Report]:
    """The loss and the time of the same held-out blocks at every depth, shallow to deep.

    Raises CorpusError where the text of the run is gone.
    """
    model = loaded.model
    texts = yield from texts_of(loaded)
    blocks = blocks_of(texts.held_out_tokens, model.config.context_length)
    number_format = loaded.number_format
    within_documents = loaded.config.training_config().within_documents
    measured = yield from measure(model, blocks, number_format, within_documents=within_documents)
    device = next(model.parameters()).device
    data = loaded.config.data
    return Report(
        kind="depth",
        subject=loaded.run.name,
        environment=environment(
            device, number_format=number_format, corpus=data.content_hash if data is not None else None
        ),
        tables=(table_of(measured),),
        verdicts=tuple(verdicts(measured)),
        notes=(f"Every depth reads the same {sum(len(block) - 1 for block in blocks):,} held-out tokens.",),
    )


def measure(
    model: RecursiveLM, blocks: Sequence[np.ndarray], number_format: str, *, within_documents: bool = False
) -> Generator[Event, None, list[Measured]]:
    """Read `blocks`, (T + 1,) each, at every depth that differs for this model. `within_documents` is as in
    `evaluate`."""
    device = next(model.parameters()).device
    depths = _depths(model)
    tokens = sum(len(block) - 1 for block in blocks)
    nats: list[list[float]] = [[] for _ in depths]
    seconds: list[list[float]] = [[] for _ in depths]
    total, done = _ROUNDS * len(depths) * len(blocks), 0
    for _ in range(_ROUNDS):
        for place, depth in enumerate(depths):
            losses, spent = [], 0.0
            for block in blocks:
                yield PreparationAdvanced(stage="measuring", done=done, total=total)
                synchronize(device)
                began = time.perf_counter()
                evaluating = evaluate(model, block, depth, number_format, within_documents=within_documents)
                losses.append(result_of(evaluating))
                synchronize(device)
                spent += time.perf_counter() - began
                done += 1
            seconds[place].append(spent / tokens)
            nats[place] = losses
    return [
        Measured(
            name=depth_name(model, depth),
            mode=mode_at(model, depth),
            block_passes=model.attention_calls(depth),
            trained=is_trained(model, depth),
            nats=tuple(nats[place]),
            seconds=tuple(seconds[place]),
        )
        for place, depth in enumerate(depths)
    ]


def table_of(measured: Sequence[Measured]) -> Table:
    """A row for each depth, and what it gains over the row above."""
    rows = []
    for place, one in enumerate(measured):
        gain, interval = one.gain_over(measured[place - 1]) if place else (None, None)
        known = interval if interval is None or math.isfinite(interval) else None
        figures = (one.block_passes, one.loss, gain, known, 1e6 * one.token_s, one.trained)
        rows.append((one.name, one.mode, *figures))
    plot = Plot(x="µs per token", y="loss")
    return Table("depth", "Loss in nats per token at each depth", _COLUMNS, tuple(rows), plot, rivals=True)


def verdicts(measured: Sequence[Measured]) -> list[str]:
    """Where returns stop, and what the best depth costs and buys."""
    if len(measured) == 1:
        return ["This model does not recur: it has one depth."]
    if len(measured[0].nats) == 1:
        return ["The held-out text is a single block, which cannot tell a gain from chance."]
    first, best = measured[0], measured[0]
    for one in measured[1:]:
        gain, interval = one.gain_over(best)
        if gain > interval:
            best = one
    if best is first:
        return [f"No depth is better than {_named(first)} by more than chance."]
    gain, interval = best.gain_over(first)
    found = [
        f"Returns stop at {_named(best)}: nothing deeper is better by more than chance.",
        f"It gains {gain:.4f} ± {interval:.4f} nats per token over {_named(first)} "
        f"and takes {best.token_s / first.token_s:.1f} times as long.",
    ]
    worse = [_named(one) for one in measured[1:] if (change := one.gain_over(best))[0] < -change[1]]
    if worse:
        found.append(f"Worse than it by more than chance: {', '.join(worse)}.")
    return found


def _named(one: Measured) -> str:
    return f"{one.name} ({one.mode})" if one.mode else one.name


def _depths(model: RecursiveLM) -> list[Depth]:
    """The depths that differ for this model, by what they cost."""
    return sorted(distinct_depths(model), key=lambda depth: (model.attention_calls(depth), depth))
