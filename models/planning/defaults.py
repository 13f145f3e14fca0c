"""What suits a corpus and the time there is, where the user left it open.

The figures come from runs on two CPU cores. They are defaults, and every one can be typed over.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from data.corpus import Corpus
from data.errors import CorpusError
from data.prepare import TokenCounts
from data.wording import counted
from models.architectures import DEFAULT_ARCHITECTURE
from models.config import ModelConfig, TrainingConfig
from models.settings import Settings

DEFAULT_VOCAB_SIZE = 96
"""For a model that is created without a tokenizer and without a size."""
CHARACTERS_PER_MINUTE = 150_000
"""Of text that justify a minute of training, on a laptop's CPU."""
REGULARISATION = ((4.0, 0.0), (6.0, 0.2), (10.0, 0.3))
"""Readings of a text, and the dropout and the weight decay that keep it from being learned by heart
(docs/recipe.md); in between, along a line. With fewer readings, they cost more than they save."""
MOST_REGULARISATION = ((0.0, 0.0), (2.3, 0.2), (4.6, 0.3))
"""The parameters of the model for each token of the text, and the most of both: the more text there is for a
model, the less of it can be learned by heart."""
REPEATED_READINGS = 10.0
"""From so many on, further passes make the first one better (docs/recipe.md)."""
TOKENS_BEFORE_OVERFITTING = 1.2
"""For each parameter. A model that has read fewer has not learned enough yet to know a text by heart."""
MAX_EPOCHS = 12.0
"""Beyond this many, held out against learning by heart, it gets no better."""
MOST_WIDTH = 256
WIDTHS_FOR_SHORT_TEXTS = ((120_000, 96), (400_000, 128))
"""Characters, and the width for a text of fewer."""
WIDTHS_FOR_SHORT_TIMES = ((0.5, 128), (4.0, 192))
"""Minutes, and the width for a training of fewer: it sees too few tokens to fill a wide model. A machine may
read so few that an even narrower one learns more."""
LEAST_TOKENS_PER_PARAMETER = 2.0
"""That a model should read for each of those in its blocks. Where it would read fewer in the time there is, a
narrower one learns more (docs/recipe.md)."""
LEAST_WIDTH, WIDTH_STEP = 64, 32
SPEED_BY_WIDTH = 1.6
"""A model that is so many times narrower trains faster by that factor to this power (docs/recipe.md)."""
SMALL_VOCABULARY = 1024
"""Up to this size, a token is about one character."""
CHARACTERS_PER_TOKEN = 3.0
"""In a larger vocabulary."""
MAX_CONVERSATION_CONTEXT = 512
SHORT_MINUTES = 4.0
SHORT_EVALUATION_TOKENS = 4096
BATCH_TOKENS, LEAST_BATCH_TOKENS = 4096, 1024
"""Of a step of a training of a minute or more, and of the shortest one. The shorter a training is, the more
its number of steps counts, and the higher is the rate of AdamW that suits it beside Muon (docs/recipe.md).
But each step has a cost that does not depend on its tokens."""
MANY_STEPS = 2000
"""That a training on a CPU should have: with fewer tokens to read, a step reads fewer (docs/recipe.md)."""
LEAST_BATCH_WIDTHS = 10
"""Tokens of a step for each unit of the model's width, at least: a wider model's optimizer takes longer."""
SMALL_STEP_RATE = 4 / 3
"""How many times as high the rate of AdamW may be where a step reads fewer tokens."""
EVALUATION_S = 3.0
"""Seconds between two evaluations at least."""
SHALLOW_FRACTION = 0.4
GATED_SHALLOW_FRACTION = 0.95
"""Of a model whose first pass is that of a dense one: depth costs time, and buys little on a text that is
read a few times (docs/recipe.md)."""
REPEATED_SHALLOW_FRACTION = 0.8
REPEATED_FIRST_GATE = 0.3
"""Of such a model where a text is read REPEATED_READINGS times: more depth in training, and passes that
change more."""
MIN_CONTEXT = 8
"""Tokens below which a context is not shortened for the sake of a small text."""
MIN_VALIDATION_TOKENS = 16
"""Fewer say nothing about a model."""
MAX_LOGITS = 2**24
"""Numbers a batch's logits may take at a time: a large vocabulary is what fills memory."""


