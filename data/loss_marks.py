"""Which tokens a model of conversations is asked for: with the loss on the assistant's words, the others are
marked, so that they are read and never asked for.

A mark is a bit above all ids, so that marked tokens pass through samplers and windows like others.
"""

import numpy as np

from data.errors import CorpusError
from data.tokenizer import Tokenizer

MARK = 2**31
"""Added to the id of a token that is not asked for. No vocabulary is that large."""
_AT_ONCE = 2**20
_ASKED, _NOT_ASKED, _NO_CHANGE = 1, 0, -1


def with_marks(tokens: np.ndarray) -> np.ndarray:
    """(N,) uint32: `tokens` (N,), those marked that no assistant says.

    In a conversation that is all but the assistant's content and the eos after it. A text outside of
    conversations is asked for but for its bos. Four bytes of memory for each token.
    """
    after = np.full(max(Tokenizer.role_ids.values()) + 1, _NO_CHANGE, dtype=np.int8)
    after[[Tokenizer.bos_id, Tokenizer.eos_id]] = _ASKED
    for role, token in Tokenizer.role_ids.items():
        after[token] = _ASKED if role == "assistant" else _NOT_ASKED
    never = np.array([Tokenizer.bos_id, *Tokenizer.role_ids.values()])
    marked = np.empty(len(tokens), dtype=np.uint32)
    state = _ASKED  # of the tokens before the first that tells
    for start in range(0, len(tokens), _AT_ONCE):
        part = np.asarray(tokens[start : start + _AT_ONCE]).astype(np.int64)
        changes = np.where(part < len(after), after[np.minimum(part, len(after) - 1)], _NO_CHANGE)
        places = np.where(changes == _NO_CHANGE, -1, np.arange(len(part)))
        latest = np.maximum.accumulate(places)  # the last change up to each token, itself included
        states = np.where(latest < 0, state, changes[latest])
        before = np.concatenate(([state], states[:-1]))
        is_asked = (before == _ASKED) & ~np.isin(part, never)
        marked[start : start + len(part)] = part + np.where(is_asked, 0, MARK)
        state = int(states[-1])
    return marked


def as_asked(tokens: np.ndarray, loss_on: str) -> np.ndarray:
    """`tokens` (N,) as a training with that `loss_on` (models/config.py) asks for them."""
    return with_marks(tokens) if loss_on == "assistant" else tokens


def require_asked(tokens: np.ndarray, name: str) -> np.ndarray:
    """`tokens` (N,). Raises CorpusError where all are marked; `name` is of the text, in words."""
    if tokens.dtype == np.uint32 and not (tokens[1:] < MARK).any():
        raise CorpusError(
            f"The assistant says nothing in {name}, so there is nothing to learn or measure.",
            hint="Give conversations that have answers, or leave {training.loss_on} out.",
        )
    return tokens


def with_answers(train: np.ndarray, held_out: np.ndarray, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Both parts of a text with marks. Raises CorpusError where the assistant says nothing in one of them;
    `text` names the text."""
    return (
        require_asked(with_marks(train), f"what is learned of {text}"),
        require_asked(with_marks(held_out), f"what is held out of {text}"),
    )


def unmarked(tokens: np.ndarray) -> np.ndarray:
    """The ids of tokens that may have marks."""
    return tokens & np.uint32(MARK - 1) if tokens.dtype == np.uint32 else tokens
