"""Chooses the right copy of a lost tokenizer: by the recorded hash, else by the model's loss."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from data.errors import TokenizerError
from models.recovery.tokenizer_copies import TokenizerCopy, find_copies
from models.recovery.training_texts import TrainingTexts
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.tokenizer import expected_hash, original_hash

Verified = Literal["hash", "loss", "travels-with-the-weights"]

_PUT_THE_RIGHT_ONE = "Put the right one into the run as tokenizer.json; nothing was changed."
_CLEAR_LEAD = 0.05  # nats per token by which the right tokenizer must beat the next best


@dataclass(frozen=True, slots=True)
class VerifiedCopy:
    """The copy to put back, how it is verified, and the loss with it (nats per token) where measured."""

    copy: TokenizerCopy
    verified: Verified
    loss: float | None = None


def choose_copy(run: Run, config: RunConfig, texts: TrainingTexts, vocab_size: int) -> VerifiedCopy | str:
    """The right copy, or a sentence that says why there is none.

    A copy with the recorded hash is right. Where none has it, the model's loss on a training text decides
    between the copies in the run's own weights; where no hash is recorded, between all copies. Without a text
    and a hash, a single copy in the weights is right. Raises TokenizerError where copies disagree and nothing
    decides, or where the only copy cannot be verified.
    """
    expected = expected_hash(config)
    reconstruction: VerifiedCopy | None = None
    others: list[TokenizerCopy] = []
    for copy in find_copies(run, config, texts, vocab_size):
        if copy.tokenizer.hash == (original_hash(config) or expected):
            return VerifiedCopy(copy, "hash")
        if copy.tokenizer.hash == expected:
            reconstruction = reconstruction or VerifiedCopy(copy, "hash")
        others.append(copy)
    if reconstruction is not None:
        return reconstruction
    if not others:
        return f"No copy of the tokenizer of run '{run.name}' is left."
    none_fits = f"The only tokenizer found, in {_places(others)}, is not that of run '{run.name}'."
    if len(others) > 1:
        none_fits = f"None of the tokenizers in {_places(others)} is that of run '{run.name}'."
    own = [copy for copy in others if copy.source in ("weights", "checkpoint")]
    candidates = [
        copy for copy in (others if expected is None else own) if copy.tokenizer.vocab_size == vocab_size
    ]
    if not candidates:
        return none_fits
    if texts.can_compare:
        return _by_loss(run, candidates, texts) or none_fits
    if expected is None and len(candidates) == 1 and candidates[0] in own:
        return VerifiedCopy(candidates[0], "travels-with-the-weights")
    raise _undecided(run, candidates, expected is not None, texts)


def original_copy(run: Run, config: RunConfig, texts: TrainingTexts, vocab_size: int) -> VerifiedCopy | None:
    """Where the run has a reconstruction: a copy of the tokenizer that was lost, if one is found."""
    original = original_hash(config)
    found = () if original is None else find_copies(run, config, texts, vocab_size)
    return next((VerifiedCopy(copy, "hash") for copy in found if copy.tokenizer.hash == original), None)


def _by_loss(run: Run, others: list[TokenizerCopy], texts: TrainingTexts) -> VerifiedCopy | None:
    """The copy with which the model has a plausible loss on its text; None where none has."""
    losses = sorted(((texts.loss_with(copy.tokenizer), place) for place, copy in enumerate(others)))
    loss, place = losses[0]
    if not texts.is_plausible(loss):
        return None
    runner_up = losses[1][0] if len(losses) > 1 else math.inf
    if runner_up - loss < _CLEAR_LEAD:
        near = [others[place] for value, place in losses if value - loss < _CLEAR_LEAD]
        raise TokenizerError(
            f"The tokenizers in {_places(near)} of run '{run.name}' disagree, and the model's loss on its "
            f"text is about the same with each ({loss:.2f} nats).",
            hint=_PUT_THE_RIGHT_ONE,
        )
    return VerifiedCopy(others[place], "loss", loss)


def _undecided(
    run: Run, found: list[TokenizerCopy], contradict: bool, texts: TrainingTexts
) -> TokenizerError:
    why, hint = texts.why_not_comparable, _PUT_THE_RIGHT_ONE
    if texts.sample is None and (missing := texts.how_to_bring_back) is not None:
        hint = f"{missing}, and try again."
    elif texts.sample is not None and texts.model is None:
        hint = f"See the state of its weights: {{show {run.in_command}}}"
    if len(found) > 1:
        return TokenizerError(
            f"The tokenizers in {_places(found)} of run '{run.name}' disagree, and {why}.", hint=hint
        )
    but = f"it is not the one recorded in config.json of run '{run.name}', and {why}" if contradict else why
    return TokenizerError(f"There is a tokenizer in {_places(found)}, but {but}.", hint=hint)


def _places(found: Iterable[TokenizerCopy]) -> str:
    *first, last = [copy.where for copy in found]
    return f"{', '.join(first)} and {last}" if first else last
