"""Text that a model writes to be judged: seeded, from beginnings of held-out text."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from models.analysis.run_texts import text_of
from models.depth import Depth
from models.generation.generate import GenerationConfig, generate
from models.generation.samples import prompt_at
from models.runs.events import Event, PreparationAdvanced
from models.runs.load import LoadedModel

_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Writing:
    """How much to write, and how."""

    characters: int = 6000
    prompts: int = 8
    """Beginnings, spread evenly over the held-out text."""
    temperature: float = 0.8
    seed: int = 0


def write(
    loaded: LoadedModel, held_out: np.ndarray, depth: Depth, writing: Writing
) -> Generator[Event, None, str]:
    """About so many characters that the model writes after beginnings from `held_out` (N,).

    The beginnings themselves are left out. The same seed gives the same text. A model that ends its texts
    early is asked again from other beginnings, a few times.
    """
    model, tokenizer = loaded.model, loaded.tokenizer
    per_token = max(0.2, len(text_of(tokenizer, held_out[:5000])) / len(held_out[:5000]))
    passages: list[str] = []
    written = 0
    for round_number in range(_ROUNDS):
        missing = writing.characters - written
        if missing <= 0:
            break
        starts = np.linspace(0, 0.9 * len(held_out), writing.prompts, endpoint=False).astype(int)
        shift = len(held_out) * round_number // (_ROUNDS * writing.prompts * 2)
        prompts = [
            prompt_at(tokenizer, loaded.kind, held_out[start + shift :], model.config.context_length)
            for start in starts
        ]
        config = GenerationConfig(
            max_tokens=max(1, round(missing / per_token / writing.prompts)),
            temperature=writing.temperature,
            top_p=1.0,
            seed=writing.seed + 1000 * round_number,
        )
        rows: list[list[str]] = [[] for _ in prompts]
        for token in generate(model, tokenizer, prompts, depth, config):
            rows[token.row].append(token.text)
            written += len(token.text)
            if token.row == 0:
                done = min(written, writing.characters)
                yield PreparationAdvanced(
                    stage="writing", done=done, total=writing.characters, unit="characters"
                )
        passages += ["".join(row).strip() for row in rows]
        written = sum(map(len, passages))
    return "\n\n".join(passage for passage in passages if passage)
