"""The next token of every row of a batch from its logits, in compiled code.

`models/generation/sampling.py` says what is computed.
"""

import ctypes
import functools
from collections.abc import Callable, Sequence

import numpy as np

from models.kernels.library import compiled_library

LEAST_TEMPERATURE = 1e-6
"""A smaller one is as good as 0, and could overflow."""


class _Drawing(ctypes.Structure):
    """As draw.c has it."""

    _fields_ = (
        ("logits", ctypes.c_void_p),
        ("changed", ctypes.c_void_p),
        ("rows", ctypes.c_int64),
        ("vocabulary", ctypes.c_int64),
        ("stride", ctypes.c_int64),
        ("forbidden", ctypes.c_void_p),
        ("forbidden_count", ctypes.c_int64),
        ("top_p", ctypes.c_double),
        ("temperature", ctypes.c_float),
        ("min_p", ctypes.c_float),
        ("top_k", ctypes.c_int64),
        ("numbers", ctypes.c_void_p),
        ("tokens", ctypes.c_void_p),
        ("probabilities", ctypes.c_void_p),
        ("distributions", ctypes.c_void_p),
        ("powers", ctypes.c_void_p),
        ("others", ctypes.c_void_p),
        ("cumulative", ctypes.c_void_p),
        ("candidates", ctypes.c_void_p),
    )


@functools.cache
def compiled_draw() -> Callable[..., None] | None:
    """The function of draw.c, or None where this machine has no compiled code."""
    library = compiled_library()
    if library is None:
        return None
    draw, size = library.rlm_draw, library.rlm_drawing_size
    draw.argtypes, draw.restype = [ctypes.c_void_p], None
    size.argtypes, size.restype = [], ctypes.c_int64
    found: Callable[..., None] = draw
    return found if size() == ctypes.sizeof(_Drawing) else None


class Drawer:
    """Draws tokens with the same settings."""

    def __init__(
        self,
        draw: Callable[..., None],
        forbidden: np.ndarray,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
    ) -> None:
        """Tokens `forbidden` (N,) in int64 are never drawn."""
        self._draw = draw
        self._forbidden = forbidden
        self._drawing = _Drawing(
            forbidden=forbidden.ctypes.data,
            forbidden_count=len(forbidden),
            top_p=top_p,
            temperature=max(temperature, LEAST_TEMPERATURE) if temperature else 0.0,
            min_p=min_p,
            top_k=top_k,
        )
        self._address = ctypes.addressof(self._drawing)
        self._logits: np.ndarray | None = None

    def draw(
        self,
        logits: np.ndarray,
        numbers: Sequence[float],
        changed: np.ndarray | None = None,
        distributions: np.ndarray | None = None,
    ) -> tuple[list[int], list[float]]:
        """A token of each row from logits (B, V), and its probability before temperature and filters.

        The uniform random `numbers` (B,), 0 to 1, decide. The token is -1 where logits are not finite. If
        there are `changed` logits (B, V), tokens are drawn from them. `distributions` (B, V) gets the
        probabilities of all tokens; the row of a token -1 stays as it is.
        """
        drawing = self._drawing
        if logits is not self._logits:
            self._bind(logits)
        drawing.changed = None if changed is None else changed.ctypes.data
        drawing.distributions = None if distributions is None else distributions.ctypes.data
        self._numbers[:] = [*numbers]
        self._draw(self._address)
        return self._tokens[:], self._probabilities[:]

    def _bind(self, logits: np.ndarray) -> None:
        """Draw from these logits from now on."""
        if (self._drawing.rows, self._drawing.vocabulary) != logits.shape:
            self._make_room(*logits.shape)
        self._logits = logits
        if logits.strides[1] != logits.itemsize or logits.dtype != np.float32:
            self._logits = logits = np.ascontiguousarray(logits, np.float32)
        self._drawing.logits, self._drawing.stride = logits.ctypes.data, logits.strides[0] // logits.itemsize

    def _make_room(self, rows: int, vocabulary: int) -> None:
        """Raises IndexError for a forbidden token outside the vocabulary."""
        if len(self._forbidden) and not 0 <= self._forbidden.min() <= self._forbidden.max() < vocabulary:
            raise IndexError("a forbidden token is not in the vocabulary")
        drawing = self._drawing
        drawing.rows, drawing.vocabulary = rows, vocabulary
        self._numbers = (ctypes.c_double * rows)()
        self._tokens = (ctypes.c_int64 * rows)()
        self._probabilities = (ctypes.c_float * rows)()
        self._powers, self._others = np.empty((2, vocabulary), np.float32)
        self._cumulative = np.empty(vocabulary, np.float64)
        self._candidates = np.empty(2 * vocabulary, np.int64)
        for name in ("numbers", "tokens", "probabilities"):
            setattr(drawing, name, ctypes.addressof(getattr(self, f"_{name}")))
        for name in ("powers", "others", "cumulative", "candidates"):
            setattr(drawing, name, getattr(self, f"_{name}").ctypes.data)
