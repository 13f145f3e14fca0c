"""What stands in a chat: messages, answers and remarks; and the answers that are yet to be written.

Needs neither torch nor textual.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tui.answer_tokens import AnswerTokens

if TYPE_CHECKING:
    from models.generation.generate import GeneratedToken

Kind = Literal["user", "model", "note", "warning", "error"]


@dataclass(slots=True, eq=False)
class Entry:
    """A message, an answer or a remark. Only the text of the newest answer grows."""

    kind: Kind
    text: str
    tokens: AnswerTokens | None = None
    """Those of an answer that was written here."""

    heading: str = ""
    footing: str = ""
    comparison: int = 0
    """Answers with the same number, above 0, are of one comparison. They are no part of the conversation."""

    is_gone: bool = False
    """Whether it was part of the conversation and is no more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model is to write. `entry` is where, if there is a place for it already."""

    tokens: Callable[[], "Iterator[GeneratedToken]"]
    entry: Entry | None = None


class Speed:
    """Tokens per second and the mean passes of an answer that is being written."""

    def __init__(self) -> None:
        self.tokens = 0
        self._passes = 0.0
        self._began = time.perf_counter()

    def add(self, token: "GeneratedToken") -> None:
        self.tokens += 1
        self._passes += token.passes

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / max(1e-9, time.perf_counter() - self._began)

    @property
    def mean_passes(self) -> float:
        return self._passes / max(1, self.tokens)
