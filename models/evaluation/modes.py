"""The loss of a model at each of its modes."""

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from models.depth import DEFAULT_MODE, MODES, Depth, is_trained
from models.evaluation.loss import DepthHistogram
from models.evaluation.parts import HeldOutPart, PartLosses, evaluate_parts, tokens_read
from models.processes.spread import ONE_PROCESS, Spread
from models.recursive_lm import RecursiveLM
from models.runs.events import Event


@dataclass(frozen=True, slots=True)
class ModeLosses:
    """Nats per token by mode, over `tokens` tokens; fewer than the text has where it was too long."""

    by_mode: Mapping[str, float]
    tokens: int
    extrapolated: tuple[str, ...]
    """Modes deeper than training went."""
    histogram: DepthHistogram
    """Recursions that tokens took at the default mode."""
    by_part: Mapping[str, float]
    """At the default mode, by the content hash of each part."""

    @property
    def default(self) -> float:
        """The loss at the default mode."""
        return self.by_mode[DEFAULT_MODE]


def default_depth(model: RecursiveLM) -> Depth:
    """The depth of the default mode, or the trained one where that is less."""
    depth = MODES[DEFAULT_MODE]
    return depth if is_trained(model, depth) else model.trained_depth


def modes_by_importance(model: RecursiveLM) -> list[tuple[str, Depth]]:
    """The modes a model has: the default first, then the other trained ones, then the rest."""
    return sorted(
        model.modes().items(), key=lambda item: (not is_trained(model, item[1]), item[0] != DEFAULT_MODE)
    )


def trained_modes_cost_s(model: RecursiveLM, tokens: int, seconds_per_call_token: float) -> float:
    """Seconds that an evaluation of every trained mode on `tokens` tokens takes."""
    trained = [depth for depth in model.modes().values() if is_trained(model, depth)]
    return model.joint_calls(trained or [default_depth(model)]) * tokens * seconds_per_call_token


def evaluate_modes(
    model: RecursiveLM,
    parts: Sequence[HeldOutPart],
    number_format: str,
    *,
    step: int,
    max_tokens: int | None,
    deadline: float,
    spread: Spread = ONE_PROCESS,
) -> Generator[Event, None, ModeLosses]:
    """The loss at every mode over `parts` in their shares, or over windows of about `max_tokens` tokens.

    The default and the trained modes are always evaluated. The others are left out once `deadline`, on
    the clock of time.monotonic(), would pass.
    """
    losses: dict[str, PartLosses] = {}
    modes, histogram = model.modes(), DepthHistogram()

    def measure(names: Sequence[str]) -> Generator[Event, None, None]:
        found = yield from evaluate_parts(
            model,
            parts,
            [modes[mode] for mode in names],
            number_format,
            step=step,
            max_tokens=max_tokens,
            histograms={modes[DEFAULT_MODE]: histogram},
            spread=spread,
        )
        losses.update(zip(names, found, strict=True))

    needed = [mode for mode, depth in modes.items() if mode == DEFAULT_MODE or is_trained(model, depth)]
    began = time.monotonic()
    yield from measure(needed)
    call_s = (time.monotonic() - began) / model.joint_calls([modes[mode] for mode in needed])
    left = [mode for mode in modes if mode not in needed]
    while left and time.monotonic() + call_s * model.joint_calls([modes[mode] for mode in left]) > deadline:
        left.pop()
    if left:
        yield from measure(left)
    return ModeLosses(
        by_mode={mode: losses[mode].mean for mode in model.modes() if mode in losses},
        tokens=tokens_read(parts, model.config.context_length, max_tokens),
        extrapolated=tuple(
            mode for mode, depth in model.modes().items() if mode in losses and not is_trained(model, depth)
        ),
        histogram=histogram,
        by_part=losses[DEFAULT_MODE].by_part,
    )
