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
from data.tokenizer import Tokenizer
from models.recovery.copies import Copy, copies
from models.recovery.known_text import KnownText
from models.run import Run
from models.run_tokenizer import expected_hash
from models.storage import replace_file, storing, sync_directory

Verified = Literal["hash", "loss", "travels-with-the-weights"]

_CLEARLY = 0.05  # nats per token between a right tokenizer and the next best


@dataclass(frozen=True, slots=True)
class Chosen:
    """The copy to put back, how it is known to be right, and the loss with it where it was measured."""

    copy: Copy
    verified: Verified
    loss: float | None = None


def choose_copy(run: Run, config: Mapping[str, Any], known: KnownText, vocab_size: int) -> Chosen | None:
    """The nearest copy that is proved to be the run's, or None where there is none to be had.

    Raises TokenizerError where copies disagree and nothing decides, or the only one cannot be verified.
    """
    expected = expected_hash(config)
    others: list[Copy] = []
    for copy in copies(run, config, known, vocab_size):
        if copy.tokenizer.hash == expected:
            return Chosen(copy, "hash")
        others.append(copy)
    if not others:
        return None
    if known.can_judge:
        return _by_loss(run, others, known)
    if expected is not None:
        raise TokenizerError(
            f"There is a tokenizer in {_places(others)}, but it is not the one config.json of run "
            f"'{run.name}' names, and no text it was trained on is left to try it on.",
            hint="Put the text back where it was, and try again.",
        )
    own = [copy for copy in others if copy.source in ("weights", "checkpoint")]
    if len(others) == 1 and own:
        return Chosen(own[0], "travels-with-the-weights")
    raise _undecided(run, others, "no text it was trained on is left to try them on")


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
        raise _undecided(run, near, f"the model reads its text about as well with each ({loss:.2f} nats)")
    return Chosen(others[place], "loss", loss)


def _undecided(run: Run, found: list[Copy], why: str) -> TokenizerError:
    return TokenizerError(
        f"The tokenizers in {_places(found)} of run '{run.name}' disagree, and {why}."
        if len(found) > 1
        else f"There is a tokenizer in {_places(found)}, but {why}.",
        hint="Put the right one into the run as tokenizer.json; nothing was changed.",
    )


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
