"""Where documents begin among tokens that follow each other without padding, for a training in which a token
attends to its own document alone. `data/prepare.py` says how texts are joined.

The tokens themselves tell, so nothing is kept beside them. A sequence may begin in the middle of a document.
"""

from collections.abc import Iterator

import numpy as np

from data.loader import IGNORED
from data.loss_marks import MARK
from data.tokenizer import Tokenizer

_ROLES = np.array(list(Tokenizer.role_ids.values()))
_AT_ONCE = 2**20


def begins_document(before: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Which of `tokens` (…) are the first of a document or a conversation, given the token `before` (…) each
    of them: (…) bool.

    A bos begins one. So does what follows an eos: between plain texts there is no bos. In a conversation an
    eos is at the end of every message, and a role follows.
    """
    return (tokens == Tokenizer.bos_id) | ((before == Tokenizer.eos_id) & ~np.isin(tokens, _ROLES))


def document_numbers(tokens: np.ndarray) -> np.ndarray:
    """Of each of `tokens` (B, T), the number of its document in its sequence, from 0: (B, T) int64."""
    numbers = np.zeros(tokens.shape, dtype=np.int64)
    np.cumsum(begins_document(tokens[:, :-1], tokens[:, 1:]), axis=1, out=numbers[:, 1:])
    return numbers


def without_first_tokens(inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """`targets` (B, T) after `inputs` (B, T), with IGNORED for the first token of a document: nothing that it
    could be predicted from is in its own document."""
    return np.where(begins_document(inputs, targets), IGNORED, targets)


def asked_tokens(tokens: np.ndarray, *, within_documents: bool) -> Iterator[np.ndarray]:
    """The ids among `tokens` (N,) that have no mark (data/loss_marks.py) and, with `within_documents`, do not
    begin a document: int64, in parts."""
    last = np.full(1, Tokenizer.eos_id, dtype=np.int64)
    for start in range(0, len(tokens), _AT_ONCE):
        part = np.asarray(tokens[start : start + _AT_ONCE]).astype(np.int64)
        ids = part & (MARK - 1)
        asked = part < MARK
        if within_documents:
            asked &= ~begins_document(np.concatenate((last, ids[:-1])), ids)
        last = ids[-1:]
        yield ids[asked]
