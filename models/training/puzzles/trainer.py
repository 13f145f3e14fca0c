"""The training loop over puzzles: how answers are judged on the way, and at the end."""

import math
from collections.abc import Iterator

from models.architectures.puzzle_model import PuzzleModel
from models.evaluation.puzzles import Scores, score, some_of
from models.runs.events import EvaluationAdvanced, EvaluationFinished, Event
from models.training.compilation import eager
from models.training.loop import TrainingLoop
from models.training.puzzles.finish import LOSS_SHARE, bits_per_cell, finish_puzzles
from models.training.puzzles.time_budget import EVALUATED


class PuzzleTrainer(TrainingLoop):
    """The loop over puzzles."""

    def _evaluate(self) -> Iterator[Event]:
        """Answers to some of the puzzles held out, and the weights if they give the best ones."""
        session, counters = self.session, self.session.counters
        assert self.opened.puzzles is not None
        with session.evaluating() as model, eager(session.measured.compiled):
            assert isinstance(model, PuzzleModel)
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
            best = self._keep_if_best(model, found)
        counters.last_evaluated = counters.step
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
        self._end_if_good_enough(scores.loss)

    def _last_words(self, reason: str, elapsed_s: float) -> Iterator[Event]:
        return finish_puzzles(self.opened, reason, elapsed_s)
