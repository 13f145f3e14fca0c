"""What suits a corpus and the time there is, where the user left it open.

The figures come from runs on two CPU cores. They are defaults, and every one can be typed over.
"""

from typing import Any

from data.corpus import Corpus
from models.architectures import DEFAULT_ARCHITECTURE
from models.config import ModelConfig

SHORT_MINUTES = 4.0
"""Below this a run sees too few tokens to fill a wide model."""
CHARACTERS_PER_MINUTE = 150_000
"""Of text that justify a minute of training, on a laptop's CPU."""
TOKENS_PER_MINUTE = 600_000
"""A laptop's CPU trains on about so many."""
LOGITS_AT_ONCE = 2**24
"""Numbers a batch's logits may take at a time: a large vocabulary is what fills memory."""


def suggested_minutes(corpus: Corpus) -> float:
    """Minutes that do a corpus justice without making a first user wait: 2 to 10."""
    return float(round(min(10.0, max(2.0, corpus.characters / CHARACTERS_PER_MINUTE))))


def suggested_model(
    corpus: Corpus, vocab_size: int, length: dict[str, Any], architecture: str
) -> dict[str, Any]:
    """Width, heads, context, inputs and dropout for a training of `length` (one of minutes,
    steps, epochs).

    Only the default architecture is fitted to the time; the others have widths of their own.
    """
    fitted: dict[str, Any] = {
        "context_length": _fitting_context(corpus),
        "dropout": _dropout(_passes(corpus, length)),
    }
    if architecture == DEFAULT_ARCHITECTURE:
        short = length.get("minutes", SHORT_MINUTES) < SHORT_MINUTES
        few = vocab_size <= 1024
        fitted |= {
            "d_model": 192 if short else 256,
            "n_heads": 4,
            "lookback": 3 if few else 0,
            "tied": not few,
        }
    return fitted


def suggested_training(model: ModelConfig) -> dict[str, Any]:
    """Batch and depth over time for that model."""
    batch_size = max(4, 4096 // model.context_length)
    at_once = max(1, LOGITS_AT_ONCE // (model.context_length * model.vocab_size))
    return {
        "batch_size": batch_size,
        "micro_batch": at_once if at_once < batch_size else None,
        "late_recursion": 0.4,
    }


def _passes(corpus: Corpus, length: dict[str, Any]) -> float:
    """About how often the training will have read the text."""
    if length.get("epochs") is not None:
        return float(length["epochs"])
    tokens = (
        length["steps"] * 4096 if length.get("steps") is not None else length["minutes"] * TOKENS_PER_MINUTE
    )
    return float(tokens / corpus.characters)


def _dropout(passes: float) -> float:
    """More of it the more often a text is read: that is when a model starts to learn it by heart."""
    return 0.2 if passes > 25 else 0.1 if passes > 8 else 0.0


def _fitting_context(corpus: Corpus) -> int:
    """The longest context of which the corpus holds some twenty, 16 to 128 tokens."""
    length = 128
    while length > 16 and corpus.characters < 20 * length:
        length //= 2
    return length
