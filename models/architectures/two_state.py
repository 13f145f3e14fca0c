"""What architectures with two states, an answer and a reasoning, have in common; and how they read text.

An architecture defines the start of the states (`start`) and one cycle (`cycle`). In training, the answer is
read out after every cycle, every answer has a loss, and a halting head learns for each token whether more
cycles are worth their cost. Puzzles are in `models.architectures.puzzle_model`.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn

from data.errors import UsageError
from data.puzzle_kinds import KINDS, layout_of
from models.config import ModelConfig
from models.depth import Depth
from models.layers.attention import AttentionContext
from models.losses import LossParts, halting_loss, log_stablemax, next_token_loss
from models.recursive_lm import Hidden, RecursiveLM, States
from models.settings import require

_OF_PUZZLES = ("supervision_steps", "attention_scope", "exploration", "checkpoint_gradients")
"""The fields that only a model of puzzles uses."""


@dataclass(frozen=True, kw_only=True)
class TwoStateConfig(ModelConfig):
    """The fields of an architecture with an answer and a reasoning state, for text or for puzzles."""

    task: str = "text"
    """text: causal, token by token. sudoku, maze, grid: a whole grid at once, where every cell sees all
    others."""
    supervision_steps: int = 8
    """Supervision steps of a puzzle in training, before another puzzle replaces it."""
    supervision_power: float = 1.0
    """The n-th answer has the weight n to this power in the loss; with 0 all answers weigh the same."""
    attention_scope: str = "units"
    """Which cells of a grid an attention head sees. units: the first head sees all cells, the next those of
    the row, then of the column, then of the box, and so on in turn; of a maze, all cells, then the one above,
    below, left and right; of a string, all cells. all: every head sees all cells."""
    gradient_cycles: int = 4
    """How many of the last cycles gradients flow through; 1 is the one-step approximation."""
    halting_weight: float = 0.1
    """The halting head's share of the loss."""
    output: str = "softmax"
    """softmax or stablemax: how logits become probabilities, in training and in use."""
    exploration: float = 0.1
    """Share of the puzzles in training that get more supervision steps than the halting head asks for."""
    checkpoint_gradients: bool = False
    """Whether the backward pass computes a supervision step of puzzles again, to save memory."""

    puzzle_shape: ClassVar[Mapping[str, int]] = MappingProxyType({})
    """The architecture's defaults for puzzles, by field."""

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        steps, power = self.supervision_steps, self.supervision_power
        allowed = ("text", *KINDS)
        require(self.task in allowed, "model.task", self.task, f"one of {', '.join(allowed)}")
        require(1 <= steps <= 1024, "model.supervision_steps", steps, "1 to 1024")
        require(0 <= power <= 8, "model.supervision_power", power, "0 to 8")
        scope = self.attention_scope
        require(scope in ("units", "all"), "model.attention_scope", scope, "units or all")
        require(0 <= self.exploration <= 1, "model.exploration", self.exploration, "0 to 1")
        cycles, weight = self.gradient_cycles, self.halting_weight
        require(1 <= cycles <= 64, "model.gradient_cycles", cycles, "1 to 64")
        require(weight > 0, "model.halting_weight", weight, "above 0")
        require(self.output in ("softmax", "stablemax"), "model.output", self.output, "softmax or stablemax")
        if self.task == "text":
            self._require_text()
        else:
            self._require_puzzle()

    def _require_text(self) -> None:
        """Raise UsageError for a field that changes nothing over text."""
        usual = {field.name: field.default for field in fields(self)}
        for name in _OF_PUZZLES:
            if getattr(self, name) != usual[name]:
                raise UsageError(
                    f"model.{name} is {getattr(self, name)}, and over text it changes nothing.",
                    hint="Leave it out; it is for puzzles: {train task=sudoku:4x4}",
                )

    def _require_puzzle(self) -> None:
        """Raise UsageError for sizes that fit no grid, and for fields that puzzles cannot use."""
        layout_of(self.task, self.vocab_size, self.context_length)
        require(self.ngram == 0, "model.ngram", self.ngram, "0 for puzzles: cells have no order")
        # A cell is embedded with its row, column and box; learned positions are added to these.
        allowed = "rotary, the default, or learned for puzzles: sinusoidal is for text"
        require(self.positions != "sinusoidal", "model.positions", self.positions, allowed)

    def why_not_grow(self, axis: str) -> str | None:
        if self.task != "text" and axis == "vocab":
            return "its vocabulary is the symbols of its puzzles"
        if self.task != "text" and axis == "loops":
            return "a supervision step of a puzzle takes all loops, so more loops would change its answers"
        if self.output == "stablemax" and axis == "vocab":
            return (
                "stablemax gives every token a share, so more tokens would change the old ones' probabilities"
            )
        return None

    @property
    def halting_values(self) -> int:
        """The number of values of the halting head. For a token: is the answer right now, and is it right
        after the last cycle. For a puzzle: is the whole answer right."""
        return 2 if self.task == "text" else 1

    def supervision_weight(self, number: int) -> float:
        """The weight of answer `number`, counted from 1, in the loss."""
        return float(number**self.supervision_power)


