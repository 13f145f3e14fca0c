"""Puzzles as a task of the two-state architectures: a whole grid at once, thought about in steps.

A supervision step is one thought: the cycles of the architecture over all cells, with gradients
through the last of them. The states are carried on from step to step, detached, and after each
there is an answer and a judgement of whether the whole of it is right: a puzzle whose answer is
sure leaves.
"""

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from data.errors import UsageError
from data.sudoku_grid import SIZES, geometry
from models.config import ModelConfig, require
from models.layers.attention import AttentionContext
from models.recursive_lm import RecursiveLM, States

SURE = 0.9
"""How sure a model has to be of an answer, from 0 to 1, for its puzzle to leave; a higher one thinks
longer. While it learns a half will do."""


@dataclass(frozen=True, kw_only=True)
class TwoStateConfig(ModelConfig):
    """The dials of an architecture with an answer and a reasoning state, for text or for puzzles."""

    task: str = "text"
    """text: causal, token by token. sudoku: a grid at once, every cell seeing all others."""
    supervision_steps: int = 8
    """Supervision steps a puzzle gets in training before another takes its place."""
    supervision_power: float = 1.0
    """The n-th supervised answer counts n to this power in the loss; 0 counts all alike."""
    heads_see: str = "units"
    """Which cells of a grid a head of attention looks at. units: by turns all of them, those of the row,
    of the column, of the box. all: every head all of them."""
    gradient_cycles: int = 4
    """Cycles, counted from the last, that gradients flow through; 1 is the one-step approximation."""
    halting_weight: float = 0.1
    """The halting head's share of the loss."""
    output: str = "softmax"
    """softmax, or stablemax: how logits become probabilities, in training and in use."""
    exploration: float = 0.1
    """Share of the puzzles that training thinks about for longer than the halting head asks for."""
    checkpoint_gradients: bool = False
    """Whether a thought about puzzles is computed again in the backward pass, to save memory."""

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        steps, power = self.supervision_steps, self.supervision_power
        require(self.task in ("text", "sudoku"), "model.task", self.task, "text or sudoku")
        require(1 <= steps <= 1024, "model.supervision_steps", steps, "1 to 1024")
        require(0 <= power <= 8, "model.supervision_power", power, "0 to 8")
        require(self.heads_see in ("units", "all"), "model.heads_see", self.heads_see, "units or all")
        require(0 <= self.exploration <= 1, "model.exploration", self.exploration, "0 to 1")
        cycles, weight = self.gradient_cycles, self.halting_weight
        require(1 <= cycles <= 64, "model.gradient_cycles", cycles, "1 to 64")
        require(weight > 0, "model.halting_weight", weight, "above 0")
        require(self.output in ("softmax", "stablemax"), "model.output", self.output, "softmax or stablemax")
        if self.task == "text":
            return
        n = self.vocab_size - 1
        if n not in SIZES or self.context_length != n * n:
            raise UsageError(
                f"A model of {self.context_length} cells and {n} digits fits no Sudoku.",
                hint="Leave both to the puzzles: rlm train --task sudoku:4x4",
            )
        require(self.lookback == 0, "model.lookback", self.lookback, "0 for puzzles: cells have no order")

    @property
    def halting_values(self) -> int:
        """How many values the halting head has. Of a token: is it right now, is it right at the end.
        Of a puzzle: is all of it right."""
        return 2 if self.task == "text" else 1

    def supervision_weight(self, number: int) -> float:
        """How much the `number`-th supervised answer counts, from 1."""
        return float(number**self.supervision_power)


@dataclass(slots=True)
class Thought:
    """What one supervision step came to, for B puzzles of T cells."""

    states: States
    """(B, T, D) each, what the next step goes on from."""
    logits: Tensor
    """(B, T, n + 1) in float32, for a blank, which is never right, and for each digit."""
    halting: Tensor
    """(B,) in float32, above 0 where the answer is more likely right than not."""


@dataclass(slots=True)
class PuzzleLoss:
    """`total` is minimised; `answer` is its cross-entropy in nats per blank cell, `right` (B,) says
    whose answer is."""

    total: Tensor
    answer: Tensor
    right: Tensor


@dataclass(slots=True)
class Prediction:
    """What became of B puzzles."""

    answers: Tensor
    """(B, T) int64, the clues as they were."""
    exit_steps: Tensor
    """(B,) int64, the supervision steps each was thought about."""
    confidence: Tensor
    """(B,) from 0 to 1: how sure the model was of the whole answer when it left."""
    logits: Tensor
    """(B, T, n + 1) in float32, those of the answers."""
    trail: list[Tensor] = field(default_factory=list)
    """The answers after each step, where asked for."""


