"""The same prompt at several modes. Torch-free; answering is not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.errors import UsageError
from models.depth import MODES, Depth, depth_of
from models.generation.depth_notes import extrapolates

if TYPE_CHECKING:
    from models.generation.chat_session import ChatSession
    from models.generation.generate import GeneratedToken


@dataclass(frozen=True, slots=True)
class ComparedAnswer:
    """An answer at one mode, which is written when `tokens` is called."""

    mode: str
    prompt: str
    tokens: Callable[[], Iterator[GeneratedToken]]
    is_deeper: bool
    """Whether the mode is deeper than the model was trained."""

    @property
    def depth(self) -> Depth:
        return depth_of(self.mode)


def comparison(session: ChatSession, argument: str | None) -> list[ComparedAnswer]:
    """The answers that `/compare` with this argument writes.

    The argument may begin with modes: two or more before a text, or one or more alone. A single one is
    compared with the current mode. Without modes all are compared, and without a text the last message is
    the prompt. A model without recursion answers once. Raises UsageError where there is no prompt.
    """
    words = (argument or "").split()
    named = list(itertools.takewhile(lambda word: word.lower() in MODES, words))
    if len(named) < 2 and len(named) < len(words):
        named = []
    text = argument
    if named:
        text = "".join((argument or "").split(maxsplit=len(named))[len(named) :]) or None
    modes = [word.lower() for word in named] or list(MODES)
    if len(modes) == 1:
        modes.insert(0, session.settings.mode)
    return at_modes(session, list(dict.fromkeys(modes)), text)


def at_modes(session: ChatSession, modes: Sequence[str], text: str | None) -> list[ComparedAnswer]:
    """The answers to `text`, or to the last message, at these modes. Raises UsageError without either."""
    prompt = text or session.conversation.last("user")
    if prompt is None:
        raise UsageError("There is no prompt to compare yet.", hint="/compare TEXT")
    model = session.chat_model.model
    if not model.recursive:
        modes = [session.settings.mode]

    def at(mode: str) -> ComparedAnswer:
        return ComparedAnswer(
            mode,
            prompt,
            lambda: session.answer_at_mode(mode, prompt, replace_last=text is None),
            extrapolates(model, depth_of(mode)),
        )

    return [at(mode) for mode in modes]
