"""Opening what a text run learns from: tokenizer, token files of a text or a mix, replay samples."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from data.errors import CorpusError
from data.loader import BlockSampler
from data.loss_marks import as_asked, with_answers
from data.mixes.sampler import MixSampler, source_sampler
from data.mixes.spec import PARTS
from data.mixture import MixedSampler, replay_sources
from data.prepare import PreparedData, TokenCounts, open_prepared, prepare
from data.replay import ReplaySample, with_borders
from data.tokenizer import Tokenizer
from models.config import TrainingConfig
from models.evaluation.parts import HeldOutPart, asked_size
from models.recursive_lm import RecursiveLM
from models.runs.datasets import Dataset, source_paths
from models.runs.events import Event, NoticeGiven
from models.runs.mix_search import open_mix
from models.runs.progress import with_progress_events
from models.runs.replay_samples import open_samples, replayable
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.text_search import find_text, save_paths
from models.runs.text_shares import replay_weights, text_shares
from models.runs.tokenizer import load_run_tokenizer, replace_tokenizer
from models.training.known_texts import KnownTexts
from models.training.text_task import TextTask


@dataclass(frozen=True, slots=True)
class _Part:
    """The text that is learned now, or a source of the mix."""

    content_hash: str
    in_words: str
    data: PreparedData
    share: float


def open_task(
    run: Run, config: RunConfig, training: TrainingConfig, layout: RecursiveLM, device: torch.device
) -> Generator[Event, None, tuple[TextTask, RunConfig]]:
    """Tokenizer, token files and replay samples of a run. Raises CorpusError, TokenizerError."""
    context, within = layout.config.context_length, training.within_documents
    tokenizer = yield from _open_tokenizer(run, config, layout.config.vocab_size)
    data, parts, config = yield from _open_parts(run, config, tokenizer)
    _require_context(data, config, context)
    datasets = run.datasets(config)
    current = {one.content_hash: one.data for one in parts}
    earlier, own = yield from open_samples(run, config, datasets, current, tokenizer)
    tokens = [_tokens(part, training) for part in parts]
    held_out = tuple(
        HeldOutPart(part.content_hash, validation, part.share, within)
        for part, (_, validation) in zip(parts, tokens, strict=True)
    )
    fresh = _fresh(config, parts, [train for train, _ in tokens], training, context)
    replayed = [replace(sample, train=_as_learned(sample.train, training)) for sample in earlier]
    asks_for_all = training.loss_on != "assistant" and not within
    task = TextTask(
        tokenizer=tokenizer,
        data=data,
        kind=_kind(config),
        held_out=held_out,
        within_documents=within,
        asked_size=None if asks_for_all else asked_size(held_out, tokenizer),
        fresh=fresh,
        sampler=_with_replay(fresh, config, replayed, datasets, training),
        characters_per_token=_characters_per_token(current, datasets, data),
        datasets=datasets,
        known=KnownTexts(
            earlier=_held_out_of(earlier, datasets, training),
            own=_held_out_of(own, datasets, training),
            is_sampled=any(len(one.held_out) < len(current[one.content_hash].validation) for one in own),
            is_further=len(datasets) > len(own) or config.replay is not None,
        ),
    )
    return task, config


def _require_context(data: TokenCounts, config: RunConfig, context: int) -> None:
    """Raise CorpusError for fewer tokens than a context. Planning sees to this; a config.json that was
    changed may not."""
    if not data.fills_context(context):
        raise CorpusError(
            f"The {'text' if config.mix is None else 'mix'} is too short for a context of {context} tokens: "
            f"{data.train_tokens:,} to learn from and {data.validation_tokens:,} to measure on.",
            hint="Train a new run on more text, or with a shorter context.",
        )


def _tokens(part: _Part, training: TrainingConfig) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of `part` to learn from and to measure on, with marks where not all are asked for. Raises
    CorpusError where none is."""
    train, validation = part.data.train, part.data.validation
    if training.loss_on == "assistant":
        return with_answers(train, validation, part.in_words)
    return train, validation


def _as_learned(sampled: np.ndarray, training: TrainingConfig) -> np.ndarray:
    """The tokens of a replay sample, with marks and borders as `training` needs them."""
    tokens = as_asked(sampled, training.loss_on)
    return with_borders(tokens) if training.within_documents else tokens


