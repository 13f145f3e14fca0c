"""What a training on a mix notes of its sources: the tokens that came from each, and which start over.

Sequences are counted without those that are replayed of earlier texts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from data.mixes.sampler import MixSampler
from models.runs.datasets import Dataset, labels
from models.runs.events import SourceStartedOver


def with_trained(
    datasets: Sequence[Dataset], sources: Sequence[str], sampler: MixSampler, drawn: int, step: int
) -> list[Dataset]:
    """`datasets`, those of which the content hash is in `sources` with the tokens that came from each in
    `step` steps, in which the mix drew `drawn` sequences. Their losses of now are those when learned."""
    counts = dict(zip(sources, sampler.schedule.drawn(drawn), strict=True))
    return [
        one
        if (count := counts.get(one.content_hash or "")) is None
        else replace(
            one,
            steps=step,
            trained_tokens=count * sampler.context_length,
            loss_when_learned=one.loss_now,
        )
        for one in datasets
    ]


def started_over(
    datasets: Sequence[Dataset],
    sources: Sequence[str],
    sampler: MixSampler,
    before: int,
    after: int,
    step: int,
) -> Iterator[SourceStartedOver]:
    """Tell of each of the `sources` that the sequences number `before` to `after` - 1 of the mix begin to
    read a second time."""
    if not (numbers := sampler.started_over(before, after)):
        return
    names, by_hash = labels(datasets), {one.content_hash: one for one in datasets}
    for number in numbers:
        found = by_hash[sources[number]]
        yield SourceStartedOver(step=step, source=names[sources[number]], tokens=found.tokens or 0)
