"""Which copy of a lost tokenizer is the right one, and putting it back."""

import contextlib
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from data.errors import TokenizerError
from data.storage import replace_file, storing, sync_directory
from data.tokenizer import Tokenizer
from models.recovery.copies import Copy, copies
from models.recovery.known_text import KnownText
from models.runs.run import Run
from models.runs.tokenizer import expected_hash, original_hash

Verified = Literal["hash", "loss", "travels-with-the-weights"]

_PUT_THE_RIGHT_ONE = "Put the right one into the run as tokenizer.json; nothing was changed."
_CLEARLY = 0.05  # nats per token between a right tokenizer and the next best


@dataclass(frozen=True, slots=True)
class Chosen:
    """The copy to put back, how it is known to be right, and the loss with it where it was measured."""

    copy: Copy
    verified: Verified
    loss: float | None = None


def choose_copy(run: Run, config: Mapping[str, Any], known: KnownText, vocab_size: int) -> Chosen | str:
    """The copy that is the run's, or a sentence that says why there is none to be had.

    Which it is, the recorded hash decides; a copy from the run's own weights that contradicts it, and
    any copy where no hash is recorded, the loss of the model on its text. Without a text, a single
    copy in the weights is taken for theirs. Raises TokenizerError where copies disagree and nothing
    decides, or the only one cannot be verified.
    """
    expected = expected_hash(config)
    stands_in: Chosen | None = None
    others: list[Copy] = []
    for copy in copies(run, config, known, vocab_size):
        if copy.tokenizer.hash == (original_hash(config) or expected):
            return Chosen(copy, "hash")
        if copy.tokenizer.hash == expected:
            stands_in = stands_in or Chosen(copy, "hash")
        others.append(copy)
    if stands_in is not None:
        return stands_in
    if not others:
        return f"No copy of the tokenizer of run '{run.name}' is left."
    none_fits = f"The only tokenizer that was found, in {_places(others)}, is not that of run '{run.name}'."
    if len(others) > 1:
        none_fits = f"None of the tokenizers in {_places(others)} is that of run '{run.name}'."
    own = [copy for copy in others if copy.source in ("weights", "checkpoint")]
    fitting = [
        copy for copy in (others if expected is None else own) if copy.tokenizer.vocab_size == vocab_size
    ]
    if not fitting:
        return none_fits
    if known.why_not_judged is None:
        return _by_loss(run, fitting, known) or none_fits
    if expected is None and len(fitting) == 1 and fitting[0] in own:
        return Chosen(fitting[0], "travels-with-the-weights")
    raise _undecided(run, fitting, expected is not None, known)


def original_copy(run: Run, config: Mapping[str, Any], known: KnownText, vocab_size: int) -> Chosen | None:
    """Where the run has a reconstruction, a copy of the tokenizer that it stands in for."""
    wanted = original_hash(config)
    found = () if wanted is None else copies(run, config, known, vocab_size)
    return next((Chosen(copy, "hash") for copy in found if copy.tokenizer.hash == wanted), None)


def put_back(run: Run, tokenizer: Tokenizer) -> Path | None:
    """Make tokenizer.json that of `tokenizer` in one step; where the old one is kept, or None for none.

    The caller holds the run's lock. Raises StorageError, the old file in its place or in its backup.
    """
    backup = None
    with storing("the old tokenizer.json"):
        if os.path.lexists(run.tokenizer_path):
            backup = _free_name(run.tokenizer_path)
            _keep(run.tokenizer_path, backup)
            sync_directory(run.path)
    replace_file(run.tokenizer_path, [tokenizer.to_json().encode()], "the tokenizer")
    return backup


def _by_loss(run: Run, others: list[Copy], known: KnownText) -> Chosen | None:
    """The one copy the model can read its own text with."""
    judged = sorted(((known.loss_with(copy.tokenizer), place) for place, copy in enumerate(others)))
    loss, place = judged[0]
    if not known.is_sensible(loss):
        return None
    runner_up = judged[1][0] if len(judged) > 1 else math.inf
    if runner_up - loss < _CLEARLY:
        near = [others[place] for value, place in judged if value - loss < _CLEARLY]
        raise TokenizerError(
            f"The tokenizers in {_places(near)} of run '{run.name}' disagree, and the model reads its text "
            f"about as well with each ({loss:.2f} nats).",
            hint=_PUT_THE_RIGHT_ONE,
        )
    return Chosen(others[place], "loss", loss)


def _undecided(run: Run, found: list[Copy], contradict: bool, known: KnownText) -> TokenizerError:
    why, hint = known.why_not_judged, _PUT_THE_RIGHT_ONE
    if known.sample is None and (lost := known.where_lost_texts_belong) is not None:
        hint = f"{lost}, and try again."
    elif known.sample is not None and known.model is None:
        hint = f"See what became of its weights: rlm show {run.name}"
    if len(found) > 1:
        return TokenizerError(
            f"The tokenizers in {_places(found)} of run '{run.name}' disagree, and {why}.", hint=hint
        )
    but = f"it is not the one config.json of run '{run.name}' names, and {why}" if contradict else why
    return TokenizerError(f"There is a tokenizer in {_places(found)}, but {but}.", hint=hint)


def _places(found: Iterable[Copy]) -> str:
    *first, last = [copy.where for copy in found]
    return f"{', '.join(first)} and {last}" if first else last


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.{number}") for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


def _keep(path: Path, backup: Path) -> None:
    """Give what is at `path` another name: a second one, so that no moment has none, where it can be."""
    with contextlib.suppress(OSError):
        os.link(path, backup, follow_symlinks=False)
        return
    os.rename(path, backup)
