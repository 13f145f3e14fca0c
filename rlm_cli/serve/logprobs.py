"""The logarithms of the probabilities of tokens, in the two shapes of OpenAI's API.

They are those of the model, before temperature and filters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data.tokenizer import Tokenizer
    from models.generation.row import GeneratedToken

_LEAST = 1e-30
"""JSON has no number for the logarithm of 0."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token that can stand at a place."""

    text: str
    """Bytes that are no whole character are written as \\xNN."""
    bytes: bytes
    logprob: float

    def to_dict(self) -> dict[str, Any]:
        return {"token": self.text, "logprob": self.logprob, "bytes": list(self.bytes)}


@dataclass(frozen=True, slots=True)
class Logprobs:
    """A written token, and the likeliest ones at its place."""

    token: TokenLogprob
    likeliest: Sequence[TokenLogprob]
    start: int
    """The characters of the text before it."""


def logprobs_of(token: GeneratedToken, tokenizer: Tokenizer, start: int) -> Logprobs:
    """The log-probabilities of a token that begins after `start` characters of its text."""
    likeliest = [_token(tokenizer, one, probability) for one, probability in token.alternatives]
    return Logprobs(_token(tokenizer, token.id, token.probability), likeliest, start)


def completion_logprobs(logprobs: Sequence[Logprobs]) -> dict[str, Any]:
    """As /v1/completions has them."""
    return {
        "tokens": [one.token.text for one in logprobs],
        "token_logprobs": [one.token.logprob for one in logprobs],
        "top_logprobs": [
            {each.text: each.logprob for each in (*reversed(one.likeliest), one.token)} for one in logprobs
        ],
        "text_offset": [one.start for one in logprobs],
    }


def chat_logprobs(logprobs: Sequence[Logprobs]) -> dict[str, Any]:
    """As /v1/chat/completions has them."""
    content = [
        {**one.token.to_dict(), "top_logprobs": [each.to_dict() for each in one.likeliest]}
        for one in logprobs
    ]
    return {"content": content, "refusal": None}


def _token(tokenizer: Tokenizer, token: int, probability: float) -> TokenLogprob:
    logprob = math.log(max(probability, _LEAST))
    return TokenLogprob(tokenizer.token_text(token), tokenizer.token_bytes(token), logprob)