def suggested_minutes(corpus: Corpus) -> float:
    """Minutes that do a corpus justice without making a first user wait: 2 to 10."""
    return float(round(min(10.0, max(2.0, corpus.characters / CHARACTERS_PER_MINUTE))))


def suggested_model(corpus: Corpus, vocab_size: int, training: TrainingConfig, architecture: str) -> Settings:
    """Width, heads, context and inputs for a training of the length that `training` has.

    Only the default architecture is fitted to the time; the others have widths of their own.
    """
    suggested: Settings = {"context_length": _suggested_context(corpus, vocab_size)}
    if architecture == DEFAULT_ARCHITECTURE:
        is_small = vocab_size <= SMALL_VOCABULARY
        suggested |= {"d_model": _suggested_width(corpus, training), "n_heads": 4}
        suggested |= {"ngram": 3 if is_small else 0, "tied": not is_small, "gated": True}
    return suggested


def suggested_narrower(width: int, parameters: Callable[[int], int], read: float) -> int:
    """`width`, or the largest below it whose model reads LEAST_TOKENS_PER_PARAMETER in the time in which one
    of `width` reads `read` tokens. `parameters` are those in the blocks of a model of a width. Where `read`
    is not known (nan), the width stays."""
    for narrower in (width, *range((width - 1) // WIDTH_STEP * WIDTH_STEP, LEAST_WIDTH - 1, -WIDTH_STEP)):
        tokens = read * (width / narrower) ** SPEED_BY_WIDTH
        if math.isnan(read) or tokens >= LEAST_TOKENS_PER_PARAMETER * parameters(narrower):
            return narrower
    return min(width, LEAST_WIDTH)


def suggested_regularisation(epochs: float, tokens_per_parameter: float) -> float:
    """The dropout, and the weight decay, of a training that reads a text so many times, and so many tokens in
    all for each parameter. Where it is not known how many (nan), none."""
    if math.isnan(epochs) or tokens_per_parameter < TOKENS_BEFORE_OVERFITTING:
        return 0.0
    most = _along(MOST_REGULARISATION, epochs / tokens_per_parameter)
    return round(min(_along(REGULARISATION, epochs), most), 2)


def suggested_for_repeated_reading(
    model: ModelConfig, share: float, epochs: float
) -> tuple[Settings, Settings]:
    """The settings of the model and of its training where `share` is what `suggested_regularisation` says."""
    of_model: Settings = {"dropout": share}
    of_training: Settings = {"weight_decay": share}
    if share and epochs >= REPEATED_READINGS and getattr(model, "gated", False):
        of_model["first_gate"] = REPEATED_FIRST_GATE
        of_training["shallow_fraction"] = REPEATED_SHALLOW_FRACTION
    return of_model, of_training


def suggested_training(
    training: TrainingConfig, model: ModelConfig, batch_size: int | None = None, processes: int = 1
) -> Settings:
    """Batch, evaluations and depth over time for a training of the length that `training` has. `batch_size`
    is the one that somebody chose, or None; then it is a multiple of `processes`, which divide it."""
    seconds = math.inf if training.minutes is None else 60 * training.minutes
    tokens = int(max(LEAST_BATCH_TOKENS, BATCH_TOKENS * min(1.0, seconds / 60)))
    if batch_size is None:
        batch_size = max(4, tokens // model.context_length)
        batch_size += -batch_size % processes
    tokens = max(tokens, batch_size * model.context_length)  # a high rate is for small steps alone
    rate = max(1.0, BATCH_TOKENS / tokens) if training.optimizer == "muon" else 1.0
    return {
        "batch_size": batch_size,
        "learning_rate": rate * TrainingConfig.learning_rate,
        "evaluations": int(min(TrainingConfig.evaluations, max(1.0, seconds / EVALUATION_S))),
        "samples": int(min(TrainingConfig.samples, max(1.0, seconds / EVALUATION_S / 2))),
        "evaluation_tokens": _evaluation_tokens(training),
        "shallow_fraction": GATED_SHALLOW_FRACTION if getattr(model, "gated", False) else SHALLOW_FRACTION,
        "max_epochs": MAX_EPOCHS,
    }


def suggested_batch(
    training: TrainingConfig, model: ModelConfig, read: float, processes: int = 1
) -> Settings:
    """The batch of a training that reads so many tokens on a CPU, and the rate that suits it. It is no larger
    than that of `training`, but for a multiple of `processes`, which divide it among them."""
    least = max(LEAST_BATCH_TOKENS, LEAST_BATCH_WIDTHS * model.d_model)
    tokens = min(BATCH_TOKENS, max(least, read / MANY_STEPS))
    batch_size = min(training.batch_size, max(4, round(tokens / model.context_length)))
    batch_size += -batch_size % processes
    smaller = BATCH_TOKENS / (batch_size * model.context_length)
    rate = min(SMALL_STEP_RATE, smaller**0.5) if training.optimizer == "muon" else 1.0
    usual = max(1.0, rate) * TrainingConfig.learning_rate
    return {"batch_size": batch_size, "learning_rate": max(usual, training.learning_rate)}


def max_micro_batch(model: ModelConfig) -> int:
    """The most sequences whose logits a step should hold, at least one."""
    return max(1, MAX_LOGITS // (model.context_length * model.vocab_size))


def fitting_context(data: TokenCounts, context_length: int, *, is_chosen: bool) -> int:
    """`context_length`, or a shorter one that the training part fills where none was chosen.

    Raises CorpusError where there is too little text to train or to measure on.
    """
    if data.validation_tokens < MIN_VALIDATION_TOKENS:
        raise CorpusError(
            f"The text is too short: it leaves {counted(data.validation_tokens, 'token')} to measure on, "
            f"and {MIN_VALIDATION_TOKENS} are needed.",
            hint="Give it more text; of documents, the last tenth is what a model is measured on.",
        )
    shorter = context_length
    while shorter >= data.train_tokens and shorter > 1:
        shorter //= 2
    if shorter == context_length:
        return context_length
    if is_chosen or shorter < MIN_CONTEXT:
        more = "Give it more text."
        if shorter >= MIN_CONTEXT:
            more = f"Give it more text, or a shorter context: {{model.context_length={shorter}}}."
        raise CorpusError(
            f"The text is too short: it has {counted(data.train_tokens, 'token')} to learn from, and one "
            f"context is {context_length}.",
            hint=more,
            field="model.context_length",
        )
    return shorter


def _along(line: Sequence[tuple[float, float]], x: float) -> float:
    """The height at `x` of a line through points; 0 before the first, and that of the last after it."""
    places, heights = zip(*line, strict=True)
    return float(np.interp(x, places, heights, left=0.0))


def _evaluation_tokens(training: TrainingConfig) -> int:
    """Tokens of an evaluation on the way: a short training keeps its time for learning."""
    is_short = training.minutes is not None and training.minutes <= SHORT_MINUTES
    return SHORT_EVALUATION_TOKENS if is_short else TrainingConfig.evaluation_tokens


def _suggested_width(corpus: Corpus, training: TrainingConfig) -> int:
    """Wide for a long text and a long time, narrow for a text that a wide model would overfit."""
    minutes = math.inf if training.minutes is None else training.minutes
    of_text = _width_below(corpus.characters, WIDTHS_FOR_SHORT_TEXTS)
    return min(of_text, _width_below(minutes, WIDTHS_FOR_SHORT_TIMES))


def _width_below(size: float, widths: Sequence[tuple[float, int]]) -> int:
    """The width of the first of the limits that `size` is below; MOST_WIDTH above all of them."""
    return next((width for limit, width in widths if size < limit), MOST_WIDTH)


def _suggested_context(corpus: Corpus, vocab_size: int) -> int:
    """The longest context of which the corpus holds some twenty, 16 to 128 tokens.

    For conversations up to 512, so that two average ones fit: a chat then goes on from what was said.
    """
    length = 128
    if corpus.kind == "messages":
        tokens = corpus.characters / max(1, corpus.documents)
        tokens /= 1 if vocab_size <= SMALL_VOCABULARY else CHARACTERS_PER_TOKEN
        while length < MAX_CONVERSATION_CONTEXT and length < 2 * tokens:
            length *= 2
    while length > 16 and corpus.characters < 20 * length:
        length //= 2
    return length
