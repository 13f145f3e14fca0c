"""The figures of one answer, and the line below it. Torch-free."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.wording import counted

if TYPE_CHECKING:
    from models.generation.row import GeneratedToken

ENDINGS = {"length": "length limit", "stop": "stop text", "stopped": "stopped by you"}
"""Why an answer ended that did not end by itself, by `GeneratedToken.finished`."""


@dataclass(frozen=True, slots=True)
class AnswerStats:
    """Length, time and context of one answer."""

    characters: int
    tokens: int
    seconds: float
    mode: str
    depth: str
    mean_passes: float
    context_used: int
    context_length: int
    dropped_turns: int
    finished: str
    """Why the answer ended: stop, eos, natural, length, or stopped by the user."""

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds > 0 else 0.0

    def context(self) -> str:
        """Tokens in the context and its length, such as 120/256."""
        dropped = f", {self.dropped_turns} oldest messages dropped" if self.dropped_turns > 1 else ""
        dropped = ", the oldest message dropped" if self.dropped_turns == 1 else dropped
        return f"{self.context_used}/{self.context_length}{dropped}"

    def line(self) -> str:
        """The line below an answer."""
        parts = [
            counted(self.characters, "character"),
            f"{self.seconds:.1f} s",
            f"{self.tokens_per_second:.0f} tokens/s",
            self.mode,
        ]
        return " · ".join([*parts, *([ENDINGS[self.finished]] if self.finished in ENDINGS else [])])

    def details(self) -> str:
        """The tokens of the answer and the passes they took."""
        tokens, passes = counted(self.tokens, "token"), mean_passes_words(self.mean_passes)
        return f"{tokens}, {passes} per token at {self.depth}"


def token_details(token: "GeneratedToken", text: str) -> str:
    """A token as a line: its id, its own `text`, its probability and its passes."""
    return f"{token.id:>6}  {text!r:<16} p {token.probability:.4f}  passes {token.passes:g}"


def mean_passes_words(mean: float) -> str:
    """The mean passes of a token, such as 1 pass or 2.53 passes."""
    return counted(float(f"{mean:.3g}"), "pass")
