"""The one surface every architecture has, so that nothing outside its file knows it by name."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.config import ModelConfig
from models.layers.attention import AttentionContext
from models.layers.kv_cache import KVCache
from models.layers.rotary import rotary_tables, sinusoidal_table
from models.layers.selection import Selection
from models.losses import next_token_loss
from models.recursion import MODES, Depth

States = tuple[Tensor, ...]
"""What is carried from cycle to cycle, (B, T, D) each; the one that is read out comes first."""


@dataclass(slots=True)
class Output:
    """`logits` (B, T, V) in float32.

    `passes` (B, T): recursions each token took. `states`: one (B, T, D) per cycle where they were
    asked for.
    """

    logits: Tensor
    passes: Tensor
    states: list[Tensor] | None = None


@dataclass(slots=True)
class LossParts:
    """`total` is minimised; `next_token` is its plain cross-entropy part, nats per token.

    `passes` is the mean of the recursions each token took.
    """

    total: Tensor
    next_token: Tensor
    passes: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)


class RecursiveLM(nn.Module, ABC):
    """A causal language model whose depth is chosen at every call."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        if config.positions == "rotary":
            cos, sin = rotary_tables(config.d_model // config.n_heads, config.context_length)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)
        elif config.positions == "sinusoidal":
            waves = sinusoidal_table(config.d_model, config.context_length)
            self.register_buffer("waves", waves, persistent=False)
        else:
            self.position_embedding = nn.Embedding(config.context_length, config.d_model)
        self.earlier = nn.ModuleList(
            nn.Embedding(config.vocab_size, config.d_model) for _ in range(config.lookback)
        )

    cos: Tensor
    sin: Tensor
    waves: Tensor
    embedding: nn.Embedding

    @property
    @abstractmethod
    def trained_depth(self) -> Depth:
        """The deepest depth training visits; beyond it a mode extrapolates."""

    def passes(self, depth: Depth) -> int:
        """The recursions a token takes at `depth` that does not leave early."""
        return self.reached(depth).cycles if self.recursive else 1

    @property
    def recursive(self) -> bool:
        """Whether depth changes anything."""
        return True

    @abstractmethod
    def attention_calls(self, depth: Depth) -> int:
        """How many attention calls one forward pass at `depth` makes: the cache's slots."""

    def readouts(self, depth: Depth) -> int:
        """How often a training step at `depth` reads logits out."""
        return 1

    @abstractmethod
    def embedding_modules(self) -> list[nn.Module]:
        """The modules whose parameters count as embedding: tables of tokens and positions, and the head."""

    @abstractmethod
    def forward(
        self,
        tokens: Tensor,
        depth: Depth | None = None,
        cache: KVCache | None = None,
        padding: Tensor | None = None,
        *,
        keep_states: bool = False,
    ) -> Output:
        """Logits for the token after each of `tokens` (B, T).

        With a cache, `tokens` are the new ones only. `padding` (B,) counts the pad tokens each
        row of a batch begins with. `depth` is the trained one unless given.
        """

    def training_loss(self, tokens: Tensor, targets: Tensor, depth: Depth) -> LossParts:
        """The architecture's objective over `tokens` and `targets`, both (B, T)."""
        output = self(tokens, depth)
        loss = next_token_loss(output.logits, targets)
        return LossParts(loss, loss.detach(), output.passes.mean())

    def cycle(
        self, number: int, states: States, x: Tensor, context: AttentionContext, slots: range
    ) -> States:
        """The states after cycle `number`, counted from 0, given the input `x` (B, T, D)."""
        raise NotImplementedError

    def recur(
        self,
        states: States,
        x: Tensor,
        depth: Depth,
        context: AttentionContext,
        slots: range,
        gradient_cycles: int = 64,
    ) -> tuple[list[States], Tensor]:
        """Apply `cycle` as often as `depth` says: the states after each, and cycles taken (B, T).

        `slots` are those of all cycles. With `depth.halt`, tokens whose score has reached it are
        computed no more. In the slots of the cycles they miss, later tokens find the keys and
        values of their last one: its weights are the same, and so is, nearly, its input.
        Gradients flow through the last `gradient_cycles`.
        """
        calls = len(slots) // depth.cycles
        history: list[States] = []
        batch, length = x.shape[:2]
        going_on = x.new_ones(batch, length, dtype=torch.bool)
        if context.padding is not None:
            going_on = context.new_places(length, x.device) >= context.padding[:, None]
        passes = torch.zeros(batch, length, device=x.device)
        for number in range(depth.cycles):
            these = slots[number * calls : (number + 1) * calls]
            before = states
            if number == 0 or depth.halt is None:
                learns = torch.is_grad_enabled() and number >= depth.cycles - gradient_cycles
                with torch.set_grad_enabled(learns):
                    states = self.cycle(number, states, x, context, these)
            else:
                assert context.cache is not None
                context.cache.repeat(slots[(number - 1) * calls : number * calls], these, length)
                if going_on.any():
                    selection = Selection.of(going_on)
                    packed = tuple(selection.pack(state) for state in states)
                    among = context.among(selection)
                    packed = self.cycle(number, packed, selection.pack(x), among, these)
                    states = tuple(
                        selection.spread(new, old) for new, old in zip(packed, states, strict=True)
                    )
            history.append(states)
            passes = passes + going_on
            if depth.halt is not None:
                going_on = going_on & (self.halting_score(before[0], states[0]) < depth.halt)
        return history, passes

    @property
    def leaving(self) -> Literal["asked", "always", "never"]:
        """Whether tokens leave the recursion early: where `depth.halt` asks for it, in any case (a
        router decides), or never."""
        return "asked" if self.recursive else "never"

    default_halt: ClassVar[float] = 0.9
    """The threshold of `--halt` where none is given."""

    def halting_score(self, before: Tensor, after: Tensor) -> Tensor:
        """How sure the model is, 0 to 1 for each token (B, T), that another cycle is not worth it.

        Here: how little the last one changed the state (B, T, D). A model that was trained to
        tell overrides this.
        """
        change = (after - before).norm(dim=-1) / after.norm(dim=-1)
        return (1 - change).clamp(min=0)

    def cache_for(self, tokens: Tensor, depth: Depth, cache: KVCache | None) -> KVCache | None:
        """`cache`, or one for this call alone where tokens may leave early and none was given."""
        if cache is not None or depth.halt is None:
            return cache
        return self.new_cache(tokens.size(0), tokens.size(1), depth)

    def new_cache(self, batch: int, length: int, depth: Depth | None = None) -> KVCache:
        """An empty cache for `batch` rows of up to `length` tokens at `depth`."""
        config = self.config
        return KVCache(
            slots=self.attention_calls(depth or self.trained_depth),
            batch=batch,
            n_heads=config.n_heads,
            length=length,
            head_width=config.d_model // config.n_heads,
            device=next(self.parameters()).device,
        )

    def parameter_counts(self) -> tuple[int, int]:
        """All parameters, and those of them that are embedding; a tied head is counted once."""
        embedding = {p for module in self.embedding_modules() for p in module.parameters()}
        return sum(p.numel() for p in self.parameters()), sum(p.numel() for p in embedding)

    def modes(self) -> dict[str, Depth]:
        """The modes that differ for this model: all of them, or the one of a dense model."""
        if not self.recursive:
            return {"normal": MODES["normal"]}
        reached = {mode: self.reached(depth) for mode, depth in MODES.items()}
        first = {depth: mode for mode, depth in reversed(reached.items())}
        return {mode: MODES[mode] for mode in reached if mode in first.values()}

    def reached(self, depth: Depth) -> Depth:
        """What `depth` comes to: less, where the architecture cannot go that deep."""
        return depth

    def input_modules(self) -> list[nn.Module]:
        """What `embed` looks up: tables of tokens, of earlier tokens, of learned positions."""
        positions = [self.position_embedding] if self.config.positions == "learned" else []
        return [self.embedding, self.earlier, *positions]

    def embed(self, tokens: Tensor, cache: KVCache | None, padding: Tensor | None) -> Tensor:
        """`tokens` (B, T) as vectors (B, T, D).

        With `lookback`, each position also embeds the tokens before it, every distance in a
        table of its own; before the beginning stands id 0, the pad. Learned or sinusoidal
        positions are added.
        """
        x = self.embedding(tokens)
        if self.config.positions == "learned":
            x = x + self.position_embedding(self.positions(tokens, cache, padding))
        elif self.config.positions == "sinusoidal":
            x = x + self.waves[self.positions(tokens, cache, padding)]
        reach, new = self.config.lookback, tokens.size(1)
        if reach:
            before = tokens.new_zeros(tokens.size(0), 0) if cache is None else cache.last_tokens(reach)
            extended = F.pad(torch.cat((before, tokens), dim=1), (reach - before.size(1), 0))
            for distance, table in enumerate(self.earlier, start=1):
                x = x + table(extended[:, reach - distance : reach - distance + new])
        if cache is not None:
            cache.hold(tokens)
        return x

    def positions(self, tokens: Tensor, cache: KVCache | None, padding: Tensor | None) -> Tensor:
        """Where each of `tokens` (B, T) stands in its row, (B or 1, T), pads counted as 0."""
        start = cache.length if cache is not None else 0
        index = torch.arange(start, start + tokens.size(1), device=tokens.device)[None]
        return index if padding is None else (index - padding[:, None]).clamp(min=0)

    def attention_context(
        self, tokens: Tensor, cache: KVCache | None, padding: Tensor | None
    ) -> AttentionContext:
        """What attention over `tokens` may see, and the rotation of their positions."""
        context = AttentionContext(cache=cache, padding=padding)
        if self.config.positions == "rotary":
            where = self.positions(tokens, cache, padding)
            context.cos = self.cos[where][:, :, None, None]  # (B or 1, T, 1, 1, K)
            context.sin = self.sin[where][:, :, None, None]
        start, new = (cache.length if cache is not None else 0), tokens.size(1)
        if padding is None and start == 0:
            return context
        context.causal = False
        if padding is None and new == 1:
            return context
        queries = torch.arange(start, start + new, device=tokens.device)[:, None]
        keys = torch.arange(start + new, device=tokens.device)[None]
        mask = (keys <= queries)[None]  # (1, T, S)
        if padding is not None:
            # A pad sees itself alone: a row of nothing to see would be NaN.
            mask = (mask & (keys >= padding[:, None, None])) | (keys == queries)
        context.mask = mask[:, None]
        return context
