"""A puzzle training in memory: one optimizer step for each supervision step."""

import torch

from models.architectures.puzzle_model import PuzzleModel, Thought
from models.config import TrainingConfig
from models.device import autocast
from models.recursion import Depth
from models.runs.checkpoint import Snapshot
from models.training.calibrate import Measured
from models.training.puzzles.carry import Carry
from models.training.puzzles.sampler import PuzzleDraws
from models.training.session import Session, misfit


class PuzzleSession(Session):
    """A session whose batch is a carry: puzzles stay in it until they are answered or had their time."""

    model: PuzzleModel

    def __init__(
        self, model: PuzzleModel, config: TrainingConfig, draws: PuzzleDraws, measured: Measured
    ) -> None:
        super().__init__(model, config, draws, measured)
        self.draws = draws
        self.carry = self._empty()

    def depth_at(self, step: int) -> Depth:
        return self.model.trained_depth

    def _backward(self, depth: Depth) -> tuple[float, float, int]:
        """Fill the places of those that are done, and think once about all.

        The passes are the supervision steps that the puzzles of this batch have had on the average.
        """
        drawn = self._refill(self.counters.position)
        carry, loss, thoughts = self.carry, 0.0, list[Thought]()
        for first in range(0, len(carry.taken), self.measured.micro_batch):
            puzzles, solutions, taken, states = carry.piece(slice(first, first + self.measured.micro_batch))
            with autocast(self.device, self.measured.number_format):
                thought = self.model.ponder(puzzles, states)
                parts = self.model.puzzle_loss(thought, puzzles, solutions, taken, carry.puzzles)
            self.scaler.scale(parts.total).backward()
            loss += parts.answer.item()
            thoughts.append(thought)
        carry.advance(thoughts, self.model.config.supervision_steps)
        if not all(bool(state.isfinite().all()) for state in carry.states):
            self.carry = self._empty()
        return loss, float(carry.taken.float().mean()), drawn

    def _refill(self, position: int) -> int:
        count = int(self.carry.done.sum())
        if count:
            drawn = torch.from_numpy(self.draws.batch(position, count)).to(self.device)
            random = self.draws.random(position, purpose=1)
            config = self.model.config
            longer = random.random(count) < config.exploration
            least = torch.from_numpy(longer * random.integers(2, config.supervision_steps + 2, count))
            with torch.no_grad(), autocast(self.device, self.measured.number_format):
                begin = self.model.start(self.model.embed_puzzles(drawn[:, 0]))
            self.carry.refill(drawn, least.to(self.device), begin)
        return count

    def _empty(self) -> Carry:
        config = self.model.config
        return Carry.empty(self.config.batch_size, config.context_length, config.d_model, self.device)

    def snapshot(self, ended: str | None = None) -> Snapshot:
        snapshot = super().snapshot(ended)
        snapshot.training.update(self.carry.tensors())
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        super().restore(snapshot)
        try:
            self.carry.load(snapshot.training)
        except (KeyError, RuntimeError) as error:
            raise misfit(snapshot) from error
