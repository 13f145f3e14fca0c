"""How likely a model finds held-out text at each mode, and how sure that figure is."""

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import numpy as np

from data.document_borders import begins_document
from data.progress import result_of
from models.analysis.run_texts import text_of
from models.depth import Depth, is_trained
from models.evaluation.loss import evaluate
from models.evaluation.modes import modes_by_importance
from models.runs.events import Event, PreparationAdvanced
from models.runs.load import LoadedModel

_BLOCKS = 20
_TOKENS = 24_000
"""Held-out tokens that each mode reads at most, unless windows are so long that a block has one alone."""
STANDARD_ERRORS = 1.96
"""On each side of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """At one mode."""

    bits_per_byte: float
    interval: float | None
    """The true figure of text of this kind is this far from it at most, 19 times of 20. None: one block
    does not say."""
    loss: float
    """Nats per token."""
    passes: int
    """Recursions that a token takes at most."""
    trained: bool
    """Whether training went as deep as this mode."""


def likelihood_by_mode(
    loaded: LoadedModel, held_out: np.ndarray, modes: Mapping[str, Depth]
) -> Generator[Event, None, dict[str, Likelihood]]:
    """Read the same blocks of `held_out` (N,) at each of `modes`.

    The interval is that of a mean over blocks, 1.96 standard errors: it says how much the choice of the
    text matters, and not how much the choice of a seed for training would.
    """
    blocks = blocks_of(held_out, loaded.model.config.context_length)
    within = loaded.config.training_config().within_documents
    asked = [_predicted(block, within) for block in blocks]
    sizes = [len(text_of(loaded.tokenizer, block[1:]).encode()) for block in blocks]
    found: dict[str, Likelihood] = {}
    for mode, depth in modes.items():
        nats = []
        for number, block in enumerate(blocks):
            done = len(found) * len(blocks) + number
            yield PreparationAdvanced(stage="measuring", done=done, total=len(modes) * len(blocks))
            evaluating = evaluate(loaded.model, block, depth, loaded.number_format, within_documents=within)
            nats.append(result_of(evaluating) * asked[number])
        bits = [one / math.log(2) / max(1, size) for one, size in zip(nats, sizes, strict=True)]
        error = float(np.std(bits, ddof=1)) / math.sqrt(len(bits)) if len(bits) > 1 else None
        found[mode] = Likelihood(
            bits_per_byte=sum(nats) / math.log(2) / max(1, sum(sizes)),
            interval=None if error is None else STANDARD_ERRORS * error,
            loss=sum(nats) / sum(asked),
            passes=loaded.model.passes(depth),
            trained=is_trained(loaded.model, depth),
        )
    return found


def _predicted(block: np.ndarray, within_documents: bool) -> int:
    """How many tokens of a block (T + 1,) are predicted; at least 1."""
    if not within_documents:
        return len(block) - 1
    ids = block.astype(np.int64)
    return max(1, int((~begins_document(ids[:-1], ids[1:])).sum()))


def all_modes(loaded: LoadedModel) -> dict[str, Depth]:
    """The modes of the model, shallow to deep."""
    return dict(sorted(modes_by_importance(loaded.model), key=lambda item: item[1]))


def blocks_of(tokens: np.ndarray, context_length: int) -> list[np.ndarray]:
    """Stretches of whole windows from all over `tokens` (N,), each (T + 1,)."""
    windows = max(1, (len(tokens) - 1) // context_length)
    count = min(_BLOCKS, windows)
    per_block = max(1, min(windows // count, _TOKENS // _BLOCKS // context_length))
    starts = np.linspace(0, windows - per_block, count).astype(int) * context_length
    return [np.asarray(tokens[start : start + per_block * context_length + 1]) for start in starts]
