"""What a training on a mix notes of its sources: the tokens that came from each, and which start over."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from data.mixes.sampler import MixSampler
from models.runs.datasets import Dataset
from models.runs.events import SourceStartedOver


def with_trained(
    datasets: Sequence[Dataset], sampler: MixSampler, position: int, step: int, losses: Mapping[str, float]
) -> list[Dataset]:
    """The sources of a mix of which `position` sequences were drawn in `step` steps, with the tokens that
    came from each, and `losses` by content hash."""
    drawn = sampler.schedule.drawn(position)
    found = []
    for one, count in zip(datasets, drawn, strict=True):
        loss, tokens = losses.get(one.content_hash or ""), count * sampler.context_length
        found.append(replace(one, steps=step, trained_tokens=tokens, loss_now=loss, loss_when_learned=loss))
    return found


def started_over(
    datasets: Sequence[Dataset], sampler: MixSampler, before: int, after: int, step: int
) -> Iterator[SourceStartedOver]:
    """Tell of each source that the sequences number `before` to `after` - 1 begin to read a second time."""
    for number in sampler.started_over(before, after):
        one = datasets[number]
        yield SourceStartedOver(step=step, source=one.name, tokens=one.tokens or 0)
