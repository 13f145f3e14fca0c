"""The tokens of a mix: those of each source in files of its own, so that a change of weights needs no new."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import CorpusError
from data.mixes.mixed_corpus import MixedCorpus
from data.mixes.spec import PARTS
from data.prepare import PreparedData, open_prepared, prepare
from data.progress import Progress, convert_yields
from data.tokenizer import Tokenizer
from data.wording import counted


@dataclass(frozen=True, slots=True)
class PreparedMix:
    """PreparedData's counts over the sources of a mix, and the data of each."""

    sources: tuple[PreparedData, ...]
    parts: tuple[int, ...]
    """Of PARTS tokens, those that come from each."""

    @property
    def path(self) -> Path:
        """The folder of the first source's tokens."""
        return self.sources[0].path

    @property
    def train_tokens(self) -> int:
        return sum(one.train_tokens for one in self.sources)

    @property
    def validation_tokens(self) -> int:
        return sum(one.validation_tokens for one in self.sources)

    @property
    def validation_bytes(self) -> int:
        """The bytes that as many tokens as are held out have in the shares of the mix: the divisor of bits
        per byte."""
        per_token = (
            parts * one.validation_bytes / max(1, one.validation_tokens)
            for one, parts in zip(self.sources, self.parts, strict=True)
        )
        return max(1, round(self.validation_tokens * sum(per_token) / PARTS))

    @property
    def unknown_characters(self) -> int:
        return sum(one.unknown_characters for one in self.sources)

    @property
    def validation(self) -> np.ndarray:
        """(N,) what is held out of all sources, one after another, in memory."""
        return np.concatenate([one.validation for one in self.sources])

    def fills_context(self, context_length: int) -> bool:
        """Whether every source has something to learn from and to measure on, and all together fill it."""
        measured = all(one.validation_tokens >= 2 and one.train_tokens >= 1 for one in self.sources)
        return measured and self.train_tokens > context_length

    def excerpt(self, train_tokens: int, held_out_tokens: int) -> PreparedData:
        """At most so many tokens of each split, from the beginning of every source, in the shares of the mix,
        in memory. So a loss on all of them is one in these shares."""

        def beginning(arrays: Sequence[np.ndarray], most: int) -> np.ndarray:
            shares = [parts / PARTS for parts in self.parts]
            whole = min(most, *(len(one) / share for one, share in zip(arrays, shares, strict=True)))
            return np.concatenate(
                [one[: max(2, round(share * whole))] for one, share in zip(arrays, shares, strict=True)]
            )

        train = beginning([one.train for one in self.sources], train_tokens)
        validation = beginning([one.validation for one in self.sources], held_out_tokens)
        share = len(validation) / max(1, self.validation_tokens)
        return PreparedData(
            path=self.path,
            train=train,
            validation=validation,
            train_tokens=len(train),
            validation_tokens=len(validation),
            validation_bytes=round(self.validation_bytes * share),
            unknown_characters=self.unknown_characters,
        )


def prepare_mix(mix: MixedCorpus, tokenizer: Tokenizer) -> Generator[Progress, None, PreparedMix]:
    """Cut the sources of a mix into tokens, each as `prepare` does. Raises as it does, and CorpusError for a
    source that is too short to learn from or to measure on."""
    total, before, found = mix.characters, 0, list[PreparedData]()
    for part in mix.mix:
        done = before

        def in_all(progress: Progress, done: int = done) -> Progress:
            return Progress(progress.stage, done + progress.done, total, progress.unit)

        data = yield from convert_yields(prepare(part.corpus, tokenizer), in_all)
        if data.train_tokens < 1 or data.validation_tokens < 2:
            raise CorpusError(
                f"Source '{part.source.name}' is too short: it has {counted(data.train_tokens, 'token')} to "
                f"learn from, and {data.validation_tokens:,} to measure on.",
                hint="Give it more text, or leave it out.",
            )
        found.append(data)
        before += part.corpus.characters
    return PreparedMix(tuple(found), tuple(part.parts for part in mix.mix))


def open_prepared_mix(names: Sequence[str | None], parts: Sequence[int]) -> PreparedMix:
    """The data in the folders of these names in the cache. Raises CorpusError where one is missing or
    damaged."""
    return PreparedMix(tuple(open_prepared(name or "") for name in names), tuple(parts))
