"""Opening what a run on a mix learns from: tokenizer, the tokens of each source, what is held out of it."""

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from data.errors import CorpusError
from data.loss_marks import with_answers
from data.mixes.sampler import MixSampler, source_sampler
from data.mixes.spec import PARTS
from data.tokenizer import Tokenizer
from models.config import ModelConfig, TrainingConfig
from models.evaluation.parts import HeldOutPart, asked_size
from models.runs.events import Event, NoticeGiven
from models.runs.mix_search import open_mix
from models.runs.progress import with_progress_events
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.tokenizer import load_run_tokenizer, replace_tokenizer

if TYPE_CHECKING:
    from models.training.text_task import TextTask


def open_mix_task(
    run: Run, config: RunConfig, training: TrainingConfig, model: ModelConfig
) -> "Generator[Event, None, tuple[TextTask, RunConfig]]":
    """The task of a run on a mix, and its configuration with what changed on the way.

    Raises CorpusError, TokenizerError.
    """
    from models.training.text_task import TextTask

    assert config.data is not None and config.data.mix is not None
    tokenizer = yield from open_tokenizer(run, config, model.vocab_size)
    data, mix = yield from with_progress_events(open_mix(config.data.mix, tokenizer))
    if mix != config.data.mix:
        config = replace(config, data=replace(config.data, mix=mix))
        run.save_config(config)
    if not data.fills_context(model.context_length):  # planning sees to this; a config.json may be changed
        raise CorpusError(
            f"The mix is too short for a context of {model.context_length} tokens: "
            f"{data.train_tokens:,} to learn from and {data.validation_tokens:,} to measure on.",
            hint="Train a new run on more text, or with a shorter context.",
        )
    parts = []
    for one, source in zip(data.sources, mix.sources, strict=True):
        train, held_out = one.train, one.validation
        if training.loss_on == "assistant":
            train, held_out = with_answers(train, held_out, f"source '{source.name}'")
        parts.append((source, train, held_out))
    within, answers_only = training.within_documents, training.loss_on == "assistant"
    samplers = [
        source_sampler(
            train, model.context_length, training.seed, source.content_hash, within_documents=within
        )
        for source, train, _ in parts
    ]
    held_out_parts = tuple(
        HeldOutPart(source.content_hash, held_out, source.parts / PARTS, within)
        for source, _, held_out in parts
    )
    by_hash = {one.content_hash: one for one in run.datasets(config)}
    datasets = [by_hash[source.content_hash] for source in mix.sources]
    characters = sum(one.characters or 0 for one in datasets)
    task = TextTask(
        tokenizer=tokenizer,
        data=data,
        kind=max(mix.sources, key=lambda source: source.parts).kind,
        held_out=held_out_parts,
        sampler=MixSampler(samplers, mix.parts),
        characters_per_token=characters / (data.train_tokens + data.validation_tokens) or 1.0,
        datasets=datasets,
        known=(),
        within_documents=within,
        asked_size=asked_size(held_out_parts, tokenizer) if within or answers_only else None,
    )
    return task, config


def open_tokenizer(run: Run, config: RunConfig, vocab_size: int) -> Generator[Event, None, Tokenizer]:
    """The tokenizer of a run; one that is missing is restored. Raises TokenizerError."""
    tokenizer, note = load_run_tokenizer(run, config, vocab_size)
    if note is not None:
        replace_tokenizer(run, tokenizer)
        yield NoticeGiven(
            message=f"The tokenizer.json of run '{run.name}' was missing or not its own; "
            "it was restored from the copy in the weights."
        )
    return tokenizer
