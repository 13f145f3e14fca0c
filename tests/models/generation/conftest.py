"""A small deterministic model with positions, a cache and a depth."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from data.character_tokenizer import CharacterTokenizer
from models.depth import MODES, Depth

CHARACTERS = "\n !'.,?:abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"


class StandInCache:
    """Stores the tokens, so that cached and uncached results are bit for bit equal."""

    def __init__(self, batch: int, capacity: int) -> None:
        self.tokens = torch.zeros(batch, 0, dtype=torch.int64)
        self.capacity = capacity

    @property
    def length(self) -> int:
        return self.tokens.shape[1]

    def reset(self) -> None:
        self.tokens = self.tokens[:, :0]

    def select(self, rows: Tensor) -> None:
        self.tokens = self.tokens[rows]


class StandIn(nn.Module):
    """Logits from a decaying sum over the row's tokens and positions, deterministic from a seed."""

    def __init__(self, vocab_size: int, context_length: int = 16, seed: int = 0) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.config = SimpleNamespace(vocab_size=vocab_size, context_length=context_length, d_model=8)
        self.trained_depth = Depth(3, 2)
        self.recursive = True
        self.embedding = nn.Parameter(torch.randn(vocab_size, 8, generator=random))
        self.head = nn.Parameter(torch.randn(8, vocab_size, generator=random) * 2)
        self.forwarded: list[int] = []
        self.most_held = 0

    def new_cache(self, batch: int, length: int, depth: Depth | None = None) -> StandInCache:
        return StandInCache(batch, length)

    default_halt = 0.9
    early_exit = "on_request"

    def modes(self) -> dict[str, Depth]:
        return dict(MODES)

    def attention_calls(self, depth: Depth) -> int:
        return depth.cycles

    def passes(self, depth: Depth) -> int:
        return depth.cycles

    def reached(self, depth: Depth) -> Depth:
        return depth

    def forward(self, tokens, depth=None, cache=None, padding=None):
        depth = depth or self.trained_depth
        new = tokens.shape[1]
        self.forwarded.append(new)
        if cache is not None:
            tokens = cache.tokens = torch.cat((cache.tokens, tokens), dim=1)
            assert cache.length <= cache.capacity
        batch, length = tokens.shape
        self.most_held = max(self.most_held, length)
        assert length <= self.config.context_length
        padding = torch.zeros(batch, dtype=torch.int64) if padding is None else padding
        positions = torch.arange(length)[None] - padding[:, None]  # (B, T)
        seen = (positions >= 0)[..., None]
        x = (self.embedding[tokens] + torch.sin(positions * 0.7)[..., None]) * seen  # (B, T, 8)
        steps = torch.arange(length)
        decay = (0.8 ** (steps[:, None] - steps[None]).clamp(min=0)).tril()  # (T, T)
        state = torch.einsum("ts,bsd->btd", decay, x)
        for _ in range(depth.cycles):
            state = torch.tanh(state + 0.1 * state.roll(1, dims=-1))
        logits = (state @ self.head)[:, -new:]
        passes = torch.full((batch, new), float(depth.cycles))
        return SimpleNamespace(logits=logits, passes=passes, states=None)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tokenizer() -> CharacterTokenizer:
    return CharacterTokenizer("".join(sorted(CHARACTERS)))


@pytest.fixture
def model(tokenizer: CharacterTokenizer) -> StandIn:
    return StandIn(tokenizer.vocab_size).eval()
