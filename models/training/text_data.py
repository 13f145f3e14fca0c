"""Opening what a text run learns from: tokenizer, token files, replay samples."""

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
import torch

from data.errors import CorpusError
from data.loader import BlockSampler
from data.loss_marks import as_asked, with_answers
from data.mixture import MixedSampler, replay_sources
from data.prepare import PreparedData, open_prepared, prepare
from data.replay import ReplaySample, with_borders
from data.tokenizer import Tokenizer
from models.config import TrainingConfig
from models.evaluation.forgetting import HeldOutText
from models.evaluation.parts import HeldOutPart, asked_size
from models.recursive_lm import RecursiveLM
from models.runs.datasets import Dataset, source_paths
from models.runs.events import Event, NoticeGiven
from models.runs.progress import with_progress_events
from models.runs.replay_samples import open_samples
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.text_search import find_text, save_paths
from models.training.mix_data import open_mix_task, open_tokenizer
from models.training.text_task import TextTask


def open_task(
    run: Run, config: RunConfig, training: TrainingConfig, layout: RecursiveLM, device: torch.device
) -> Generator[Event, None, tuple[TextTask, RunConfig]]:
    """Tokenizer, token files and replay samples of a run. Raises CorpusError, TokenizerError."""
    assert config.data is not None
    if config.data.mix is not None:
        return (yield from open_mix_task(run, config, training, layout.config))
    tokenizer = yield from open_tokenizer(run, config, layout.config.vocab_size)
    data, config = yield from _open_data(run, config, tokenizer)
    if not data.fills_context(layout.config.context_length):
        raise CorpusError(  # planning sees to this; a config.json that was changed may not
            f"The text is too short for a context of {layout.config.context_length} tokens: "
            f"{data.train_tokens:,} to learn from and {data.validation_tokens:,} to measure on.",
            hint="Train a new run on more text, or with a shorter context.",
        )
    datasets, kind = run.datasets(config), config.data.kind if config.data is not None else "text"
    samples, own = yield from open_samples(run, config, datasets, data, tokenizer)
    loss_on = training.loss_on
    train, validation = data.train, data.validation
    if loss_on == "assistant":
        train, validation = with_answers(train, validation, "the text")
    fresh = BlockSampler(train, layout.config.context_length, training.seed)
    within = training.within_documents

    def as_learned(sampled: np.ndarray) -> np.ndarray:
        asked = as_asked(sampled, loss_on)
        return with_borders(asked) if within else asked

    known = [HeldOutText(one.content_hash, as_learned(one.held_out), within) for one in (*samples, own)]
    held_out = (HeldOutPart(config.content_hash, validation, within_documents=within),)
    samples = [replace(sample, train=as_learned(sample.train)) for sample in samples]
    task = TextTask(
        tokenizer=tokenizer,
        data=data,
        kind=kind,
        held_out=held_out,
        within_documents=within,
        asked_size=asked_size(held_out, tokenizer) if within or loss_on == "assistant" else None,
        sampler=_with_replay(fresh, config, samples, training.seed),
        characters_per_token=_characters_per_token(config, datasets, data),
        datasets=datasets,
        known=tuple(known),
    )
    return task, config


def _with_replay(
    fresh: BlockSampler, config: RunConfig, samples: Sequence[ReplaySample], seed: int
) -> BlockSampler | MixedSampler:
    """The text, mixed with what is replayed of the earlier ones that fill a context."""
    share = config.replay.share if config.replay is not None else 0.0
    length = fresh.context_length
    replayed = [BlockSampler(one.train, length, seed) for one in samples if len(one.train) > length]
    return MixedSampler(replay_sources(fresh, replayed, share)) if replayed and share else fresh


def _characters_per_token(config: RunConfig, datasets: Sequence[Dataset], data: PreparedData) -> float:
    characters = next((one.characters for one in datasets if one.content_hash == config.content_hash), None)
    return characters / (data.train_tokens + data.validation_tokens) if characters else 1.0


def _open_data(
    run: Run, config: RunConfig, tokenizer: Tokenizer
) -> Generator[Event, None, tuple[PreparedData, RunConfig]]:
    """The token files, from the cache or made again from the text."""
    known = config.data
    assert known is not None
    if known.prepared is not None:
        try:
            return open_prepared(known.prepared), config
        except CorpusError:
            yield NoticeGiven(message="The prepared text is no longer in the cache; it is made again.")
    corpus = yield from with_progress_events(find_text(run, known.paths, known.content_hash))
    paths = tuple(source_paths(corpus))
    if paths != known.paths:
        yield NoticeGiven(message=f"The text was found at '{paths[0]}'.")
        config = save_paths(run, config, known.content_hash, paths)
    data = yield from with_progress_events(prepare(corpus, tokenizer))
    config = replace(config, data=replace(known, paths=paths, prepared=data.path.name))
    run.save_config(config)
    return data, config
