"""What suits a corpus and the time there is, where the user left it open.

The figures come from runs on two CPU cores; `docs` has none of them as law. They are defaults,
and every one of them can be typed over.
"""

from typing import Any

from data.corpus import Corpus
from models.architectures import DEFAULT_ARCHITECTURE
from models.config import ModelConfig

SHORT_MINUTES = 4.0
"""Below this a run sees too few tokens to fill a wide model."""
CHARACTERS_PER_MINUTE = 150_000
"""Of text that justify a minute of training, on a laptop's CPU."""


def suggested_minutes(corpus: Corpus) -> float:
    """Minutes that do a corpus justice without making a first user wait: 2 to 10."""
    return float(round(min(10.0, max(2.0, corpus.characters / CHARACTERS_PER_MINUTE))))


def suggested_model(
    corpus: Corpus, vocab_size: int, minutes: float | None, architecture: str
) -> dict[str, Any]:
    """Width, heads, context and inputs for `minutes` of training (None: an open length).

    Only the default architecture is fitted to the time; the others have widths of their own.
    """
    short = minutes is not None and minutes < SHORT_MINUTES
    fitted: dict[str, Any] = {"context_length": min(128, _fitting(corpus))}
    if architecture == DEFAULT_ARCHITECTURE:
        width = 192 if short else 256
        fitted |= {"d_model": width, "n_heads": 4, "lookback": 3 if vocab_size <= 1024 else 0}
    return fitted


def suggested_training(corpus: Corpus, model: ModelConfig, minutes: float | None) -> dict[str, Any]:
    """Batch and regularisation for that model."""
    return {"batch_size": max(4, 4096 // model.context_length), "late_recursion": 0.4}


def _fitting(corpus: Corpus) -> int:
    """The longest context of which the corpus holds some twenty, at least 16."""
    length = 128
    while length > 16 and corpus.characters < 20 * length:
        length //= 2
    return length
