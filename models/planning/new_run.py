"""From a request and its text to the plan of a new run: nothing is written until it starts."""

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

from data.bpe_tokenizer import MIN_VOCAB_SIZE, train_bpe_tokenizer
from data.character_tokenizer import train_character_tokenizer
from data.corpus import Corpus
from data.errors import CorpusError, UsageError
from data.mixes.mixed_corpus import MixedCorpus
from data.mixes.spec import MixSpec
from data.prepare import TokenCounts
from data.tokenizer import FEWEST_SUGGESTED, Tokenizer, suggest_tokenizer
from data.wording import counted, percent
from models.architectures import model_config, skeleton
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import require_memory, sequences_at_once, sizes
from models.planning.defaults import (
    fitting_context,
    max_micro_batch,
    suggested_minutes,
    suggested_model,
    suggested_training,
)
from models.planning.fit_to_machine import fitted_to_machine, left_open
from models.planning.mix_request import read_mix
from models.planning.preset_choice import vocabulary_note
from models.planning.request import TrainRequest
from models.planning.resolve import ResolvedRequest, resolve_request
from models.planning.text_plan import TextPlan, is_lopsided, require_conversations, require_documents
from models.planning.text_tokens import prepare_text, require_answers
from models.recursive_lm import RecursiveLM
from models.runs.events import Event, NoticeGiven, PlanDrafted, PreparationAdvanced
from models.runs.progress import read_corpus
from models.runs.run_names import suggest_name

BYTE_PAIRS_PER_S = 2e6
"""Bytes of text a CPU cuts into byte pairs in a second."""
MAX_BYTE_PAIR_SHARE = 0.25
"""The most of a training's minutes that may go into that."""
MAX_CHARACTERS = 512
"""Distinct characters above which a character vocabulary is no alternative."""
FEW_CHARACTERS = 20_000
"""Below so many characters, a model learns its text by heart."""
MAX_UNKNOWN_SHARE = 0.5
"""The largest share of a text that may be characters the tokenizer does not have."""
CHARACTERS_PER_FENCE = 2500
"""A text with more code fences than one in so many characters is full of them."""
SEARCHED_FOR_FENCES = 2**18
"""The characters at the start of the training part in which fences are counted, about."""


def plan_new_run(
    request: TrainRequest, runs_dir: Path, corpus: Corpus | None = None, *, mix: MixSpec | None = None
) -> Generator[Event, None, TextPlan]:
    """Look at the text, or at the sources of the mix, and decide everything the request leaves open.

    `corpus` is the text where it was read before. It is cut into tokens on the way, into the cache: only
    then is it known how many there are. What can be refused without it is refused before it is read.
    Raises UsageError for what cannot be meant, CorpusError for text that cannot be used.
    """
    started_at = time.time()
    resolved = resolve_request(request, runs_dir)
    filters = request.filter_names
    if mix is not None:
        corpus = yield from read_mix(mix)
    elif corpus is None:
        corpus = yield from read_corpus(
            request.paths, request.encodings, filters, guess=request.guess_encoding
        )
    require_conversations(request, corpus)
    require_documents(request, corpus)
    training = resolved.training
    if not resolved.length:
        training = replace(training, minutes=suggested_minutes(corpus))
    yield PreparationAdvanced(stage="tokenizing", done=0, total=1)
    tokenizer, reason = _tokenizer(resolved, corpus, training)
    if note := vocabulary_note(resolved.preset, tokenizer, suggest_tokenizer(corpus)[0]):
        yield NoticeGiven(message=note)
    data = yield from prepare_text(corpus, tokenizer)
    if training.loss_on == "assistant":
        require_answers(corpus, data)
    yield from _text_notices(corpus, data)
    yield from _normalisation_notice(corpus, tokenizer)
    yield from _technical_notice(corpus, tokenizer, resolved)
    model = yield from _model(resolved, corpus, data, tokenizer, training)
    batch_size = training.batch_size if "batch_size" in resolved.chosen else None
    suggested = suggested_training(training, model, batch_size, resolved.processes.count)
    training = replace(training, **left_open(suggested, resolved.chosen))
    layout = skeleton(model)
    training = yield from _fitted_to_memory(resolved, data, layout, training)
    draft = TextPlan(
        name=request.name or suggest_name(corpus.name, runs_dir),
        is_named=request.name is not None,
        runs_dir=runs_dir,
        created=resolved.created,
        corpus=corpus,
        data=data,
        tokenizer=tokenizer,
        reason=reason,
        model=model,
        training=training,
        skeleton=layout,
        estimate=sizes(layout, training, resolved.device),
        started_at=started_at,
    )
    yield PlanDrafted(rows=dict(draft.rows()))
    layout, training, expected = fitted_to_machine(resolved, layout, training, data)
    return replace(draft, model=layout.config, training=training, skeleton=layout, estimate=expected)