class TwoStateModel(RecursiveLM):
    """An architecture whose states are an answer and a reasoning: for text, or for puzzles of one size."""

    config: TwoStateConfig
    head: nn.Linear
    halting: nn.Linear
    places: nn.ModuleList
    units: Tensor
    """(3, T): the row, the column and the box of each cell."""
    seen: Tensor
    """(1, H, T, T): the cells that each head sees from each cell."""

    def __init__(self, config: TwoStateConfig) -> None:
        super().__init__(config)
        if config.task == "text":
            return
        units = _units(config.vocab_size - 1)
        self.register_buffer("units", units, persistent=False)
        self.register_buffer("seen", _seen(units, config), persistent=False)
        self.places = nn.ModuleList(
            nn.Embedding(config.vocab_size - 1, config.d_model) for _ in range(len(units))
        )

    @abstractmethod
    def start(self, x: Tensor) -> States:
        """The states every thought begins with, for the input `x` (B, T, D)."""

    @abstractmethod
    def logits(self, state: Tensor) -> Tensor:
        """The answer state (B, T, D) read out as logits (B, T, V) in float32."""

    def input_modules(self) -> list[nn.Module]:
        return [*super().input_modules(), *([self.places] if self.config.task != "text" else [])]

    def ponder(self, puzzles: Tensor, states: States | None = None) -> Thought:
        """One supervision step over `puzzles` (B, T), from `states` or from the beginning."""
        x = self.embed_puzzles(puzzles)
        states = self.start(x) if states is None else states
        if self.config.checkpoint_gradients and torch.is_grad_enabled():
            states = checkpoint(self._think_once, states, x, use_reentrant=False)
        else:
            states = self._think_once(states, x)
        answer = states[0]
        halting = self.halting(answer.mean(dim=1)).float().squeeze(-1)  # (B,)
        return Thought(states, self.logits(answer), halting)

    def embed_puzzles(self, puzzles: Tensor) -> Tensor:
        """`puzzles` (B, T) as vectors (B, T, D): what stands in each cell, and where the cell is."""
        x = self.embedding(puzzles)
        for table, unit in zip(self.places, self.units, strict=True):
            x = x + table(unit)
        if self.config.positions == "learned":
            x = x + self.position_embedding.weight
        return x * (self.config.d_model / 2) ** 0.5

    def puzzle_loss(self, thought: Thought, puzzles: Tensor, solutions: Tensor, taken: Tensor) -> PuzzleLoss:
        """What teaches the answer and the judgement of it; `taken` (B,) are the steps so far, this one
        included. All others are (B, T)."""
        blank = puzzles == 0
        losses = F.cross_entropy(thought.logits.mT, solutions, reduction="none")  # (B, T)
        answer = (losses * blank).sum() / blank.sum()
        weights = _normalised(self.config, taken)[:, None] * blank
        right = (answers_of(thought, puzzles) == solutions).all(dim=1)
        halting = F.binary_cross_entropy_with_logits(thought.halting, right.float())
        total = (losses * weights).sum() / blank.sum() + self.config.halting_weight * halting
        return PuzzleLoss(total, answer.detach(), right)

    @torch.no_grad()
    def predict(
        self, puzzles: Tensor, max_steps: int, *, sure: float = SURE, keep_trail: bool = False
    ) -> Prediction:
        """Think about `puzzles` (B, T) for up to `max_steps` steps each, which may be more than in
        training. Those whose answer is sure leave, and cost nothing more; 1 lets none leave."""
        going_on = torch.arange(len(puzzles), device=puzzles.device)
        found = Prediction(
            puzzles.clone(),
            torch.full_like(going_on, max_steps),
            torch.zeros(len(puzzles), device=puzzles.device),
            torch.zeros(*puzzles.shape, self.config.vocab_size, device=puzzles.device),
        )
        states: States | None = None
        for step in range(1, max_steps + 1):
            thought = self.ponder(puzzles[going_on], states)
            confidence = thought.halting.sigmoid()
            found.answers[going_on] = answers_of(thought, puzzles[going_on])
            found.confidence[going_on] = confidence
            found.logits[going_on] = thought.logits
            leaving = (confidence >= sure) if sure < 1 else torch.zeros_like(confidence, dtype=torch.bool)
            found.exit_steps[going_on[leaving]] = step
            if keep_trail:
                found.trail.append(found.answers.clone())
            going_on = going_on[~leaving]
            if not len(going_on):
                break
            states = tuple(state[~leaving] for state in thought.states)
        return found

    def _think_once(self, states: States, x: Tensor) -> States:
        depth = self.trained_depth
        slots = range(self.attention_calls(depth))
        context = AttentionContext(causal=False, mask=self.seen)
        history, _ = self.recur(states, x, depth, context, slots, self.config.gradient_cycles)
        return history[-1]


def answers_of(thought: Thought, puzzles: Tensor) -> Tensor:
    """The answers (B, T) int64 a thought stands for: the likeliest digits around the clues."""
    return torch.where(puzzles == 0, thought.logits[..., 1:].argmax(dim=-1) + 1, puzzles)


def _normalised(config: TwoStateConfig, taken: Tensor) -> Tensor:
    """The weight of the n-th answer, of a mean of one over the steps of training; for n in `taken`."""
    weights = [config.supervision_weight(number) for number in range(1, config.supervision_steps + 1)]
    mean = sum(weights) / len(weights)
    return taken.float() ** config.supervision_power / mean


def _units(n: int) -> Tensor:
    """(3, n * n): the row, the column and the box of each cell."""
    shape, cells = geometry(n), torch.arange(n * n)
    rows, columns = cells // n, cells % n
    boxes = rows // shape.box_height * (n // shape.box_width) + columns // shape.box_width
    return torch.stack((rows, columns, boxes))


def _seen(units: Tensor, config: TwoStateConfig) -> Tensor:
    together = units[:, :, None] == units[:, None, :]  # (3, T, T)
    kinds = torch.cat((torch.ones_like(together[:1]), together))
    if config.heads_see == "all":
        kinds = kinds[:1]
    return kinds[torch.arange(config.n_heads) % len(kinds)][None]
