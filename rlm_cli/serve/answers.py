"""An answer in the shape of OpenAI's API, whole or in the pieces of a stream."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from models.depth import MODES
from rlm_cli.serve.logprobs import Logprobs, chat_logprobs, completion_logprobs, logprobs_of

if TYPE_CHECKING:
    from data.tokenizer import Tokenizer
    from models.generation.row import GeneratedToken
    from rlm_cli.serve.served_model import Work


@dataclass(frozen=True, slots=True)
class Piece:
    """What a token adds to one of the texts."""

    number: int
    text: str
    logprobs: list[Logprobs]
    finish_reason: str | None


@dataclass(slots=True)
class _Choice:
    """One of the texts, as far as it is written."""

    text: str = ""
    logprobs: list[Logprobs] = field(default_factory=list)
    finish_reason: str | None = None
    tokens: int = 0
    passes: float = 0.0
    _held: int = 0
    _unsent: deque[Logprobs] = field(default_factory=deque)

    def add(self, token: GeneratedToken, tokenizer: Tokenizer, *, wants_logprobs: bool) -> Piece:
        """Add a token. Those of a stop string are not in the result, as its text is not."""
        start = len(self.text) + self._held
        self.tokens += 1
        self.passes += token.passes
        self.text += token.text
        self._held = token.held
        if token.finished is not None:
            self.finish_reason = "length" if token.finished == "length" else "stop"
        ready: list[Logprobs] = []
        if wants_logprobs and token.finished != "eos":
            self._unsent.append(logprobs_of(token, tokenizer, start))
        # A token belongs to the text once some of its characters do.
        cut = token.finished in ("stop", "natural")
        done = token.finished is not None and not cut
        while self._unsent and (done or self._unsent[0].start < len(self.text)):
            ready.append(self._unsent.popleft())
        self.logprobs += ready
        return Piece(token.row, token.text, ready, self.finish_reason)


class Answer:
    """The answer to a request, of which tokens become known one by one."""

    def __init__(self, work: Work, tokenizer: Tokenizer, model: str, *, wants_logprobs: bool) -> None:
        self._work = work
        self._tokenizer = tokenizer
        self._model = model
        self._wants_logprobs = wants_logprobs
        self._choices = [_Choice() for _ in work.continuations]
        self._created = int(time.time())
        self._id = f"{self._prefix}-{secrets.token_hex(12)}"

    def add(self, token: GeneratedToken) -> Piece:
        """Add the next token of the text that it carries the number of."""
        return self._choices[token.row].add(token, self._tokenizer, wants_logprobs=self._wants_logprobs)

    @property
    def finished(self) -> bool:
        """Whether all texts are at their end."""
        return all(choice.finish_reason for choice in self._choices)

    @property
    def tokens(self) -> int:
        """How many tokens are written so far."""
        return sum(choice.tokens for choice in self._choices)

    def whole(self) -> dict[str, Any]:
        """The answer as one object."""
        choices = [
            {
                "index": number,
                **self._content(choice.text),
                "logprobs": self._logprobs(choice.logprobs),
                "finish_reason": choice.finish_reason,
            }
            for number, choice in enumerate(self._choices)
        ]
        return {**self._head(self._object), "choices": choices, "usage": self._usage(), "rlm": self._more()}

    def opening(self) -> Iterator[dict[str, Any]]:
        """The chunks with which a stream begins."""
        return iter(())

    def chunk(self, piece: Piece) -> dict[str, Any] | None:
        """The chunk for a piece, or None where there is nothing to tell yet."""
        if not (piece.text or piece.logprobs or piece.finish_reason):
            return None
        choice = {
            "index": piece.number,
            **self._delta(piece.text),
            "logprobs": self._logprobs(piece.logprobs),
            "finish_reason": piece.finish_reason,
        }
        return {**self._head(self._chunk_object), "choices": [choice]}

    def usage_chunk(self) -> dict[str, Any]:
        """The last chunk, for a client that wants the counts."""
        return {
            **self._head(self._chunk_object), "choices": [], "usage": self._usage(), "rlm": self._more(),
        }  # fmt: skip

    _prefix = "cmpl"
    _object = "text_completion"
    _chunk_object = "text_completion"

    def _content(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _delta(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _logprobs(self, logprobs: list[Logprobs]) -> dict[str, Any] | None:
        return completion_logprobs(logprobs) if self._wants_logprobs else None

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}

    def _usage(self) -> dict[str, int]:
        prompt, written = self._work.prompt_tokens, self.tokens
        return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}

    def _more(self) -> dict[str, Any]:
        """What only this server tells."""
        passes = sum(choice.passes for choice in self._choices) / max(1, self.tokens)
        return {
            "mode": self._work.mode,
            "depth": str(MODES[self._work.mode]),
            "passes_per_token": round(passes, 4),
            "dropped": self._work.dropped,
        }


class ChatAnswer(Answer):
    """The answer to a conversation."""

    _prefix = "chatcmpl"
    _object = "chat.completion"
    _chunk_object = "chat.completion.chunk"

    def opening(self) -> Iterator[dict[str, Any]]:
        for number in range(len(self._choices)):
            delta = {"role": "assistant", "content": ""}
            choice = {"index": number, "delta": delta, "logprobs": None, "finish_reason": None}
            yield {**self._head(self._chunk_object), "choices": [choice]}

    def _content(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def _delta(self, text: str) -> dict[str, Any]:
        return {"delta": {"content": text} if text else {}}

    def _logprobs(self, logprobs: list[Logprobs]) -> dict[str, Any] | None:
        return chat_logprobs(logprobs) if self._wants_logprobs else None
