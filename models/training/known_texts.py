"""What is held out of the texts that a run knows, and the model's losses on it."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.evaluation.forgetting import losses_on
from models.evaluation.parts import HeldOutPart
from models.recursive_lm import RecursiveLM
from models.runs.events import Event

if TYPE_CHECKING:
    from models.training.session import Session


@dataclass(frozen=True, slots=True)
class KnownTexts:
    """The held-out parts that are kept to compare losses on them. Losses are in nats per token, by content
    hash."""

    earlier: tuple[HeldOutPart, ...]
    """Of the earlier texts."""
    own: tuple[HeldOutPart, ...]
    """Of the text that is learned now, or of the sources of the mix."""
    is_sampled: bool
    """Whether `own` is less than all that is held out of them."""
    is_further: bool
    """Whether the run learned something else before."""

    @property
    def all(self) -> tuple[HeldOutPart, ...]:
        """Of every text and source that the run knows."""
        return (*self.earlier, *self.own)

    def losses_at_first(
        self, session: "Session", model: RecursiveLM
    ) -> Generator[Event, None, dict[str, float]]:
        """Before the first step, with the vocabulary that the run had. Texts with new tokens are
        measured with all tokens."""
        before, number_format = session.run_config.vocab_size_before, session.calibration.number_format
        return (
            yield from losses_on(model, self.all, number_format, 0, vocabulary=before, spread=session.team)
        )

    def losses(self, session: "Session", model: RecursiveLM) -> Generator[Event, None, dict[str, float]]:
        """After the last step."""
        number_format, step = session.calibration.number_format, session.counters.step
        return (yield from losses_on(model, self.all, number_format, step, spread=session.team))
