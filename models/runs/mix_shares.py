"""What came from each source of a run's mix: asked for, and really drawn. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.runs.datasets import Dataset, labels
from models.runs.run_config import RunConfig


@dataclass(frozen=True, slots=True)
class SourceShare:
    """A source of a mix. Shares are of the tokens of the mix that the model was trained on, 0 to 1; what was
    replayed of earlier texts is not among them."""

    name: str
    asked: float
    trained: float | None
    """None before the first checkpoint with a step."""
    trained_tokens: int
    """Each as often as it came."""
    tokens: int
    """That there are to learn from."""
    loss: float | None
    """On what is held out of it, in nats per token; None where it was not measured."""

    @property
    def times_read(self) -> float:
        """How often it was read, on average."""
        return self.trained_tokens / max(1, self.tokens)


def source_shares(config: RunConfig, datasets: Sequence[Dataset], position: int) -> list[SourceShare]:
    """The sources of the mix of a run that drew `position` sequences, those that it replayed among them; none
    where it learns no mix.

    Which source a sequence comes from follows from its position, so nothing had to be counted.
    """
    from data.mixes.sampler import MixSchedule  # with numpy, which a listing has no use for
    from data.mixes.spec import PARTS
    from data.mixture import first_drawn

    mix, length = config.mix, config.model.dials.get("context_length")
    if mix is None or not isinstance(length, int):
        return []
    losses, names = {one.content_hash: one.loss_now for one in datasets}, labels(datasets)
    position = first_drawn(position, 0.0 if config.replay is None else config.replay.share)
    drawn = MixSchedule(mix.parts).drawn(position)
    return [
        SourceShare(
            name=names.get(source.content_hash, source.name),
            asked=source.parts / PARTS,
            trained=count / position if position else None,
            trained_tokens=count * length,
            tokens=source.train_tokens,
            loss=losses.get(source.content_hash),
        )
        for source, count in zip(mix.sources, drawn, strict=True)
    ]