def _held_out_of(
    samples: Sequence[ReplaySample], datasets: Sequence[Dataset], training: TrainingConfig
) -> tuple[HeldOutPart, ...]:
    """The held-out parts of `samples`, each with the share of its text among them."""
    hashes = {one.content_hash for one in samples}
    shares = text_shares(one for one in datasets if one.content_hash in hashes)
    return tuple(
        HeldOutPart(
            one.content_hash,
            _as_learned(one.held_out, training),
            float(shares[one.content_hash]),
            training.within_documents,
        )
        for one in samples
    )


def _open_parts(
    run: Run, config: RunConfig, tokenizer: Tokenizer
) -> Generator[Event, None, tuple[TokenCounts, list[_Part], RunConfig]]:
    """The tokens of the text or of the sources of the mix, and the configuration with where they are."""
    if config.mix is None:
        data, config = yield from _open_data(run, config, tokenizer)
        return data, [_Part(config.content_hash, "the text", data, 1.0)], config
    mixed, mix = yield from with_progress_events(open_mix(config.mix, tokenizer))
    if mix != config.mix:
        assert config.data is not None
        config = replace(config, data=replace(config.data, mix=mix))
        run.save_config(config)
    parts = [
        _Part(source.content_hash, f"source '{source.name}'", one, source.parts / PARTS)
        for source, one in zip(mix.sources, mixed.sources, strict=True)
    ]
    return mixed, parts, config


def _kind(config: RunConfig) -> str:
    """text, documents or messages; of a mix, that of the source with the largest share."""
    if config.mix is not None:
        return max(config.mix.sources, key=lambda source: source.parts).kind
    return config.data.kind if config.data is not None else "text"


def _fresh(
    config: RunConfig,
    parts: Sequence[_Part],
    tokens: Sequence[np.ndarray],
    training: TrainingConfig,
    context_length: int,
) -> BlockSampler | MixSampler:
    """The sequences of the text or the mix."""
    if config.mix is None:
        return BlockSampler(tokens[0], context_length, training.seed)
    within = training.within_documents
    samplers = [
        source_sampler(one, context_length, training.seed, part.content_hash, within_documents=within)
        for one, part in zip(tokens, parts, strict=True)
    ]
    return MixSampler(samplers, config.mix.parts)


def _with_replay(
    fresh: BlockSampler | MixSampler,
    config: RunConfig,
    samples: Sequence[ReplaySample],
    datasets: Sequence[Dataset],
    training: TrainingConfig,
) -> BlockSampler | MixSampler | MixedSampler:
    """The text or the mix, mixed with what is replayed of earlier ones: of texts that fill a context, and of
    every source of a mix, in its share."""
    share = config.replay.share if config.replay is not None else 0.0
    length = fresh.context_length
    sources = {one.content_hash for one in datasets if one.asked_share is not None}
    replayed = replayable(samples, datasets, length)
    if not replayed or not share:
        return fresh
    weights = replay_weights(datasets, {one.content_hash: len(one.train) for one in replayed})
    samplers = [
        source_sampler(
            one.train, length, training.seed, one.content_hash, within_documents=training.within_documents
        )
        if one.content_hash in sources
        else BlockSampler(one.train, length, training.seed)
        for one in replayed
    ]
    return MixedSampler(
        replay_sources(fresh, samplers, share, [weights[one.content_hash] for one in replayed])
    )


def _characters_per_token(
    current: Mapping[str, PreparedData], datasets: Sequence[Dataset], data: TokenCounts
) -> float:
    """Of the text or the mix that is learned now, on average."""
    characters = sum(one.characters or 0 for one in datasets if one.content_hash in current)
    return characters / (data.train_tokens + data.validation_tokens) or 1.0


def _open_tokenizer(run: Run, config: RunConfig, vocab_size: int) -> Generator[Event, None, Tokenizer]:
    """The tokenizer of a run; one that is missing is restored. Raises TokenizerError."""
    tokenizer, note = load_run_tokenizer(run, config, vocab_size)
    if note is not None:
        replace_tokenizer(run, tokenizer)
        yield NoticeGiven(
            message=f"The tokenizer.json of run '{run.name}' was missing or not its own; "
            "it was restored from the copy in the weights."
        )
    return tokenizer


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
