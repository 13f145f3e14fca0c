"""Puzzles for the two-state architectures: a whole grid at once, in supervision steps.

A supervision step applies all cycles of the architecture to all cells, with gradients through the last ones.
The next step starts from its states, detached. After each step there is an answer, and a halting score: how
likely the whole answer is right. A puzzle whose score is high enough leaves.
(Deep supervision and halting: Jolicoeur-Martineau 2025, arXiv 2510.04871.)
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from data.puzzle_kinds import layout_of
from models.architectures.two_state import TwoStateConfig, TwoStateModel
from models.layers.attention import AttentionContext
from models.layers.grid_attention import GridAttention
from models.recursive_lm import States

SURE = 0.9
"""The halting score, 0 to 1, at which a puzzle leaves. A higher one means more steps."""


@dataclass(slots=True)
class Thought:
    """The result of one supervision step, for B puzzles of T cells."""

    states: States
    """(B, T, D) each, the start of the next step."""
    logits: Tensor
    """(B, T, V) in float32: for each symbol, also for those that are never an answer."""
    halting: Tensor
    """(B,) in float32, the logit of the halting score: above 0 where the answer is more likely right than
    wrong."""


@dataclass(slots=True)
class PuzzleLoss:
    """The training loss of puzzles."""

    total: Tensor
    """What training minimises, a scalar."""
    answer: Tensor
    """The cross-entropy in nats per cell that is asked, a scalar."""
    right: Tensor
    """(B,) bool: whether the whole answer is right."""


@dataclass(slots=True)
class Prediction:
    """The answers to B puzzles."""

    answers: Tensor
    """(B, T) int64, with the cells that are not asked unchanged."""
    exit_steps: Tensor
    """(B,) int64, the number of supervision steps of each."""
    confidence: Tensor
    """(B,) from 0 to 1, the last halting score of each."""
    logits: Tensor
    """(B, T, V) in float32, of the answers."""
    trail: list[Tensor] = field(default_factory=list)
    """The answers after each step, if requested."""


class PuzzleModel(TwoStateModel):
    """A two-state architecture that can be built for text, or for puzzles of one size."""

    places: nn.ModuleList
    units: Tensor
    """(U, T): the row, the column and so on of each cell."""
    seen: Tensor | None
    """(1, H, T, T) bool: which cells each head sees from each cell; None where all see all."""
    is_asked: Tensor
    """(V,) bool: whether the answer of a cell with this symbol is asked."""
    is_answer: Tensor
    """(V,) bool: whether this symbol may be an answer."""

    def __init__(self, config: TwoStateConfig) -> None:
        super().__init__(config)
        if config.task == "text":
            return
        layout = layout_of(config.task, config.vocab_size, config.context_length)
        for name in ("units", "is_asked", "is_answer"):
            self.register_buffer(name, torch.tensor(getattr(layout, name)), persistent=False)
        views = layout.views if config.attention_scope == "units" else layout.views[:0]
        self.register_buffer("seen", _seen(views, config.n_heads), persistent=False)
        self.places = nn.ModuleList(
            nn.Embedding(int(unit.max()) + 1, config.d_model) for unit in layout.units
        )

    def attention_over_cells(self) -> nn.Module | None:
        """A new attention module for a block, or None where it is the usual one."""
        config = self.config
        if config.task == "text" or config.attention_scope == "all":
            return None
        neighbours = layout_of(config.task, config.vocab_size, config.context_length).neighbours
        if not len(neighbours):
            return None
        return GridAttention(config.d_model, config.n_heads, torch.tensor(neighbours))

    def input_modules(self) -> list[nn.Module]:
        return [*super().input_modules(), *([self.places] if self.config.task != "text" else [])]

    def ponder(self, puzzles: Tensor, states: States | None = None) -> Thought:
        """One supervision step over `puzzles` (B, T), from `states`; None: from the start."""
        x = self.embed_puzzles(puzzles)
        states = self.start(x) if states is None else states
        if self.config.checkpoint_gradients and torch.is_grad_enabled():
            states = checkpoint(self._apply_cycles, states, x, use_reentrant=False)
        else:
            states = self._apply_cycles(states, x)
        answer = states[0]
        halting = self.halting(answer.mean(dim=1)).float().squeeze(-1)  # (B,)
        return Thought(states, self.readout(answer), halting)

    def embed_puzzles(self, puzzles: Tensor) -> Tensor:
        """`puzzles` (B, T) as vectors (B, T, D): the symbol of each cell, its row, column and so on."""
        x = self.embedding(puzzles)
        for table, unit in zip(self.places, self.units, strict=True):
            x = x + table(unit)
        if self.config.positions == "learned":
            x = x + self.position_embedding.weight
        return x * (self.config.d_model / 2) ** 0.5

    def puzzle_loss(
        self,
        thought: Thought,
        puzzles: Tensor,
        solutions: Tensor,
        taken: Tensor,
        batch: Tensor | None = None,
    ) -> PuzzleLoss:
        """The loss of the answer and of the halting head, for `puzzles` and `solutions` (B, T).

        `taken` (B,) is the number of steps of each puzzle so far, including this one. If the puzzles are a
        part of a `batch` (N, T), the losses of all its parts add up to that of the whole batch, however
        many cells are asked in each part.
        """
        asked, batch = self.asked(puzzles), puzzles if batch is None else batch
        count = self.asked(batch).sum()
        losses = F.cross_entropy(thought.logits.mT, solutions, reduction="none")  # (B, T)
        answer = (losses * asked).sum() / count
        weights = _normalised(self.config, taken)[:, None] * asked
        right = (self.answers(thought, puzzles) == solutions).all(dim=1)
        halting = F.binary_cross_entropy_with_logits(thought.halting, right.float())
        halting = halting * (len(puzzles) / len(batch))
        total = (losses * weights).sum() / count + self.config.halting_weight * halting
        return PuzzleLoss(total, answer.detach(), right)

    @torch.no_grad()
    def predict(
        self, puzzles: Tensor, max_steps: int, *, sure: float = SURE, keep_trail: bool = False
    ) -> Prediction:
        """Answer `puzzles` (B, T) in up to `max_steps` steps each, which may be more than in training.

        A puzzle leaves once its halting score is at least `sure`, and is not computed again. With 1, none
        leaves.
        """
        active = torch.arange(len(puzzles), device=puzzles.device)
        found = Prediction(
            puzzles.clone(),
            torch.full_like(active, max_steps),
            torch.zeros(len(puzzles), device=puzzles.device),
            torch.zeros(*puzzles.shape, self.config.vocab_size, device=puzzles.device),
        )
        states: States | None = None
        for step in range(1, max_steps + 1):
            thought = self.ponder(puzzles[active], states)
            confidence = thought.halting.sigmoid()
            found.answers[active] = self.answers(thought, puzzles[active])
            found.confidence[active] = confidence
            found.logits[active] = thought.logits
            sure_now = (confidence >= sure) if sure < 1 else torch.zeros_like(confidence, dtype=torch.bool)
            found.exit_steps[active[sure_now]] = step
            if keep_trail:
                found.trail.append(found.answers.clone())
            active = active[~sure_now]
            if not len(active):
                break
            states = tuple(state[~sure_now] for state in thought.states)
        return found

    def asked(self, puzzles: Tensor) -> Tensor:
        """The cells of `puzzles` (B, T) whose answers are asked, and count in losses and scores: (B, T)
        bool."""
        return self.is_asked[puzzles]

    def answers(self, thought: Thought, puzzles: Tensor) -> Tensor:
        """The answers (B, T) int64 of a thought about `puzzles` (B, T): the likeliest symbols where they are
        asked, and the puzzles elsewhere."""
        likeliest = thought.logits.masked_fill(~self.is_answer, float("-inf")).argmax(dim=-1)
        return torch.where(self.asked(puzzles), likeliest, puzzles)

    def _apply_cycles(self, states: States, x: Tensor) -> States:
        depth = self.trained_depth
        slots = range(self.attention_calls(depth))
        context = AttentionContext(causal=False, mask=self.seen)
        history, _ = self.recur(states, x, depth, context, slots, self.config.gradient_cycles)
        return history[-1]


def _normalised(config: TwoStateConfig, taken: Tensor) -> Tensor:
    """The loss weights (B,) of the answers number `taken` (B,), scaled to a mean of one over all steps of
    training."""
    weights = [config.supervision_weight(number) for number in range(1, config.supervision_steps + 1)]
    mean = sum(weights) / len(weights)
    return taken.float() ** config.supervision_power / mean


def _seen(views: np.ndarray, heads: int) -> Tensor | None:
    """(1, H, T, T) bool: the heads see all cells and those of the `views` (K, T, T), in turn. None where
    there are no views."""
    if not len(views):
        return None
    kinds = torch.cat((torch.ones(1, *views.shape[1:], dtype=torch.bool), torch.tensor(views)))
    return kinds[torch.arange(heads) % len(kinds)][None]
