"""One text while it is generated."""

from __future__ import annotations

import dataclasses
import random
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from data.errors import UsageError
from models.generation.history import History
from models.generation.sampling import Alternatives
from models.generation.settings import GenerationConfig
from models.generation.text_stream import Ending, TextStream

if TYPE_CHECKING:
    from data.tokenizer import Tokenizer
    from models.depth import Depth
    from models.recursive_lm import RecursiveLM


class GeneratedToken(NamedTuple):
    """One token of one prompt."""

    row: int
    """Index of the prompt, from 0."""

    id: int

    text: str
    """Complete characters that became known with this token. It may be empty, or hold characters of
    earlier tokens. The texts of a row joined are its continuation."""

    probability: float
    """The model's probability before temperature and filters, over the allowed tokens."""

    passes: float
    """Recursions used for this token."""

    finished: Ending | None
    """Why the row ends with this token, or None if it continues."""

    alternatives: Alternatives = ()
    """The likeliest tokens at this place with their probabilities, the likeliest first, if asked for."""

    held: int = 0
    """Characters up to this token that may begin a stop string. They follow with a later token, or never."""


class Row:
    """One prompt with the tokens generated after it."""

    def __init__(
        self,
        index: int,
        tokens: list[int],
        seed: int,
        tokenizer: Tokenizer,
        config: GenerationConfig,
        context_length: int,
        alternatives: int = 0,
    ) -> None:
        self.index = index
        self.alternatives = alternatives
        self.tokens = tokens
        self._looks_back = config.repetition_penalty != 1 or config.no_repeat_ngram > 0
        self.history = History(tokens if self._looks_back else (), context_length, config.no_repeat_ngram)
        """Empty where the settings do not ask for it."""
        self.start = 0  # the model sees tokens[start:]
        self.finished = False
        self.random = random.Random(seed)
        self._left = config.max_tokens
        self._eos_id = tokenizer.eos_id
        self._stream = TextStream(tokenizer.stream_decoder(), config.stop, config.natural_stop)

    @property
    def window(self) -> list[int]:
        return self.tokens[self.start :]

    def fit_prompt(self, context_length: int) -> None:
        """Cut the start of a prompt that is too long, and leave room for new tokens."""
        if len(self.tokens) > context_length:
            room = min(context_length // 2, self._left or context_length)
            self.start = len(self.tokens) - max(1, context_length - room)

    def slide(self, context_length: int) -> None:
        """If the context has overflowed, continue from its last half.

        This depends on the row alone, so that it happens at the same token in any batch, with and
        without a cache.
        """
        if len(self.tokens) - self.start > context_length:
            self.start = len(self.tokens) - max(1, context_length // 2)

    def append(self, choice: Choice, passes: float) -> GeneratedToken:
        """Add the next token, which took that many `passes`."""
        token = choice.token
        self.tokens.append(token)
        if self._looks_back:
            self.history.add(token)
        if self._left is not None:
            self._left -= 1
        ending: Ending | None
        if token == self._eos_id:
            text, ending = self._stream.flush()
            ending = ending or "eos"
        else:
            text, ending = self._stream.push(token)
            if ending is None and self._left == 0:
                rest, ending = self._stream.flush()
                text, ending = text + rest, ending or "length"
        self.finished = ending is not None
        return GeneratedToken(
            self.index, token, text, choice.probability, passes, ending, choice.likeliest, self._stream.held
        )


class Choice(NamedTuple):
    """The next token of a row."""

    token: int
    probability: float
    """Before temperature and filters."""
    likeliest: Alternatives = ()
    """As many of the likeliest tokens as the row asks for, with their probabilities."""


def prompt_or_start(tokenizer: Tokenizer, prompt: Sequence[int]) -> list[int]:
    """The prompt; for an empty one a newline if the vocabulary has it, else the beginning-of-text token."""
    if len(prompt):
        return [int(token) for token in prompt]
    newline = [int(token) for token in tokenizer.encode("\n")]
    return newline if tokenizer.unk_id not in newline else [tokenizer.bos_id]


def seed_or_random(config: GenerationConfig) -> int:
    """The seed of the settings; without one, a random one."""
    return secrets.randbelow(2**62) if config.seed is None else config.seed


def depth_with_halting(model: RecursiveLM, depth: Depth, config: GenerationConfig) -> Depth:
    """`depth`, at which tokens leave early where the settings ask for it."""
    if not config.halt:
        return depth
    threshold = model.default_halt if config.halt_threshold is None else config.halt_threshold
    return dataclasses.replace(depth, halt=threshold)


def require_known_tokens(model: RecursiveLM, tokens: Sequence[int]) -> None:
    """Raise UsageError for a token outside the vocabulary."""
    if not all(0 <= token < model.config.vocab_size for token in tokens):
        raise UsageError("The prompt holds a token that is not in the model's vocabulary.")
