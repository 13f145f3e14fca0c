"""Samples during training. Prompt and seed stay the same, so that they can be compared."""

import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from data.progress import result_of
from data.tokenizer import Tokenizer
from models.depth import Depth
from models.generation.prompt import prompt_of_text
from models.generation.settings import GenerationConfig
from models.recursive_lm import RecursiveLM
from models.runs.events import EvaluationAdvanced, Event

SAMPLE = GenerationConfig(max_tokens=160, temperature=0.8, seed=1234)
TOLD_EVERY_S = 0.5
_WORDS = 3
_CHARACTERS = 24
"""Limit of a prompt, for languages without spaces between words."""
_SEARCH_TOKENS = 4096  # the prompt comes from this many tokens of the validation text


@dataclass(frozen=True, slots=True)
class Passage:
    """The prompt, and the text the model wrote after it."""

    prompt: str
    text: str


def sample_passage(
    model: RecursiveLM,
    tokenizer: Tokenizer,
    kind: str,
    validation: np.ndarray,
    depth: Depth,
    step: int,
    own: str = "",
) -> Generator[Event, None, Passage]:
    """Continue `own`; where it is empty, the first words of `validation` (N,), or answer its first question
    if the model was trained on conversations. A newline as the prompt would give only spaces for an indented
    text.

    Of a long prompt the end counts: it takes at most half the context.
    Where it takes long, it tells its progress, as a part of the evaluation at `step`.
    """
    from models.generation.generate import generate

    context_length = model.config.context_length
    if own:
        prompt = prompt_of_text(tokenizer, kind, own, max(1, context_length // 2)).ids
    else:
        prompt = prompt_at(tokenizer, kind, validation, context_length)
    texts: list[str] = []
    was_training, told_at = model.training, time.monotonic()
    model.eval()
    try:
        for token in generate(model, tokenizer, [prompt], depth, SAMPLE):
            texts.append(token.text)
            if time.monotonic() - told_at >= TOLD_EVERY_S:
                told_at = time.monotonic()
                yield EvaluationAdvanced(step=step, done=len(texts), total=SAMPLE.max_tokens or 0)
    finally:
        model.train(was_training)
    return Passage(own or tokenizer.decode(prompt).strip(), "".join(texts))


def whole_passage(
    model: RecursiveLM,
    validation: np.ndarray,
    tokenizer: Tokenizer,
    kind: str,
    depth: Depth,
    step: int,
    own: str = "",
) -> Passage:
    """`sample_passage` without its progress. It reads no more of `validation` than `searched` leaves."""
    return result_of(sample_passage(model, tokenizer, kind, validation, depth, step, own))


def searched(validation: np.ndarray, context_length: int) -> np.ndarray:
    """The start of `validation` (N,), where a prompt is looked for."""
    return validation[: max(_SEARCH_TOKENS, context_length)]


def prompt_at(tokenizer: Tokenizer, kind: str, tokens: np.ndarray, context_length: int) -> list[int]:
    """The first words of `tokens` (N,), or its first question if the model was trained on conversations."""
    prompt_of = _question if kind == "messages" else _first_words
    return prompt_of(tokenizer, tokens, context_length)


def _first_words(tokenizer: Tokenizer, validation: np.ndarray, context_length: int) -> list[int]:
    """The first words of the first line with letters, else of the first line that is not blank. Empty
    if all lines are blank."""
    lines = tokenizer.decode(validation[:_SEARCH_TOKENS]).split("\n")
    if len(lines) > 1 and validation[0] != tokenizer.bos_id:
        del lines[0]  # its start is usually cut off
    starts = [" ".join(line.split()[:_WORDS])[:_CHARACTERS] for line in lines]
    candidates = [start for start in starts if start and "\N{REPLACEMENT CHARACTER}" not in start]
    with_letters = (one for one in candidates if any(map(str.isalpha, one)))
    prompt = next(with_letters, candidates[0] if candidates else "")
    while prompt and len(tokens := tokenizer.encode(prompt)) > max(1, context_length // 2):
        prompt = prompt[:-1].rstrip()
    return [int(token) for token in tokens] if prompt else []


def _question(tokenizer: Tokenizer, validation: np.ndarray, context_length: int) -> list[int]:
    """The tokens up to the first answer. Empty if that is beyond half the context."""
    start = [int(token) for token in validation[: context_length // 2]]
    answer = tokenizer.role_ids["assistant"]
    return start[: start.index(answer) + 1] if answer in start else []
