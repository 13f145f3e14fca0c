"""Models of well-known shapes, timed in turns with a run: nanoGPT's, a Llama's, and the real Llama."""

import importlib
import statistics
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures import build_model, model_config
from models.benchmark.report import Column, Table, Value
from models.device import autocast, synchronize
from models.presets import PRESETS
from models.recursive_lm import RecursiveLM
from models.runs.events import Event, PreparationAdvanced

_WARM_UP, _ROUNDS = 1, 7
_LLAMA = {"positions": "rotary", "norm": "rms", "feed_forward": "swiglu", "qk_norm": False, "tied": False}
_COLUMNS = (
    Column("model"),
    Column("blocks", "d"),
    Column("parameters", ",d"),
    Column("forward ms", ".1f", "lower"),
    Column("forward and backward ms", ".1f", "lower"),
    Column("spread", ".1f"),
    Column("tokens/s", ",.0f", "higher"),
    Column("times the run", ".2f"),
)
NOTES = (
    "Equal in all: width, heads, context, vocabulary, batch and number format. A peer has as many unshared "
    "blocks as the run applies at its trained depth. The optimizer is left out.",
    "nanoGPT's shape: learned positions, LayerNorm without a bias, GELU four times as wide, a tied head. A "
    "Llama's shape: rotary positions, RMSNorm, SwiGLU, an untied head. Both are built from rlm's dense parts "
    "and use its attention; nanoGPT's own code and torch.compile are not measured.",
)
NO_TRANSFORMERS = (
    "transformers is not installed, so its own Llama is not measured. Install it: pip install transformers "
    "(the extra rlm[hf])"
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A model to be timed."""

    name: str
    blocks: int
    model: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]
    """From tokens and targets, (B, T) each."""

    @property
    def parameters(self) -> int:
        return sum(weight.numel() for weight in self.model.parameters())


def peers(model: RecursiveLM) -> tuple[list[Peer], list[str]]:
    """`model` and models of well-known shapes beside it, and what a reader must know of them."""
    blocks = model.attention_calls(model.trained_depth)
    gpt = {**PRESETS["nanogpt-cpu"].model, "dropout": 0.0}
    found = [
        _own("this run", model, blocks),
        _own("nanoGPT's shape", _dense(model, blocks, gpt), blocks),
        _own("a Llama's shape", _dense(model, blocks, {**_LLAMA, "gpt2_weights": True}), blocks),
    ]
    llama = _transformers_llama(model, blocks)
    return ([*found, llama], [*NOTES]) if llama is not None else (found, [*NOTES, NO_TRANSFORMERS])


def time_peers(
    timed: Sequence[Peer], batch: int, length: int, vocab_size: int, number_format: str
) -> Generator[Event, None, Table]:
    """Forward and backward passes of each model in turns, on the same random tokens: medians of rounds."""
    device = next(timed[0].model.parameters()).device
    draw = torch.Generator().manual_seed(0)
    forwards: list[list[float]] = [[] for _ in timed]
    totals: list[list[float]] = [[] for _ in timed]
    for round_number in range(_WARM_UP + _ROUNDS):
        rows = torch.randint(0, vocab_size, (batch, length + 1), generator=draw).to(device)
        for place, peer in enumerate(timed):
            done = round_number * len(timed) + place
            total = (_WARM_UP + _ROUNDS) * len(timed)
            yield PreparationAdvanced(stage="timing peers", done=done, total=total)
            forward_s, total_s = _times(peer, rows, device, number_format)
            if round_number >= _WARM_UP:
                forwards[place].append(forward_s)
                totals[place].append(total_s)
    of_run = statistics.median(totals[0])
    found: list[tuple[Value, ...]] = []
    for peer, forward, whole in zip(timed, forwards, totals, strict=True):
        middle = statistics.median(whole)
        low, _, high = statistics.quantiles(whole, n=4, method="inclusive")
        figures = (1e3 * statistics.median(forward), 1e3 * middle, 1e3 * (high - low))
        speed = batch * length / middle
        found.append((peer.name, peer.blocks, peer.parameters, *figures, speed, middle / of_run))
    return Table("peers", "Training beside well-known shapes, in turns", _COLUMNS, tuple(found))


def _times(peer: Peer, rows: Tensor, device: torch.device, number_format: str) -> tuple[float, float]:
    """Seconds of a forward pass, and of it with the backward pass."""
    peer.model.zero_grad()
    synchronize(device)
    began = time.perf_counter()
    with autocast(device, number_format):
        loss = peer.loss(rows[:, :-1], rows[:, 1:])
    synchronize(device)
    forward_s = time.perf_counter() - began
    loss.backward()
    synchronize(device)
    return forward_s, time.perf_counter() - began


def _own(name: str, model: RecursiveLM, blocks: int) -> Peer:
    model.train()
    depth = model.trained_depth
    return Peer(
        name, blocks, model, lambda tokens, targets: model.training_loss(tokens, targets, depth).total
    )


def _dense(model: RecursiveLM, blocks: int, fields: dict[str, object]) -> RecursiveLM:
    config = model.config
    sizes = {
        "vocab_size": config.vocab_size,
        "context_length": config.context_length,
        "d_model": config.d_model,
        "n_heads": config.n_heads,
        "n_layers": blocks,
    }
    device = next(model.parameters()).device
    return build_model(model_config({"architecture": "transformer", **fields, **sizes})).to(device)


def _transformers_llama(model: RecursiveLM, blocks: int) -> Peer | None:
    """The Llama of the library transformers in the same shape; None where it is not installed."""
    try:
        library = importlib.import_module("transformers")
    except ImportError:
        return None
    ours = _dense(model, 1, {**_LLAMA}).config
    config = library.LlamaConfig(
        vocab_size=ours.vocab_size,
        hidden_size=ours.d_model,
        intermediate_size=ours.size_of("ff"),
        num_hidden_layers=blocks,
        num_attention_heads=ours.n_heads,
        max_position_embeddings=ours.context_length,
        tie_word_embeddings=False,
        use_cache=False,
    )
    llama = library.LlamaForCausalLM(config).to(next(model.parameters()).device).train()

    def loss(tokens: Tensor, targets: Tensor) -> Tensor:
        logits: Tensor = llama(input_ids=tokens).logits  # (B, T, V)
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())

    return Peer("the Llama of transformers", blocks, llama, loss)
