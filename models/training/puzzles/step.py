"""One supervision step with all puzzles under way, in pieces that can be computed in several processes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from models.architectures.puzzle_model import PuzzleModel
from models.device import autocast
from models.recursive_lm import States
from models.training.learner import Learner
from models.training.pieces import Contribution, weighted_sum
from models.training.puzzles.carry import Carry
from models.training.puzzles.sampler import PuzzleSampler


@dataclass(frozen=True, slots=True)
class PuzzlePiece:
    """Some of the puzzles under way: `puzzles` and `solutions` (b, T), the steps `taken` (b,) that each had,
    counting the one to come, and the `states` (b, T, D). `batch` (B, T) are all puzzles under way."""

    reports: ClassVar[bool] = True
    puzzles: Tensor
    solutions: Tensor
    taken: Tensor
    states: States
    batch: Tensor

    def sendable(self) -> "PuzzlePiece":
        """The same in main memory, without what its tensors are parts of."""
        states = tuple(state.cpu().clone() for state in self.states)
        puzzles, solutions, taken = (
            part.cpu().clone() for part in (self.puzzles, self.solutions, self.taken)
        )
        return PuzzlePiece(puzzles, solutions, taken, states, self.batch.cpu())

    def accumulate(self, learner: Learner, micro_batch: int) -> Contribution:
        """As `Piece` says. It finds the new states and the halting scores (b,), where the piece is."""
        model, device = learner.model, learner.device
        assert isinstance(model, PuzzleModel)
        losses, parts = list[Tensor](), list[tuple[Tensor, ...]]()
        batch = self.batch.to(device)
        for first in range(0, len(self.taken), micro_batch):
            rows = slice(first, first + micro_batch)
            puzzles, solutions, taken = (
                one[rows].to(device) for one in (self.puzzles, self.solutions, self.taken)
            )
            states = tuple(state[rows].to(device) for state in self.states)
            with autocast(device, learner.number_format):
                thought = model.ponder(puzzles, states)
                loss = model.puzzle_loss(thought, puzzles, solutions, taken, batch)
            learner.optimizers.backward(loss.total)
            losses.append(loss.answer)
            parts.append((thought.halting.detach(), *(one.detach().float() for one in thought.states)))
        halting, *states_found = (torch.cat(one).to(self.taken.device) for one in zip(*parts, strict=True))
        return Contribution(weighted_sum(losses, [1.0] * len(losses)), 0.0, (halting, tuple(states_found)))


def next_pieces(
    model: PuzzleModel,
    number_format: str,
    carry: Carry,
    sampler: PuzzleSampler,
    position: int,
    rows: Sequence[slice],
) -> tuple[int, list[PuzzlePiece]]:
    """Replace the puzzles of `carry` that are done. How many those were, and the pieces of a step with all:
    those of `rows`, of which the first stays in this process."""
    drawn = _refill(model, number_format, carry, sampler, position)
    pieces = [
        PuzzlePiece(
            carry.puzzles[part],
            carry.solutions[part],
            carry.taken[part] + 1,
            tuple(state[part] for state in carry.states),
            carry.puzzles,
        )
        for part in rows
    ]
    return drawn, [pieces[0], *(piece.sendable() for piece in pieces[1:])]


def take_over(carry: Carry, found: Sequence[Contribution], most: int) -> None:
    """Give `carry` what the pieces of a step `found`; a puzzle gets `most` steps at most."""
    device = carry.taken.device
    halting = torch.cat([one.found[0].to(device) for one in found])
    states = tuple(
        torch.cat([part.to(device) for part in parts])
        for parts in zip(*(one.found[1] for one in found), strict=True)
    )
    carry.advance(states, halting, most)
    if not bool(torch.stack([state.isfinite().all() for state in carry.states]).all()):
        carry.reset()


def _refill(
    model: PuzzleModel, number_format: str, carry: Carry, sampler: PuzzleSampler, position: int
) -> int:
    """Put new puzzles in the place of those that are done, and return their number."""
    count, device, config = int(carry.done.sum()), carry.done.device, model.config
    if count:
        drawn = torch.from_numpy(sampler.batch(position, count)).to(device)  # (N, 2, T)
        random = sampler.random(position, purpose=1)
        explores = random.random(count) < config.exploration
        min_steps = torch.from_numpy(explores * random.integers(2, config.supervision_steps + 2, count))
        with torch.no_grad(), autocast(device, number_format):
            begin = model.start(model.embed_puzzles(drawn[:, 0]))
        carry.refill(drawn, min_steps.to(device), begin)
    return count
