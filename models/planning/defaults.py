"""What suits a corpus and the time there is, where the user left it open.

The figures come from runs on two CPU cores. They are defaults, and every one can be typed over.
"""

from collections.abc import Mapping
from typing import Any

from data.corpus import Corpus
from data.errors import CorpusError
from data.prepare import PreparedData
from models.architectures import DEFAULT_ARCHITECTURE
from models.config import ModelConfig

SHORT_MINUTES = 4.0
"""Below this a run sees too few tokens to fill a wide model."""
CHARACTERS_PER_MINUTE = 150_000
"""Of text that justify a minute of training, on a laptop's CPU."""
TOKENS_PER_MINUTE = 600_000
"""A laptop's CPU trains on about so many."""
FEW_PASSES = 8.0
"""A model reads a text so often before it starts to learn it by heart."""
MOST_PASSES = 16.0
"""Beyond this many, held out against learning by heart, it gets no better."""
NARROW = ((120_000, 96), (400_000, 128))
"""Up to so many characters, this width."""
SHORTEST_CONTEXT = 8
"""Tokens below which a context is not shortened for the sake of a small text."""
FEWEST_VALIDATION_TOKENS = 16
"""Fewer say nothing about a model."""
LOGITS_AT_ONCE = 2**24
"""Numbers a batch's logits may take at a time: a large vocabulary is what fills memory."""


def suggested_minutes(corpus: Corpus) -> float:
    """Minutes that do a corpus justice without making a first user wait: 2 to 10."""
    return float(round(min(10.0, max(2.0, corpus.characters / CHARACTERS_PER_MINUTE))))


def suggested_model(
    corpus: Corpus, vocab_size: int, length: Mapping[str, Any], architecture: str
) -> dict[str, Any]:
    """Width, heads, context, inputs and dropout for a training of `length` (one of minutes,
    steps, epochs).

    Only the default architecture is fitted to the time; the others have widths of their own.
    """
    fitted: dict[str, Any] = {"context_length": _fitting_context(corpus)}
    if architecture == DEFAULT_ARCHITECTURE:
        few = vocab_size <= 1024
        fitted |= {"d_model": _fitting_width(corpus, length), "n_heads": 4}
        fitted |= {"lookback": 3 if few else 0, "tied": not few}
    return fitted | {"dropout": 0.3 if _is_often_read(corpus, length) else 0.0}


def suggested_training(corpus: Corpus, length: Mapping[str, Any], model: ModelConfig) -> dict[str, Any]:
    """Batch, depth over time and what keeps a model from learning its text by heart."""
    return {
        "batch_size": max(4, 4096 // model.context_length),
        "late_recursion": 0.4,
        "weight_decay": 0.3 if _is_often_read(corpus, length) else 0.0,
        "most_epochs": MOST_PASSES,
    }


def logits_at_once(model: ModelConfig) -> int:
    """The most sequences whose logits a step should hold, at least one."""
    return max(1, LOGITS_AT_ONCE // (model.context_length * model.vocab_size))


def context_that_fits(data: PreparedData, context_length: int, *, is_said: bool) -> int:
    """`context_length`, or a shorter one that the training part fills where none was said.

    Raises CorpusError where there is too little text to train or to measure on.
    """
    if data.validation_tokens < FEWEST_VALIDATION_TOKENS:
        raise CorpusError(
            f"The text is too short: only {data.validation_tokens} tokens of it are left to measure on, "
            f"and {FEWEST_VALIDATION_TOKENS} are needed.",
            hint="Give it more text; of documents, the last tenth is what a model is measured on.",
        )
    shorter = context_length
    while shorter >= data.train_tokens and shorter > 1:
        shorter //= 2
    if shorter == context_length:
        return context_length
    if is_said or shorter < SHORTEST_CONTEXT:
        enough = shorter >= SHORTEST_CONTEXT
        raise CorpusError(
            f"The text is too short: {data.train_tokens:,} tokens to learn from do not fill one context "
            f"of {context_length}.",
            hint=f"Give it more text, or a shorter context: --context {shorter}."
            if enough
            else "Give it more text.",
        )
    return shorter


def _is_often_read(corpus: Corpus, length: Mapping[str, Any]) -> bool:
    """Whether the training will read the text so often that it would learn it by heart."""
    if length.get("epochs") is not None:
        return bool(length["epochs"] > FEW_PASSES)
    steps, minutes = length.get("steps"), length.get("minutes") or 0.0
    tokens = steps * 4096 if steps is not None else minutes * TOKENS_PER_MINUTE
    return bool(tokens > FEW_PASSES * corpus.characters)


def _fitting_width(corpus: Corpus, length: Mapping[str, Any]) -> int:
    """Wide for a long text and a long time, narrow for a text that a wide model would swallow."""
    for characters, width in NARROW:
        if corpus.characters < characters:
            return width
    return 192 if (length.get("minutes") or SHORT_MINUTES) < SHORT_MINUTES else 256


def _fitting_context(corpus: Corpus) -> int:
    """The longest context of which the corpus holds some twenty, 16 to 128 tokens."""
    length = 128
    while length > 16 and corpus.characters < 20 * length:
        length //= 2
    return length
