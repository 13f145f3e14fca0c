"""A model as the reconstruction uses it: it predicts text tokens, and generates them.

Token 0 here is the first that stands for text. Control tokens occur in no text and are left out.
"""

from typing import Protocol

import numpy as np
import torch

from data.tokenizer import SPECIAL_TOKENS
from models.depth import Depth
from models.recursive_lm import RecursiveLM

_CONTROL = len(SPECIAL_TOKENS)
_MAX_CONTEXT = 256  # tokens: a longer context tells no more about a character


class TextModel(Protocol):
    """A predictor of `tokens` text tokens, over contexts of up to `context_length`."""

    tokens: int
    context_length: int

    def log_probabilities(self, ids: np.ndarray) -> np.ndarray:
        """(B, T, n) float32: of each text token after each of `ids` (B, T)."""
        ...

    def generate(self, rows: int, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """`rows` generated texts (rows, length), each from a first token drawn uniformly, and the
        probabilities (rows, length, n) of what follows each token."""
        ...


class RecursiveTextModel:
    """A trained model, read at one depth."""

    def __init__(self, model: RecursiveLM, depth: Depth) -> None:
        self._model = model
        self._depth = depth
        self._device = next(model.parameters()).device
        self.tokens = model.config.vocab_size - _CONTROL
        self.context_length = min(model.config.context_length, _MAX_CONTEXT)

    @torch.inference_mode()
    def log_probabilities(self, ids: np.ndarray) -> np.ndarray:
        tokens = torch.from_numpy(ids + _CONTROL).to(self._device)
        logits = self._model(tokens, self._depth).logits[..., _CONTROL:]
        log_probs: np.ndarray = logits.float().log_softmax(-1).cpu().numpy()
        return log_probs

    @torch.inference_mode()
    def generate(self, rows: int, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        draw = torch.Generator().manual_seed(seed)
        cache = self._model.new_cache(rows, length, self._depth)
        newest = torch.randint(self.tokens, (rows, 1), generator=draw)
        ids, following = [], []
        for _ in range(length):
            tokens = (newest + _CONTROL).to(self._device)
            logits = self._model(tokens, self._depth, cache).logits[:, -1, _CONTROL:]
            probabilities = logits.float().softmax(-1).cpu()  # (rows, n)
            ids.append(newest[:, 0])
            following.append(probabilities)
            newest = torch.multinomial(probabilities, 1, generator=draw)
        return torch.stack(ids, 1).numpy(), torch.stack(following, 1).numpy()
