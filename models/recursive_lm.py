"""What every architecture has in common. Code outside an architecture's file uses only this."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from data.errors import UsageError
from data.wording import counted
from models.depth import MODES, Depth
from models.layers.attention import AttentionContext
from models.layers.block import Block
from models.layers.kv_cache import KVCache
from models.layers.selection import Selection
from models.layers.trace import COMPLETE, Ablation, Pass, Trace
from models.losses import LossParts, next_token_loss
from models.token_input import TokenInput

States = tuple[Tensor, ...]
"""The states that are carried from cycle to cycle, (B, T, D) each. The first one is read out."""


@dataclass(slots=True)
class Hidden:
    """The result of an architecture's blocks."""

    state: Tensor
    """(B, T, D), to be read out."""
    passes: Tensor
    """(B, T): the number of passes of each token. Those of pads do not matter."""


@dataclass(slots=True)
class Output:
    """The result of a forward call."""

    logits: Tensor
    """(B, T, V) in float32, for the token after each one."""
    passes: Tensor
    """(B, T): the number of passes of each token; 0 for a pad."""
    trace: list[Pass] = field(default_factory=list)
    """Every pass, in the order of computation, if a trace was requested; else nothing."""


class RecursiveLM(TokenInput, ABC):
    """A causal language model whose depth is chosen at every call."""

    head: nn.Linear
    blocks_used_in_part: ClassVar[tuple[str, ...]] = ()
    """The attributes with a block of which a part is also computed outside its `forward`."""

    @property
    @abstractmethod
    def trained_depth(self) -> Depth:
        """The deepest depth that training uses. A deeper mode extrapolates."""

    def passes(self, depth: Depth) -> int:
        """The number of passes, at `depth`, of a token that does not leave early."""
        return self.reached(depth).cycles if self.recursive else 1

    @property
    def recursive(self) -> bool:
        """Whether depth changes anything."""
        return True

    def recursion_in_words(self) -> str:
        """How often training uses the blocks, for a plan: "8 blocks, up to 24 block passes a token"."""
        blocks = counted(sum(isinstance(part, Block) for part in self.modules()), "block")
        if not self.recursive:
            return f"{blocks}, no recursion"
        return f"{blocks}, up to {counted(self.attention_calls(self.trained_depth), 'block pass')} a token"

    @abstractmethod
    def attention_calls(self, depth: Depth) -> int:
        """The number of attention calls of a forward pass at `depth`. A cache has as many slots."""

    def readouts(self, depth: Depth) -> int:
        """How often a training step at `depth` reads logits out."""
        return 1

    def embedding_modules(self) -> list[nn.Module]:
        """The modules whose parameters count as embedding: the tables that `embed` reads, and the head."""
        return [*self.input_modules(), self.head]

    def forward(
        self,
        tokens: Tensor,
        depth: Depth | None = None,
        cache: KVCache | None = None,
        padding: Tensor | None = None,
        *,
        documents: Tensor | None = None,
        trace: bool = False,
        ablation: Ablation = COMPLETE,
    ) -> Output:
        """Logits for the token after each of `tokens` (B, T).

        With a cache, `tokens` are only the new ones. `padding` (B,) is the number of pads at the start of
        each row. With `documents` (B, T), equal numbers for the tokens of one document, a token sees its own
        document alone. Without a `depth`, the trained one is used. `trace` keeps every pass, and `ablation`
        leaves out a part of the recursion. Raises UsageError for an ablation of something that this
        architecture does not have.
        """
        depth = depth or self.trained_depth
        self.require_possible(ablation, depth)
        cache = self.cache_for(tokens, depth, cache)
        context = self.attention_context(tokens, cache, padding, documents)
        context.trace, context.ablation = Trace(self.readout) if trace else None, ablation
        hidden = self.hidden(tokens, depth, context)
        logits, passes = self.readout(hidden.state), hidden.passes  # (B, T, V), (B, T)
        if padding is not None:
            passes = passes * (context.new_places(tokens.size(1), tokens.device) >= padding[:, None])
        if cache is not None:
            cache.advance(tokens.size(1))
        return Output(logits, passes, context.trace.passes if context.trace is not None else [])

    def outputs(
        self, tokens: Tensor, depths: Sequence[Depth], documents: Tensor | None = None
    ) -> Iterator[Output]:
        """What `forward` gives for `tokens` and `documents` (B, T) at each of `depths`, one after the other.

        Here: one call for each. A model whose passes at one depth begin those of a deeper one overrides
        this and `joint_calls`, and computes them once.
        """
        return (self(tokens, depth, documents=documents) for depth in depths)

    def joint_calls(self, depths: Sequence[Depth]) -> int:
        """The number of attention calls of `outputs`."""
        return sum(map(self.attention_calls, depths))

    @abstractmethod
    def hidden(self, tokens: Tensor, depth: Depth, context: AttentionContext) -> Hidden:
        """The state of each of `tokens` (B, T) after all blocks, at `depth`."""

    @abstractmethod
    def readout(self, state: Tensor) -> Tensor:
        """Logits (B, T, V) in float32 from a state (B, T, D)."""

    def training_loss(
        self, tokens: Tensor, targets: Tensor, depth: Depth, documents: Tensor | None = None
    ) -> LossParts:
        """The loss over `tokens` and `targets`, both (B, T). Here: the cross-entropy at `depth`.

        `documents` (B, T) are as in `forward`.
        """
        output = self(tokens, depth, documents=documents)
        loss = next_token_loss(output.logits, targets)
        return LossParts(loss, loss.detach(), output.passes.mean())

    def cycle(
        self, number: int, states: States, x: Tensor, context: AttentionContext, slots: range
    ) -> States:
        """The states after cycle `number`, counted from 0, given the embedded input `x` (B, T, D).

        `slots` are those of this cycle's attention calls. An implementation records every pass in the
        context, the one of `levels[0]` last, and does not change the state of a frozen level.
        """
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
        """Apply `cycle` `depth.cycles` times: the states after each, and the cycles of each token (B, T).

        `slots` are those of all cycles. With `depth.halt`, a token leaves once its halting score has
        reached it, and is not computed again. The keys and values of its last cycle are
        copied into the slots of the cycles that it misses: the weights are the same there, and the input is
        nearly the same. Gradients flow through the last `gradient_cycles`.
        """
        calls, ablation = len(slots) // depth.cycles, context.ablation
        history: list[States] = []
        batch, length = x.shape[:2]
        active = x.new_ones(batch, length, dtype=torch.bool)
        if context.padding is not None:
            active = context.new_places(length, x.device) >= context.padding[:, None]
        passes = torch.zeros(batch, length, device=x.device)
        if ablation.drop_input:
            x = torch.zeros_like(x)
        everyone = True
        for number in range(depth.cycles):
            cycle_slots = slots[number * calls : (number + 1) * calls]
            skipped = ablation.skips(number + 1)
            if number and context.cache is not None and (depth.halt is not None or skipped):
                context.cache.repeat(slots[(number - 1) * calls : number * calls], cycle_slots, length)
            if skipped:
                history.append(states)
                continue
            before = states
            if everyone:
                learns = torch.is_grad_enabled() and number >= depth.cycles - gradient_cycles
                with torch.set_grad_enabled(learns):
                    states = self.cycle(number, states, x, context, cycle_slots)
            elif active.any():
                states = self._cycle_of(active, number, states, x, context, cycle_slots)
            history.append(states)
            passes = passes + active
            if depth.halt is not None or context.trace is not None:
                score = self.halting_score(before[0], states[0])  # (B, T)
                if context.trace is not None and active.any():
                    context.trace.set_halting(self.levels[0], score)
                if depth.halt is not None:
                    active, everyone = active & (score < depth.halt), False
        return history, passes

    def _cycle_of(
        self, active: Tensor, number: int, states: States, x: Tensor, context: AttentionContext, slots: range
    ) -> States:
        """As `cycle`, of the `active` (B, T) tokens alone. The states of the others stay."""
        selection = Selection.of(active)
        packed = tuple(selection.pack(state) for state in states)  # (B, T', D) each
        packed = self.cycle(number, packed, selection.pack(x), context.among(selection), slots)
        return tuple(selection.spread(new, old) for new, old in zip(packed, states, strict=True))

    @property
    def levels(self) -> tuple[str, ...]:
        """The names of the states that `cycle` takes, in the same order. An ablation can freeze each."""
        return ()

    injects_input: ClassVar[bool] = True
    """Whether every cycle gets the embedded input. An ablation can then drop it."""
    first_skippable: ClassVar[int] = 1
    """The first cycle that an ablation may skip."""

    def require_possible(self, ablation: Ablation, depth: Depth) -> None:
        """Raise UsageError for an `ablation` of something that this model does not have at `depth`."""
        name = self.config.architecture
        if ablation.freeze is not None and ablation.freeze not in self.levels:
            known = f"Choose one of: {', '.join(self.levels)}." if self.levels else "It has none."
            raise UsageError(f"{name} has no level '{ablation.freeze}'.", hint=known)
        if ablation.drop_input and not (self.recursive and self.injects_input):
            raise UsageError(f"{name} does not give its input to the cycles, so it cannot be dropped.")
        if ablation.skip and not (self.recursive and min(ablation.skip) >= self.first_skippable):
            raise UsageError(f"{name} cannot skip cycle {min(ablation.skip)}.")
        if ablation.skip and max(ablation.skip) > self.reached(depth).cycles:
            raise UsageError(f"{name} has no cycle {max(ablation.skip)} at depth {depth}.")

    @property
    def early_exit(self) -> Literal["on_request", "always", "never"]:
        """Whether tokens leave the recursion early: if `depth.halt` is set, always (a router decides), or
        never."""
        return "on_request" if self.recursive else "never"

    default_halt: ClassVar[float] = 0.9
    """The halting threshold of early exit, unless another is given."""

    def halting_score(self, before: Tensor, after: Tensor) -> Tensor:
        """How sure the model is that a token needs no further cycle: (B, T), 0 to 1.

        Here: how little the last cycle changed the state (B, T, D), `before` to `after`. A model with a
        trained halting head overrides this.
        """
        change = (after - before).norm(dim=-1) / after.norm(dim=-1)
        return (1 - change).clamp(min=0)

    def cache_for(self, tokens: Tensor, depth: Depth, cache: KVCache | None) -> KVCache | None:
        """`cache`, or a new one for this call if it is None and tokens may leave early."""
        if cache is not None or depth.halt is None or self.early_exit != "on_request":
            return cache
        return self.new_cache(tokens.size(0), tokens.size(1), depth)

    def new_cache(self, batch: int, length: int, depth: Depth | None = None) -> KVCache:
        """An empty cache for `batch` rows of up to `length` tokens at `depth`."""
        return self.cache_with(self.attention_calls(depth or self.trained_depth), batch, length)

    def cache_with(self, slots: int, batch: int, length: int) -> KVCache:
        """An empty cache with this number of slots."""
        heads, head_width = self.config.n_heads, self.config.d_model // self.config.n_heads
        return KVCache(slots, batch, heads, length, head_width, next(self.parameters()).device)

    def parameter_counts(self) -> tuple[int, int]:
        """The numbers of all parameters and of embedding parameters. A tied head is counted once."""
        embedding = {p for module in self.embedding_modules() for p in module.parameters()}
        return sum(p.numel() for p in self.parameters()), sum(p.numel() for p in embedding)

    def modes(self) -> dict[str, Depth]:
        """The modes that differ for this model. A model that does not recur has one."""
        if not self.recursive:
            return {"normal": MODES["normal"]}
        reached = {mode: self.reached(depth) for mode, depth in MODES.items()}
        first = {depth: mode for mode, depth in reversed(reached.items())}
        return {mode: MODES[mode] for mode in reached if mode in first.values()}

    def reached(self, depth: Depth) -> Depth:
        """`depth`, or less if the architecture cannot go that deep."""
        return depth