class TwoStateModel(RecursiveLM):
    """An architecture with an answer and a reasoning state, over text."""

    config: TwoStateConfig
    halting: nn.Linear

    @abstractmethod
    def start(self, x: Tensor) -> States:
        """The states before the first cycle, (B, T, D) each, for the input `x` (B, T, D)."""

    def readouts(self, depth: Depth) -> int:
        return depth.cycles if self.config.task == "text" else 1

    def hidden(self, tokens: Tensor, depth: Depth, context: AttentionContext) -> Hidden:
        states, passes = self.think(tokens, depth, context)
        return Hidden(states[-1], passes)

    def training_loss(
        self, tokens: Tensor, targets: Tensor, depth: Depth, documents: Tensor | None = None
    ) -> LossParts:
        """The weighted mean of the cross-entropies after every cycle, and the loss of the halting head.

        Later cycles weigh more, as `supervision_power` says.
        """
        states, passes = self.think(tokens, depth, self.attention_context(tokens, documents=documents))
        answers = [self.readout(state) for state in states]
        losses = [next_token_loss(answer, targets) for answer in answers]
        halting = self.halting_loss(states, answers, targets)
        weights = [self.config.supervision_weight(number) for number in range(1, len(losses) + 1)]
        supervised = sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) / sum(weights)
        total = supervised + self.config.halting_weight * halting
        return LossParts(total, losses[-1].detach(), passes.mean())

    def think(self, tokens: Tensor, depth: Depth, context: AttentionContext) -> tuple[list[Tensor], Tensor]:
        """The answer state (B, T, D) after each cycle, and the cycles each token took (B, T)."""
        x = self.embed(tokens, context) * self.config.d_model**0.5  # (B, T, D)
        slots = range(self.attention_calls(depth))
        history, passes = self.recur(self.start(x), x, depth, context, slots, self.config.gradient_cycles)
        return [answer for answer, _ in history], passes

    def readout(self, state: Tensor) -> Tensor:
        logits: Tensor = self.head(state).float()  # (B, T, V)
        return log_stablemax(logits) if self.config.output == "stablemax" else logits

    def halting_score(self, before: Tensor, after: Tensor) -> Tensor:
        """At least 0.5 where the answer is at least as likely to be right now as after the last cycle."""
        now, at_the_end = self.halting(after).float().unbind(-1)
        return torch.sigmoid(now - at_the_end)

    def halting_loss(self, states: list[Tensor], answers: list[Tensor], targets: Tensor) -> Tensor:
        """The loss of two predictions for each token and cycle: is the answer right now, and at the end.

        Where the first is as likely as the second, more cycles are not worth their cost. `states` are
        detached, so that this loss trains only the halting head. `states` and `answers` have one (B, T, D)
        and one (B, T, V) for each cycle.
        """
        losses = [
            halting_loss(self.halting(state.detach()), answer, answers[-1], targets)
            for state, answer in zip(states, answers, strict=True)
        ]
        return torch.stack(losses).mean()
