"""Learning text: the batches, evaluations on the way, samples, and what is known of earlier texts."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from data.document_borders import document_numbers, without_first_tokens
from data.loader import IGNORED, BlockSampler, inputs_and_targets
from data.loss_marks import MARK, unmarked
from data.mixes.sampler import MixSampler
from data.mixture import MixedSampler
from data.prepare import TokenCounts
from data.tokenizer import Tokenizer
from models.config import TrainingConfig
from models.depth import Depth
from models.evaluation.forgetting import losses_on, mean_rise
from models.evaluation.loss import DepthHistogram, bits_per_byte
from models.evaluation.modes import default_depth
from models.evaluation.parts import HeldOutPart, PartLosses, evaluate_parts, tokens_of
from models.generation.samples import Passage, sample_passage, searched, whole_passage
from models.layers.compilation import uncompiled
from models.recursive_lm import RecursiveLM
from models.runs.datasets import Dataset, by_label, labels
from models.runs.events import (
    CorporaMeasured,
    CorpusStarted,
    Event,
    RunFinished,
    SampleGenerated,
)
from models.runs.run_config import Calibration
from models.training.calibrate import calibrate
from models.training.control import until_paused
from models.training.known_texts import KnownTexts
from models.training.length import Length
from models.training.mix_sources import started_over
from models.training.pieces import TokenPiece
from models.training.reports import evaluation_finished
from models.training.session import Session
from models.training.tasks import BatchLoss, shallow_then_sampled
from models.training.text_finish import finish_s, finish_text, known_texts_s
from models.training.time_budget import TimeBudget

SAMPLE_S = 0.5
"""Seconds that writing a sample takes, about."""


@dataclass(slots=True)
class TextTask:
    """A text or a mix to learn, the samples of earlier texts that are replayed, and what is held out of
    each."""

    tokenizer: Tokenizer
    data: TokenCounts
    kind: str
    """text, documents or messages; of a mix, that of the source with the largest share."""
    fresh: BlockSampler | MixSampler
    """The sequences of the text or the mix."""
    sampler: BlockSampler | MixedSampler | MixSampler
    """The same, mixed with what is replayed of earlier texts."""
    held_out: tuple[HeldOutPart, ...]
    """What is held out of the text, or of each source of the mix."""
    characters_per_token: float
    datasets: list[Dataset]
    known: KnownTexts
    within_documents: bool = False
    """Whether a token attends to its own document alone."""
    asked_size: tuple[int, int] | None = None
    """How many of the held-out tokens are asked for, and their bytes, where these are not all."""

    @property
    def train_tokens(self) -> int:
        return self.data.train_tokens

    @property
    def validation_tokens(self) -> int:
        return self.data.validation_tokens

    def calibrate(
        self, model: RecursiveLM, config: TrainingConfig, threads: int, length: Length
    ) -> Generator[Event, None, Calibration]:
        blocks = torch.from_numpy(self.sampler.batch(0, config.batch_size) & (MARK - 1))  # (B, T + 1)
        return (yield from calibrate(model, blocks, config, threads, length))

    def depth_at(self, session: Session, step: int) -> Depth:
        return shallow_then_sampled(session, step)

    def backward(self, session: Session, depth: Depth) -> BatchLoss:
        blocks = self.sampler.batch(session.counters.position, session.config.batch_size)  # (B, T + 1)
        inputs, targets = inputs_and_targets(blocks)
        numbers: tuple[np.ndarray, ...] = ()
        if self.within_documents:
            targets, numbers = without_first_tokens(inputs, targets), (document_numbers(inputs),)
        count, learned = int((targets != IGNORED).sum()), 1.0
        if not count:  # no answer lies in it: its loss is that of all, and nothing is learned
            targets, count, learned = blocks[:, 1:] & (MARK - 1), targets.size, 0.0
        batch = np.stack((inputs, targets, *numbers), axis=1)  # (B, 2 or 3, T)
        rows = session.team.rows(len(batch))
        found = session.gradients([TokenPiece(batch[part], count, depth, learned) for part in rows])
        return BatchLoss(found[0].loss, found[0].passes, len(batch))

    def begin(self, session: Session) -> Generator[Event, None, bool]:
        """Before a further text: what is known of the earlier ones, with the vocabulary they had."""
        if not self.known.is_further:
            return True
        replay, content_hash = session.run_config.replay, session.run_config.content_hash
        yield CorpusStarted(
            corpus=labels(self.datasets).get(content_hash, session.run_config.corpus or ""),
            known_corpora=len(self.datasets) - len(self.known.own),
            replay_share=replay.share if replay is not None else 0.0,
            replay_reason=(replay.reason or "") if replay is not None else "",
            vocab_size=session.model.config.vocab_size,
        )
        with session.evaluating() as model:
            losses = yield from self.known.losses_at_first(session, model)
        found = [losses.get(one.content_hash or "") for one in self.datasets]
        self.datasets = [
            replace(one, loss_before=loss, loss_now=loss)
            for one, loss in zip(self.datasets, found, strict=True)
        ]
        session.run.save_datasets(self.datasets)
        yield CorporaMeasured(step=0, losses=by_label(self.datasets, losses), losses_before={})
        return True

    def evaluate(self, session: Session) -> Iterator[Event]:
        counters = session.counters
        histogram, sample = DepthHistogram(), None
        with session.evaluating() as model, uncompiled(session.calibration.compiled):
            evaluation = self._loss_and_forgetting(session, model, histogram)
            found = yield from until_paused(evaluation, session.control)
            if found is None:
                return
            losses, forgetting = found
            loss = losses.mean
            if session.sample_due():
                sample = yield from until_paused(self._write_sample(session, model), session.control)
                if sample is None:
                    return
            best = session.keep_if_best(loss + forgetting)
        counters.last_evaluated = counters.step
        bits = self.in_bits_per_byte(loss)
        passes, by_source = histogram.mean, self.by_source(losses.by_part)
        yield evaluation_finished(session, loss, bits, best=best, passes_per_token=passes, losses=by_source)
        if sample is not None:
            yield SampleGenerated(step=counters.step, prompt=sample.prompt, text=sample.text)
        session.end_if_good_enough(loss)

    def _loss_and_forgetting(
        self, session: Session, model: RecursiveLM, histogram: DepthHistogram
    ) -> Generator[Event, None, tuple[PartLosses, float]]:
        """The loss on a part of what is held out, also by source, and by how much the loss on the earlier
        texts has risen since the first step, on average; in nats per token.

        Where nothing is replayed, the earlier texts are given up, and the second is 0.
        """
        number_format, step = session.calibration.number_format, session.counters.step
        most = session.config.evaluation_tokens
        depth = default_depth(model)
        (found,) = yield from evaluate_parts(
            model,
            self.held_out,
            [depth],
            number_format,
            step=step,
            max_tokens=most,
            histograms={depth: histogram},
            spread=session.team,
        )
        before = {one.content_hash: one.loss_before for one in self.datasets if one.loss_before is not None}
        texts = [one for one in self._replayed_texts() if one.content_hash in before]
        losses = yield from losses_on(model, texts, number_format, step, max_tokens=most, spread=session.team)
        return found, mean_rise(texts, before, losses)

    def _replayed_texts(self) -> tuple[HeldOutPart, ...]:
        """What is held out of the earlier texts, where they are replayed."""
        return self.known.earlier if isinstance(self.sampler, MixedSampler) else ()

    def sample(self, session: Session) -> Iterator[Event]:
        prompt = session.control.take_sample()
        with session.evaluating() as model, uncompiled(session.calibration.compiled):
            sample = yield from until_paused(self._write_sample(session, model, prompt), session.control)
        if sample is not None:
            yield SampleGenerated(step=session.counters.step, prompt=sample.prompt, text=sample.text)

    def _write_sample(
        self, session: Session, model: RecursiveLM, prompt: str = ""
    ) -> Generator[Event, None, Passage]:
        step, depth = session.counters.step, default_depth(model)
        sampled = max(self.held_out, key=lambda part: part.share)
        tokens = unmarked(sampled.tokens)
        if session.team.shards:
            work = partial(
                whole_passage, tokenizer=self.tokenizer, kind=self.kind, depth=depth, step=step, own=prompt
            )
            return session.team.once(work, model, searched(tokens, model.config.context_length))
        return (yield from sample_passage(model, self.tokenizer, self.kind, tokens, depth, step, prompt))

    def finish(self, session: Session) -> Generator[Event, None, RunFinished]:
        """Evaluate the best weights at every mode, write datasets.json, then evaluation.json."""
        return (yield from finish_text(self, session))

    def in_bits_per_byte(self, loss: float) -> float:
        """A loss on what is asked for of the held-out tokens, as bits per byte of that text."""
        tokens, size = self.asked_size or (self.data.validation_tokens, self.data.validation_bytes)
        return bits_per_byte(loss, tokens, size)

    def by_source(self, losses: Mapping[str, float]) -> dict[str, float] | None:
        """Losses by content hash, as losses by the name of a source of the mix; None for one text."""
        return by_label(self.datasets, losses) if isinstance(self.fresh, MixSampler) else None

    def after_step(self, session: Session, drawn: int) -> Iterator[Event]:
        if isinstance(self.fresh, MixSampler):
            after = session.counters.position
            places = self.fresh_drawn(after - drawn), self.fresh_drawn(after)
            sources = session.run_config.learned_hashes
            yield from started_over(self.datasets, sources, self.fresh, *places, session.counters.step)

    def fresh_drawn(self, position: int) -> int:
        """Of the first `position` sequences, those that are not replayed."""
        return self.sampler.of_first(position) if isinstance(self.sampler, MixedSampler) else position

    def reserve_s(self, budget: TimeBudget, progress: float, left_s: float) -> float:
        """Evaluations and samples on the way, the last evaluation, what is measured of known texts."""
        config, call_token_s = budget.config, budget.call_token_s()
        calls = budget.model.attention_calls(default_depth(budget.model))
        most = config.evaluation_tokens
        tokens = min(most, tokens_of(self.held_out)) + min(most, tokens_of(self._replayed_texts()))
        on_the_way_s = config.evaluations * tokens * calls * call_token_s + config.samples * SAMPLE_S
        last_s = finish_s(self, budget)
        if self.known.is_further and progress == 0.0:
            last_s += known_texts_s(self, budget)  # they are measured before the first step too
        return last_s + budget.on_the_way_s(on_the_way_s, progress, left_s) + budget.end_s()

    def max_step(self, config: TrainingConfig) -> int | None:
        if config.max_epochs is None:
            return None
        return round(config.max_epochs * self.sampler.blocks_per_epoch / config.batch_size)

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        pass
