"""A passage the model writes now and then, always after the same words and from the same seed."""

from dataclasses import dataclass

import numpy as np

from data.tokenizer import Tokenizer
from models.generation.settings import GenerationConfig
from models.recursion import Depth
from models.recursive_lm import RecursiveLM

SAMPLE = GenerationConfig(max_tokens=160, temperature=0.8, seed=1234)
_WORDS = 3
_CHARACTERS = 24
"""The most a prompt is made of: a language without blanks has no words to count."""
_GLANCE_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Passage:
    """What was asked, as text, and what the model wrote."""

    prompt: str
    text: str


def sample_passage(
    model: RecursiveLM, tokenizer: Tokenizer, kind: str, validation: np.ndarray, depth: Depth
) -> Passage:
    """Text after the first words of `validation` (N,), which it never learned from: after a newline, an
    indented text would have it write blanks alone. Or, where the model learned conversations, an answer
    to the first question there."""
    from models.generation.generate import generate

    prompt_of = _question if kind == "messages" else _first_words
    prompt = prompt_of(tokenizer, validation, model.config.context_length)
    was_training = model.training
    model.eval()
    try:
        tokens = list(generate(model, tokenizer, [prompt], depth, SAMPLE))
    finally:
        model.train(was_training)
    return Passage(tokenizer.decode(prompt).strip(), "".join(token.text for token in tokens))


def _first_words(tokenizer: Tokenizer, validation: np.ndarray, context_length: int) -> list[int]:
    """The tokens of the words that the first line with letters begins with, or else any line; none where
    all is blank."""
    lines = tokenizer.decode(validation[:_GLANCE_TOKENS]).split("\n")
    if len(lines) > 1 and validation[0] != tokenizer.bos_id:
        del lines[0]  # mostly cut off at its beginning
    openings = [" ".join(line.split()[:_WORDS])[:_CHARACTERS] for line in lines]
    known = [opening for opening in openings if opening and "\N{REPLACEMENT CHARACTER}" not in opening]
    chosen = next((one for one in known if any(map(str.isalpha, one))), known[0] if known else "")
    while chosen and len(tokens := tokenizer.encode(chosen)) > max(1, context_length // 2):
        chosen = chosen[:-1].rstrip()
    return [int(token) for token in tokens] if chosen else []


def _question(tokenizer: Tokenizer, validation: np.ndarray, context_length: int) -> list[int]:
    """The tokens up to the first answer, or none where that is further than half a context."""
    start = [int(token) for token in validation[: context_length // 2]]
    answer = tokenizer.role_ids["assistant"]
    return start[: start.index(answer) + 1] if answer in start else []
