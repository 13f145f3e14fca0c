"""The one surface every architecture has, so that nothing outside its file knows it by name."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from data.errors import UsageError
from models.layers.attention import AttentionContext
from models.layers.kv_cache import KVCache
from models.layers.passes import COMPLETE, Ablation, Pass, Trace
from models.layers.selection import Selection
from models.losses import next_token_loss
from models.recursion import MODES, Depth
from models.token_input import TokenInput

States = tuple[Tensor, ...]
"""What is carried from cycle to cycle, (B, T, D) each; the one that is read out comes first."""


@dataclass(slots=True)
class Hidden:
    """What an architecture makes of its tokens, before it is read out."""

    state: Tensor
    """(B, T, D)."""
    passes: Tensor
    """(B, T): the recursions each token took. Pads may count."""


@dataclass(slots=True)
class Output:
    """What the model says about the token after each of those it was given."""

    logits: Tensor
    """(B, T, V) in float32."""
    passes: Tensor
    """(B, T): the recursions each token took, 0 for a pad."""
    trace: list[Pass] = field(default_factory=list)
    """Every pass, in order, where they were asked for."""


@dataclass(slots=True)
class LossParts:
    """`total` is minimised; `next_token` is its plain cross-entropy part, nats per token.

    `passes` is the mean of the recursions each token took.
    """

    total: Tensor
    next_token: Tensor
    passes: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)


class RecursiveLM(TokenInput, ABC):
    """A causal language model whose depth is chosen at every call."""

    head: nn.Linear

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

    def embedding_modules(self) -> list[nn.Module]:
        """The modules whose parameters count as embedding: tables of tokens and positions, and the head."""
        return [*self.input_modules(), self.head]

    def forward(
        self,
        tokens: Tensor,
        depth: Depth | None = None,
        cache: KVCache | None = None,
        padding: Tensor | None = None,
        *,
        trace: bool = False,
        ablation: Ablation = COMPLETE,
    ) -> Output:
        """Logits for the token after each of `tokens` (B, T).

        With a cache, `tokens` are the new ones only. `padding` (B,) counts the pad tokens each
        row of a batch begins with. `depth` is the trained one unless given. With `trace`, every
        pass is kept; `ablation` leaves out a part of them. Raises UsageError for an ablation of
        what this architecture does not have.
        """
        self.require_possible(ablation)
        depth = depth or self.trained_depth
        cache = self.cache_for(tokens, depth, cache)
        context = self.attention_context(tokens, cache, padding)
        context.trace, context.ablation = Trace(self.readout) if trace else None, ablation
        hidden = self.hidden(tokens, depth, context)
        logits, passes = self.readout(hidden.state), hidden.passes  # (B, T, V), (B, T)
        if padding is not None:
            passes = passes * (context.new_places(tokens.size(1), tokens.device) >= padding[:, None])
        if cache is not None:
            cache.advance(tokens.size(1))
        return Output(logits, passes, context.trace.passes if context.trace is not None else [])

    @abstractmethod
    def hidden(self, tokens: Tensor, depth: Depth, context: AttentionContext) -> Hidden:
        """What `tokens` (B, T) are thought to be at `depth`: the state to be read out."""

    @abstractmethod
    def readout(self, state: Tensor) -> Tensor:
        """Logits (B, T, V) in float32 from a state (B, T, D)."""

    def training_loss(self, tokens: Tensor, targets: Tensor, depth: Depth) -> LossParts:
        """The architecture's objective over `tokens` and `targets`, both (B, T)."""
        output = self(tokens, depth)
        loss = next_token_loss(output.logits, targets)
        return LossParts(loss, loss.detach(), output.passes.mean())

    def cycle(
        self, number: int, states: States, x: Tensor, context: AttentionContext, slots: range
    ) -> States:
        """The states after cycle `number`, counted from 0, given the input `x` (B, T, D).

        Records every pass in the context, that of the first level last; leaves a frozen level alone.
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
        """Apply `cycle` as often as `depth` says: the states after each, and cycles taken (B, T).

        `slots` are those of all cycles. With `depth.halt`, tokens whose score has reached it are
        computed no more. In the slots of the cycles they miss, later tokens find the keys and
        values of their last one: its weights are the same, and so is, nearly, its input.
        Gradients flow through the last `gradient_cycles`.
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
            these = slots[number * calls : (number + 1) * calls]
            skipped = ablation.skips(number + 1)
            if number and context.cache is not None and (depth.halt is not None or skipped):
                context.cache.repeat(slots[(number - 1) * calls : number * calls], these, length)
            if skipped:
                history.append(states)
                continue
            before = states
            if everyone:
                learns = torch.is_grad_enabled() and number >= depth.cycles - gradient_cycles
                with torch.set_grad_enabled(learns):
                    states = self.cycle(number, states, x, context, these)
            elif active.any():
                selection = Selection.of(active)
                packed = tuple(selection.pack(state) for state in states)  # (B, T', D) each
                selected = context.among(selection)
                packed = self.cycle(number, packed, selection.pack(x), selected, these)
                states = tuple(selection.spread(new, old) for new, old in zip(packed, states, strict=True))
            history.append(states)
            passes = passes + active
            if depth.halt is not None or context.trace is not None:
                score = self.halting_score(before[0], states[0])  # (B, T)
                if context.trace is not None:
                    context.trace.judge(self.levels[0], score)
                if depth.halt is not None:
                    active, everyone = active & (score < depth.halt), False
        return history, passes

    @property
    def levels(self) -> tuple[str, ...]:
        """The names of the states that are carried from cycle to cycle, as `cycle` orders them."""
        return ()

    injects_input: ClassVar[bool] = True
    """Whether every cycle is given the embedded input again."""
    first_skippable: ClassVar[int] = 1
    """The first cycle that an ablation may skip."""

    def require_possible(self, ablation: Ablation) -> None:
        """Raise UsageError where `ablation` is of something this architecture does not have."""
        name = self.config.architecture
        if ablation.freeze is not None and ablation.freeze not in self.levels:
            known = f"Choose one of: {', '.join(self.levels)}." if self.levels else "It has none."
            raise UsageError(f"{name} has no level '{ablation.freeze}'.", hint=known)
        if ablation.drop_input and not (self.recursive and self.injects_input):
            raise UsageError(f"{name} gives its input to no cycle again, so it cannot be dropped.")
        if ablation.skip and not (self.recursive and min(ablation.skip) >= self.first_skippable):
            raise UsageError(f"{name} cannot skip cycle {min(ablation.skip)}.")

    @property
    def early_exit(self) -> Literal["on_request", "always", "never"]:
        """Whether tokens leave the recursion early: where `depth.halt` asks for it, in any case (a
        router decides), or never."""
        return "on_request" if self.recursive else "never"

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
        if cache is not None or depth.halt is None or self.early_exit != "on_request":
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
