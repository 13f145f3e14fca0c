"""From what was typed and what the text is to a plan: nothing is written until it starts."""

import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from data.bpe_tokenizer import MIN_VOCAB_SIZE, train_bpe_tokenizer
from data.character_tokenizer import train_character_tokenizer
from data.corpus import Corpus
from data.errors import CorpusError, UsageError
from data.prepare import PreparedData, prepare
from data.tokenizer import Tokenizer, suggest_tokenizer
from models.architectures import model_config
from models.config import ModelConfig, TrainingConfig, from_dict
from models.cost import estimate, require_memory, sequences_at_once, skeleton
from models.planning.continuation import Continuation, MoreOfTheSame
from models.planning.continue_run import plan_continuation
from models.planning.create import CreationPlan, plan_creation
from models.planning.defaults import (
    context_that_fits,
    logits_at_once,
    suggested_minutes,
    suggested_model,
    suggested_training,
)
from models.planning.preset_choice import vocabulary_note
from models.planning.puzzle_plan import PuzzlePlan, plan_puzzles
from models.planning.request import CreateRequest, TrainRequest, require_growing
from models.planning.resolve import Asked, settle_request
from models.planning.text_plan import Plan, is_lopsided
from models.runs.events import Event, NoticeGiven, PreparationAdvanced
from models.runs.progress import read_corpus, with_progress_events
from models.runs.run import suggest_name

__all__ = ["CreateRequest", "CreationPlan", "Plan", "TrainRequest", "plan_creation", "plan_training"]

BYTE_PAIRS_PER_S = 2e6
"""Bytes of text a CPU cuts into byte pairs in a second."""
BYTE_PAIR_SHARE = 0.25
"""The most of the time asked for that may go into that."""
MOST_CHARACTERS = 512
"""Distinct characters above which a character vocabulary is no way out."""

MOST_UNKNOWN = 0.5
"""The largest share of a text that may be characters the tokenizer does not have."""


AnyPlan = Plan | PuzzlePlan | Continuation | MoreOfTheSame


def plan_training(
    request: TrainRequest, runs_dir: Path, corpus: Corpus | None = None
) -> Generator[Event, None, AnyPlan]:
    """The plan of a training on text, new or of `request.continue_run`, or on the puzzles of
    `request.task`. `corpus` is the text of `request.paths` where it was read before. Raises as each does.
    """
    request = request.fitting_its_model()
    _require_meant(request)
    if request.task is not None:
        return (yield from plan_puzzles(request, runs_dir))
    if not request.paths:
        raise UsageError("There is nothing to train on.", hint="Give it text: rlm train FILE")
    if request.count is not None:
        raise UsageError("--count is for puzzles.", hint="Have some made: rlm train --task sudoku:4x4")
    if request.continue_run is not None:
        return (yield from plan_continuation(request, runs_dir, corpus))
    return (yield from _plan_text(request, runs_dir, corpus))


def _plan_text(request: TrainRequest, runs_dir: Path, corpus: Corpus | None) -> Generator[Event, None, Plan]:
    """Look at the text and settle everything the request leaves open.

    The text is cut into tokens on the way, into the cache: only then is it known how many there
    are. What can be refused without it is refused before it is read. Raises UsageError for what
    cannot be meant, CorpusError for text that cannot be used.
    """
    started_at = time.time()
    asked = settle_request(request, runs_dir)
    if corpus is None:
        corpus = yield from read_corpus(request.paths)
    length = asked.length if asked.length is not None else {"minutes": suggested_minutes(corpus)}
    yield PreparationAdvanced(stage="tokenizing", done=0, total=1)
    tokenizer, reason = _tokenizer(asked, corpus, length)
    if note := vocabulary_note(asked.preset, tokenizer, suggest_tokenizer(corpus)[0]):
        yield NoticeGiven(message=note)
    data = yield from with_progress_events(prepare(corpus, tokenizer))
    yield from _oddities(corpus, data)
    model = yield from _model(asked, corpus, data, tokenizer, length)
    training = yield from _training(asked, corpus, data, model, length)
    return Plan(
        name=request.name or suggest_name(corpus.name, runs_dir),
        is_named=request.name is not None,
        runs_dir=runs_dir,
        created=asked.created,
        corpus=corpus,
        data=data,
        tokenizer=tokenizer,
        reason=reason,
        model=model,
        training=training,
        estimate=estimate(model, training, asked.device),
        started_at=started_at,
    )


def _require_meant(request: TrainRequest) -> None:
    """Raise UsageError for what has no meaning beside the rest."""
    going_on = {"--replay": request.replay, "--grow-vocab": request.grow_vocab}
    growing = {"--grow-every": request.grow_every, "--grow-by": request.grow_by}
    if request.task is not None:
        of_text = {"--continue": request.continue_run, **going_on, **growing}
        if asked := [flag for flag, value in of_text.items() if value is not None]:
            raise UsageError(f"{asked[0]} is for text, and puzzles are none.", hint=f"Leave {asked[0]} out.")
    if request.continue_run is None:
        if asked := [flag for flag, value in going_on.items() if value is not None]:
            raise UsageError(
                f"{asked[0]} is for a model that knows another text.", hint="Say which one: --continue RUN"
            )
        require_growing(request, {})