def _text_notices(corpus: Corpus, data: TokenCounts) -> Iterator[Event]:
    """What the user should know of the text. Raises CorpusError where most of it is lost."""
    if corpus.characters < FEW_CHARACTERS:
        yield NoticeGiven(
            message=f"The text has only {counted(corpus.characters, 'character')}: the model will repeat it "
            f"and learn little else. Give it {FEW_CHARACTERS:,} or more; a book has some 300,000."
        )
    if data.unknown_characters:
        share = data.unknown_characters / corpus.characters
        shown = percent(round(share, 2)) if share >= 0.01 else "less than 1 %"
        lost = (
            f"{data.unknown_characters:,} of {counted(corpus.characters, 'character')} ({shown}) "
            f"{'is' if data.unknown_characters == 1 else 'are'} not in the tokenizer"
        )
        if share > MAX_UNKNOWN_SHARE:
            raise CorpusError(
                f"{lost}: there is little left to learn.",
                hint="Take a tokenizer made from this text: leave {tokenizer} out.",
                field="tokenizer",
            )
        yield NoticeGiven(message=f"{lost}; the model sees each of them as the same unknown one.")
    if corpus.kind != "text" and not isinstance(corpus, MixedCorpus) and is_lopsided(data):
        yield NoticeGiven(
            message="The documents are of very unequal length: "
            f"{counted(data.train_tokens, 'token')} to learn from, {data.validation_tokens:,} to measure on."
        )


def _normalisation_notice(corpus: Corpus, tokenizer: Tokenizer) -> Iterator[Event]:
    """Which characters of the text the tokenizer reads as others."""
    if tokenizer.kind != "technical:nfkc":
        return
    counts = corpus.character_counts
    changed = {c: form for c in counts if (form := tokenizer.normalize(c)) != c}
    if not changed:
        return
    often = sorted(changed, key=lambda character: -counts[character])[:3]
    shown = ", ".join(f"{character!r} as {changed[character]!r}" for character in often)
    lost = sum(counts[character] for character in changed)
    yield NoticeGiven(
        message=f"NFKC changes {lost:,} of {counted(corpus.characters, 'character')} for good: {shown}. "
        "{tokenizer=technical} keeps them."
    )


def _technical_notice(corpus: Corpus, tokenizer: Tokenizer, resolved: ResolvedRequest) -> Iterator[Event]:
    """That there is a tokenizer for a text full of code fences, where it gets byte pairs of another kind."""
    is_made_here = not isinstance(resolved.tokenizer, Tokenizer)
    if tokenizer.kind == "bpe" and is_made_here and _is_full_of_fences(corpus):
        yield NoticeGiven(
            message="The text is full of code fences: {tokenizer=technical} is made for such a text."
        )


def _is_full_of_fences(corpus: Corpus) -> bool:
    characters = fences = 0
    for document in corpus.documents_of("train"):
        for text in document.texts():
            characters += len(text)
            fences += text.count("```")
            if characters >= SEARCHED_FOR_FENCES:
                return fences * CHARACTERS_PER_FENCE > characters
    return fences * CHARACTERS_PER_FENCE > characters


