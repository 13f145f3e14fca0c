"""A model as the reconstruction sees it: a speaker of a language whose letters are numbers.

Tokens are counted from 0 here, which is the first that stands for text: control tokens, which no
text holds, are left out of everything.
"""

from typing import Protocol

import numpy as np
import torch

from data.tokenizer import SPECIAL_TOKENS
from models.recursion import Depth
from models.recursive_lm import RecursiveLM

_CONTROL = len(SPECIAL_TOKENS)
_LONGEST = 256  # tokens of context: what a letter is shows in less


class Language(Protocol):
    """What next tokens are likely: `tokens` text tokens, over contexts of up to `context_length`."""

    tokens: int
    context_length: int

    def log_probabilities(self, ids: np.ndarray) -> np.ndarray:
        """(B, T, n) float32: of each text token after each of `ids` (B, T)."""
        ...

    def speak(self, rows: int, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """`rows` texts of the model's own, (rows, length), each from a token drawn evenly, and the
        probabilities (rows, length, n) of what follows each token."""
        ...


class ModelLanguage:
    """The language of a trained model at a depth."""

    def __init__(self, model: RecursiveLM, depth: Depth) -> None:
        self._model = model
        self._depth = depth
        self._device = next(model.parameters()).device
        self.tokens = model.config.vocab_size - _CONTROL
        self.context_length = min(model.config.context_length, _LONGEST)

    @torch.inference_mode()
    def log_probabilities(self, ids: np.ndarray) -> np.ndarray:
        tokens = torch.from_numpy(ids + _CONTROL).to(self._device)
        logits = self._model(tokens, self._depth).logits[..., _CONTROL:]
        found: np.ndarray = logits.float().log_softmax(-1).cpu().numpy()
        return found

    @torch.inference_mode()
    def speak(self, rows: int, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        draw = torch.Generator().manual_seed(seed)
        cache = self._model.new_cache(rows, length, self._depth)
        newest = torch.randint(self.tokens, (rows, 1), generator=draw)
        spoken, chances = [], []
        for _ in range(length):
            tokens = (newest + _CONTROL).to(self._device)
            logits = self._model(tokens, self._depth, cache).logits[:, -1, _CONTROL:]
            probabilities = logits.float().softmax(-1).cpu()  # (rows, n)
            spoken.append(newest[:, 0])
            chances.append(probabilities)
            newest = torch.multinomial(probabilities, 1, generator=draw)
        return torch.stack(spoken, 1).numpy(), torch.stack(chances, 1).numpy()