def _oddities(corpus: Corpus, data: PreparedData) -> Iterator[Event]:
    """What the user should know of the tokens. Raises CorpusError where most of the text is lost."""
    if data.unknown_characters:
        share = data.unknown_characters / corpus.characters
        percent = f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"
        lost = (
            f"{data.unknown_characters:,} of {corpus.characters:,} characters ({percent}) "
            "are not in the tokenizer"
        )
        if share > MOST_UNKNOWN:
            raise CorpusError(
                f"{lost}: there is little left to learn.",
                hint="Take a tokenizer made from this text: leave --tokenizer out.",
            )
        yield NoticeGiven(message=f"{lost}; the model sees each of them as the same unknown one.")
    if corpus.kind != "text" and is_lopsided(data):
        yield NoticeGiven(
            message=f"The documents are of very unequal length: {data.train_tokens:,} tokens to learn from, "
            f"{data.validation_tokens:,} to measure on."
        )


def _tokenizer(asked: Asked, corpus: Corpus, length: Mapping[str, Any]) -> tuple[Tokenizer, str]:
    wanted, reason, vocab_size = asked.tokenizer, asked.tokenizer_reason, asked.vocab_size
    if isinstance(wanted, Tokenizer):
        return wanted, reason
    suggested, suggested_size, why = suggest_tokenizer(corpus)
    if wanted is None and vocab_size is not None:
        return _of_size(corpus, vocab_size), reason
    if wanted is None:
        if suggested == "bpe" and _too_slow(corpus, length):
            return train_character_tokenizer(corpus), "byte pairs would take too much of the time there is"
        wanted, reason = suggested, why
    if wanted == "character":
        return train_character_tokenizer(corpus), reason
    return train_bpe_tokenizer(corpus, vocab_size or (suggested_size if suggested == "bpe" else 1024)), reason


def _of_size(corpus: Corpus, vocab_size: int) -> Tokenizer:
    """A tokenizer for a model that was created for so many tokens. Raises UsageError."""
    if vocab_size >= MIN_VOCAB_SIZE:
        return train_bpe_tokenizer(corpus, vocab_size)
    tokenizer = train_character_tokenizer(corpus)
    if tokenizer.vocab_size != vocab_size:
        raise UsageError(
            f"The model was created for {vocab_size} tokens, and the characters of this text "
            f"make {tokenizer.vocab_size}.",
            hint="Take as many as the text has: --tokenizer character",
        )
    return tokenizer


def _too_slow(corpus: Corpus, length: Mapping[str, Any]) -> bool:
    """Whether cutting the text into byte pairs would eat the minutes asked for."""
    minutes = length.get("minutes")
    few = len(corpus.character_counts) <= MOST_CHARACTERS
    return minutes is not None and few and corpus.bytes / BYTE_PAIRS_PER_S > BYTE_PAIR_SHARE * 60 * minutes


def _model(
    asked: Asked, corpus: Corpus, data: PreparedData, tokenizer: Tokenizer, length: Mapping[str, Any]
) -> Generator[Event, None, ModelConfig]:
    """The model, with a context that the text fills."""
    values = {**asked.model, "vocab_size": tokenizer.vocab_size}
    if asked.created is None:
        values = {**suggested_model(corpus, tokenizer.vocab_size, length, asked.architecture), **values}
    model = model_config(values)
    context = context_that_fits(data, model.context_length, is_said=asked.context_is_said)
    if context == model.context_length:
        return model
    yield NoticeGiven(message=f"The text is short: the model sees {context} tokens at once.")
    return model_config({**values, "context_length": context})


def _training(
    asked: Asked, corpus: Corpus, data: PreparedData, model: ModelConfig, length: Mapping[str, Any]
) -> Generator[Event, None, TrainingConfig]:
    """The training, its batch taken in pieces that fit into memory. Raises UsageError where none does."""
    values = {**suggested_training(corpus, length, model), **asked.training, **length}
    training = from_dict(TrainingConfig, values, "training")
    described = skeleton(model)
    require_memory(described, training, asked.device)
    batch_size = training.batch_size
    if batch_size > max(1, data.train_tokens // model.context_length) and "batch_size" in asked.training:
        yield NoticeGiven(message=f"A batch of {batch_size:,} sequences is more than the whole text.")
    fitting = sequences_at_once(described, training, asked.device)
    if (training.micro_batch or 1) > fitting:
        yield NoticeGiven(
            message=f"{training.micro_batch:,} sequences at once may be more than memory holds."
        )
    at_once = min(fitting, logits_at_once(model))
    if training.micro_batch is not None or at_once >= batch_size:
        return training
    if fitting == at_once:
        yield NoticeGiven(
            message=f"A batch of {batch_size:,} is taken in pieces of {at_once:,}, to fit into memory."
        )
    return from_dict(TrainingConfig, {**values, "micro_batch": at_once}, "training")