def _tokenizer(resolved: ResolvedRequest, corpus: Corpus, training: TrainingConfig) -> tuple[Tokenizer, str]:
    """The tokenizer, and why it is this one."""
    chosen, reason, vocab_size = resolved.tokenizer, resolved.tokenizer_reason, resolved.vocab_size
    if isinstance(chosen, Tokenizer):
        return chosen, reason
    suggested, suggested_size, why = suggest_tokenizer(corpus)
    if chosen is None and vocab_size is not None:
        return _of_size(corpus, vocab_size), reason
    if chosen is None:
        if suggested == "bpe" and _is_too_slow(corpus, training):
            return train_character_tokenizer(corpus), "byte pairs would take too much of the time there is"
        chosen, reason = suggested, why
    if chosen == "character":
        return train_character_tokenizer(corpus), reason
    vocab_size = vocab_size or (suggested_size if suggested == "bpe" else FEWEST_SUGGESTED)
    return train_bpe_tokenizer(corpus, vocab_size, kind=chosen), reason


def _of_size(corpus: Corpus, vocab_size: int) -> Tokenizer:
    """A tokenizer for a model that was created for so many tokens. Raises UsageError."""
    if vocab_size >= MIN_VOCAB_SIZE:
        return train_bpe_tokenizer(corpus, vocab_size)
    tokenizer = train_character_tokenizer(corpus)
    if tokenizer.vocab_size != vocab_size:
        raise UsageError(
            f"The model was created for {counted(vocab_size, 'token')}, and the characters of this text "
            f"make {tokenizer.vocab_size}.",
            hint="Take as many as the text has: {tokenizer=character}",
            field="tokenizer",
        )
    return tokenizer


def _is_too_slow(corpus: Corpus, training: TrainingConfig) -> bool:
    """Whether cutting the text into byte pairs would take too many of the training's minutes."""
    if training.minutes is None or len(corpus.character_counts) > MAX_CHARACTERS:
        return False
    return corpus.bytes / BYTE_PAIRS_PER_S > MAX_BYTE_PAIR_SHARE * 60 * training.minutes


def _model(
    resolved: ResolvedRequest,
    corpus: Corpus,
    data: TokenCounts,
    tokenizer: Tokenizer,
    training: TrainingConfig,
) -> Generator[Event, None, ModelConfig]:
    """The model, with a context that the text fills. Raises UsageError, CorpusError."""
    values = {**resolved.model, "vocab_size": tokenizer.vocab_size}
    if resolved.created is None:
        suggested = suggested_model(corpus, tokenizer.vocab_size, training, resolved.architecture)
        values = {**suggested, **values}
    model = model_config(values)
    context = fitting_context(data, model.context_length, is_chosen=resolved.context_is_chosen)
    if context == model.context_length:
        return model
    yield NoticeGiven(message=f"The text is short: the model sees {counted(context, 'token')} at once.")
    return replace(model, context_length=context)


def _fitted_to_memory(
    resolved: ResolvedRequest, data: TokenCounts, model: RecursiveLM, training: TrainingConfig
) -> Generator[Event, None, TrainingConfig]:
    """The training, its batch taken in pieces that fit into memory. `model` is a skeleton. Raises
    UsageError where none does."""
    require_memory(model, training, resolved.device, shards=resolved.processes.shards)
    batch_size, context = training.batch_size, model.config.context_length
    if batch_size > max(1, data.train_tokens // context) and "batch_size" in resolved.chosen:
        yield NoticeGiven(
            message=f"A batch of {counted(batch_size, 'sequence')} is more than the whole text."
        )
    fitting = sequences_at_once(model, training, resolved.device, resolved.processes.shards)
    if (training.micro_batch or 1) > fitting:
        yield NoticeGiven(
            message=f"{training.micro_batch:,} sequences at once may be more than memory holds."
        )
    micro_batch = min(fitting, max_micro_batch(model.config))
    if training.micro_batch is not None or micro_batch >= batch_size:
        return training
    if fitting == micro_batch:
        yield NoticeGiven(
            message=f"A batch of {batch_size:,} is taken in pieces of {micro_batch:,}, to fit into memory."
        )
    return replace(training, micro_batch=micro_batch)
