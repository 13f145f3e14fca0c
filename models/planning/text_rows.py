"""Rows of the plan of a training on text, and the words in them."""

import math

from data.corpus import Corpus
from data.filters import dropped_in_words
from data.mixes.mixed_corpus import MixedCorpus
from data.prepare import TokenCounts
from data.wording import about_minutes, counted
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import Estimate

STEPS_SHARE = 0.85
"""The share of the minutes that steps take, about. The rest is the start, evaluations and samples."""


def number_format_row(cost: Estimate) -> tuple[str, str]:
    """The row of a plan that tells the number format, and why it is that one."""
    return "number format", f"{cost.number_format.name}: {cost.number_format.reason}"


def filter_row(corpus: Corpus) -> list[tuple[str, str]]:
    """The row of a plan that tells what the filters dropped of the text; none where there are no filters."""
    if not corpus.filters:
        return []
    if not corpus.dropped:
        return [("filters", f"{', '.join(corpus.filters)}: nothing dropped")]
    return [("filters", f"dropped {dropped_in_words(corpus.dropped, corpus.characters)}")]


def loss_row(training: TrainingConfig) -> list[tuple[str, str]]:
    """The row of a plan that tells what is learned of conversations; none where it is all of them."""
    return (
        [("learns", "what the assistant says; the rest is read")] if training.loss_on == "assistant" else []
    )


def attention_row(training: TrainingConfig, corpus: Corpus) -> list[tuple[str, str]]:
    """The row of a plan that tells what tokens attend to; none where it is all of their sequence."""
    if not training.within_documents:
        return []
    words = "within each document or conversation"
    return [("attention", f"{words}; this text is one" if not has_borders(corpus) else words)]


def growth_row(training: TrainingConfig) -> list[tuple[str, str]]:
    """The row of a plan that tells of growing on the way; none where it does not."""
    if training.grow_every is None:
        return []
    parameters, characters = (
        counted(training.grow_by or 0, "parameter"),
        counted(training.grow_every, "character"),
    )
    words = f"by up to {parameters} every {characters}"
    return [("grows", words)]


def expected_tokens(
    training: TrainingConfig, model: ModelConfig, data: TokenCounts, tokens_per_second: float
) -> float:
    """How many tokens a training will see, at about so many a second."""
    if training.steps is not None:
        return training.steps * training.batch_size * model.context_length
    if training.minutes is None:
        return (training.epochs or 1.0) * data.train_tokens
    fitting = STEPS_SHARE * training.minutes * 60 * tokens_per_second
    return min(fitting, (training.max_epochs or math.inf) * data.train_tokens)


def length_in_words(
    training: TrainingConfig, model: ModelConfig, data: TokenCounts, tokens_per_second: float
) -> str:
    """The length of a training as a plan tells it, without what depends on the speed where that is nan."""
    is_timed = not math.isnan(tokens_per_second)
    if training.minutes is not None and not is_timed:
        return f"{counted(training.minutes, 'minute')} at most"
    expected = expected_tokens(training, model, data, tokens_per_second)
    tokens = f"about {expected / 1e6:.1f}M tokens" if expected >= 1e5 else f"about {expected:,.0f} tokens"
    if training.minutes is not None:
        fits = STEPS_SHARE * training.minutes * 60 * tokens_per_second
        read = f", the text {counted(training.max_epochs, 'time')}" if training.max_epochs else ""
        return f"{counted(training.minutes, 'minute')} at most, {tokens}{read if expected < fits else ''}"
    length = counted(training.steps, "step") if training.steps else counted(training.epochs or 1.0, "epoch")
    time = f", {about_minutes(expected / tokens_per_second)}" if is_timed else ""
    return f"{length}, {tokens}{time}"


def has_borders(corpus: Corpus) -> bool:
    """Whether documents follow each other in a text, or in a source of a mix."""
    texts = [part.corpus for part in corpus.mix] if isinstance(corpus, MixedCorpus) else [corpus]
    return any(one.kind != "text" or len(one.sources) > 1 for one in texts)
