"""A passage the model writes now and then, always after the same words and from the same seed."""

from dataclasses import dataclass

import numpy as np

from data.tokenizer import Tokenizer
from models.generation.settings import GenerationConfig
from models.recursion import Depth
from models.recursive_lm import RecursiveLM

SAMPLE = GenerationConfig(max_tokens=160, temperature=0.8, seed=1234)


@dataclass(frozen=True, slots=True)
class Passage:
    """What was asked, as text, and what the model wrote."""

    prompt: str
    text: str


def sample_passage(
    model: RecursiveLM, tokenizer: Tokenizer, kind: str, validation: np.ndarray, depth: Depth
) -> Passage:
    """Text after a newline; or, where the model learned conversations, an answer to the first
    question of `validation` (N,)."""
    from models.generation.generate import generate

    prompt = _question(tokenizer, validation, model.config.context_length) if kind == "messages" else []
    was_training = model.training
    model.eval()
    try:
        tokens = list(generate(model, tokenizer, [prompt], depth, SAMPLE))
    finally:
        model.train(was_training)
    return Passage(tokenizer.decode(prompt).strip(), "".join(token.text for token in tokens))


def _question(tokenizer: Tokenizer, validation: np.ndarray, context_length: int) -> list[int]:
    """The tokens up to the first answer, or none where that is further than half a context."""
    start = [int(token) for token in validation[: context_length // 2]]
    answer = tokenizer.role_ids["assistant"]
    return start[: start.index(answer) + 1] if answer in start else []
