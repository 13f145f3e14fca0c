"""The training loop over puzzles: the same one, with another way to evaluate and another last word."""

import math
from collections.abc import Iterator

from models.events import EvaluationAdvanced, EvaluationFinished, Event
from models.puzzle_model import TwoStateModel
from models.training.checkpoint import save_weights
from models.training.compilation import eager
from models.training.kept_weights import weights_metadata
from models.training.puzzles.evaluate import Scores, score, some_of
from models.training.puzzles.finish import LOSS_SHARE, bits_per_cell, finish_puzzles
from models.training.puzzles.pace import EVALUATED
from models.training.trainer import Trainer


class PuzzleTrainer(Trainer):
    """A trainer that answers puzzles where the other reads text."""

    def _evaluate(self) -> Iterator[Event]:
        """Answers to some of the puzzles held out, and the weights if they give the best ones."""
        session, counters = self.session, self.session.counters
        assert self.opened.puzzles is not None
        with session.evaluating() as model, eager(session.measured.compiled):
            assert isinstance(model, TwoStateModel)
            scoring = score(
                model,
                some_of(self.opened.puzzles.puzzles, EVALUATED),
                2 * model.config.supervision_steps,
                session.measured.number_format,
            )
            while True:
                try:
                    done, total = next(scoring)
                except StopIteration as end:
                    scores: Scores = end.value
                    break
                yield EvaluationAdvanced(step=counters.step, done=done, total=total)
                if self.control.wish == "pause":
                    scoring.close()
                    return
            # Whole grids count; among equals, how sure it is of each cell.
            found = 1 - scores.exact_accuracy + LOSS_SHARE * min(scores.loss, 10.0)
            best = found < counters.best_loss
            if best:
                save_weights(self.run, model.state_dict(), self._metadata())
        counters.last_evaluated = counters.step
        counters.without_better = 0 if best else counters.without_better + 1
        if best:
            counters.best_loss, counters.best_step = found, counters.step
            self.best_unsaved = True
        yield EvaluationFinished(
            step=counters.step,
            epoch=session.epoch,
            train_loss=counters.mean_loss,
            validation_loss=scores.loss,
            perplexity=math.exp(min(scores.loss, 700.0)),
            bits_per_byte=bits_per_cell(scores.loss),
            best=best,
            exact_accuracy=scores.exact_accuracy,
            cell_accuracy=scores.cell_accuracy,
            mean_exit_step=scores.mean_exit_step,
        )
        if session.config.target_loss is not None and scores.loss <= session.config.target_loss:
            self.reason = self.reason or "target-loss"
        elif session.config.patience and counters.without_better >= session.config.patience:
            self.reason = self.reason or "patience"

    def _last_words(self, reason: str, elapsed_s: float) -> Iterator[Event]:
        return finish_puzzles(self.opened, reason, elapsed_s)

    def _metadata(self) -> dict[str, str]:
        return weights_metadata(None, self.opened.config)
